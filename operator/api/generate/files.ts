// Every generated file with its text. The same schemas always give the same bytes.
import { dump } from 'js-yaml';
import type { ObjectKind } from '../../postgres/adapter.ts';
import { nodeKind, podKind } from '../../postgres/pods.ts';
import { readKinds } from '../../postgres/table.ts';
import { GROUP } from '../resources.ts';
import { customResourceDefinition, resources } from './crd.ts';
import { parametersPage, referencePage } from './reference.ts';

const notice = '# Generated from operator/api by `npm run generate`. Do not edit.\n';

/** Path in the repository → text. */
export function generatedFiles(): Map<string, string> {
  const files = new Map<string, string>();
  for (const resource of resources) {
    const name = `${GROUP}_${resource.plural}.yaml`;
    files.set(`crds/${name}`, notice + yaml(customResourceDefinition(resource)));
    // Helm must never delete a CRD: all pools would be deleted with it.
    const kept = customResourceDefinition(resource, { 'helm.sh/resource-policy': 'keep' });
    files.set(`charts/spillway/files/crds/${name}`, notice + yaml(kept));
    files.set(`docs/reference/${resource.singular}.md`, referencePage(resource));
  }
  files.set('docs/reference/parameters.md', parametersPage());
  files.set('charts/spillway/files/postgres-rules.yaml', notice + postgresRules());
  files.set('charts/spillway/files/cluster-rules.yaml', notice + clusterRules());
  return files;
}

function yaml(value: object): string {
  return dump(value, { noRefs: true, lineWidth: 100 });
}

const look = ['get', 'list', 'watch'];

/** The operator's right to look at each kind that facts of Postgres clusters are read from, as rules of a role. */
function postgresRules(): string {
  return yaml([...readKinds(), podKind].map(ruleOf));
}

/** The same of what is in no namespace, for a role of the whole cluster. */
function clusterRules(): string {
  // Their names alone, to see when one of these kinds is installed.
  const types = { apiGroups: ['apiextensions.k8s.io'], resources: ['customresourcedefinitions'] };
  return yaml([ruleOf(nodeKind), { ...types, verbs: look.slice(1) }]);
}

function ruleOf({ apiGroup, plural }: ObjectKind): object {
  return { apiGroups: [apiGroup], resources: [plural], verbs: look };
}
