// Every generated file with its text. The same schemas always give the same bytes.
import { dump } from 'js-yaml';
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
  return files;
}

function yaml(value: object): string {
  return dump(value, { noRefs: true, lineWidth: 100 });
}

/** The operator's right to look at each kind that facts of Postgres clusters are read from, as rules of a role. */
function postgresRules(): string {
  const rules = readKinds().map(({ apiGroup, plural }) => ({
    apiGroups: [apiGroup],
    resources: [plural],
    verbs: ['get', 'list', 'watch'],
  }));
  return yaml(rules);
}
