// The Helm chart: rendered by helm, and taken by a real API server with the rights that it says.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { load, loadAll } from 'js-yaml';
import { pgbouncer } from '../../operator/engines/pgbouncer/index.ts';
import { connectionSource, loadKubeConfig } from '../../operator/kube/config.ts';
import { Transport } from '../../operator/kube/transport.ts';
import { Health } from '../../operator/reconcile/health.ts';
import { registerPoolMetrics } from '../../operator/reconcile/pool-metrics.ts';
import type { World } from '../../operator/reconcile/world.ts';
import { Metrics } from '../../operator/runtime/metrics.ts';
import { readSettings } from '../../operator/settings.ts';
import { type ControlPlane, startControlPlane } from '../cluster/control-plane.ts';
import { bin } from '../cluster/paths.ts';
import { attempt, until } from '../cluster/run.ts';

const chart = join(import.meta.dirname, '../../charts/spillway');
const system = 'spillway-system';
const account = `system:serviceaccount:${system}:spillway`;

let plane: ControlPlane;
let transport: Transport;

interface KubeJson {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec: {
    readonly template: {
      readonly metadata: object;
      readonly spec: {
        readonly serviceAccountName: string;
        readonly containers: readonly {
          readonly image: string;
          readonly env: readonly { readonly name: string; readonly value?: string }[];
        }[];
      };
    };
  };
}

const helm = (...args: string[]) =>
  attempt([`${bin}/helm`, ...args, `--kubeconfig=${plane.kubeconfig}`]);
const kubectl = async (args: readonly string[], input?: string) => {
  const command = [`${bin}/kubectl`, `--kubeconfig=${plane.kubeconfig}`, ...args];
  const result = await attempt(command, input === undefined ? {} : { input });
  return { ...result, all: result.stdout + result.stderr };
};
const must = async (args: readonly string[], input?: string) => {
  const result = await kubectl(args, input);
  assert.equal(result.code, 0, result.all);
  return result.stdout;
};

async function render(...args: string[]): Promise<KubeJson[]> {
  const all = await helm('template', 'spillway', chart, `--namespace=${system}`, ...args);
  assert.equal(all.code, 0, all.stderr);
  return (loadAll(all.stdout) as (KubeJson | undefined)[]).filter((object) => object !== undefined);
}

const everything = [
  '--set=metrics.serviceMonitor.enabled=true',
  '--set=metrics.serviceMonitor.labels.release=prometheus',
  '--set=metrics.prometheusRule.enabled=true',
  '--set=metrics.prometheusRule.labels.release=prometheus',
  '--set=metrics.dashboard.enabled=true',
  '--set=priorityClassName=system-cluster-critical',
  '--set=imagePullSecrets[0].name=registry',
  '--set=podLabels.team=db',
  '--set=podAnnotations.note=x',
  '--set=nodeSelector.disk=ssd',
  '--set=tolerations[0].operator=Exists',
  '--set=serviceAccount.annotations.a=b',
  '--set-string=extraEnv[0].name=SPILLWAY_WORKERS,extraEnv[0].value=8',
  '--set-json=affinity={"nodeAffinity":{}}',
];

before(async () => {
  plane = await startControlPlane({ withControllers: true });
  transport = new Transport(connectionSource(loadKubeConfig(plane.kubeconfig)));
  await must(['create', 'namespace', system]);
  await must(['label', 'namespace', system, 'pod-security.kubernetes.io/enforce=restricted']);
  for (const name of ['shop', 'books']) await must(['create', 'namespace', name]);
  const own = ['get', 'serviceaccount', 'default', `--namespace=${system}`];
  await until('a pod may be made', 20, async () => (await kubectl(own)).code === 0);
});
after(async () => {
  await transport?.close();
  await plane?.stop();
});

test('helm lint has nothing to say, with the defaults and with everything set', async () => {
  for (const values of [[], everything, ['--set=watchNamespaces={shop,books}']]) {
    const lint = await helm('lint', chart, '--strict', ...values);
    assert.equal(lint.code, 0, lint.stdout + lint.stderr);
  }
});

test('Values that are misspelt or out of range are refused by name', async () => {
  const wrong: readonly [string, RegExp][] = [
    ['image.tagg=1', /tagg/],
    ['logLevel=loud', /logLevel/],
    ['replicas=many', /replicas/],
    ['watchNamespaces={Shop}', /watchNamespaces/],
    ['image.digest=sha256:12', /digest/],
    ['httpPort=80', /httpPort/],
    ['serviceAccount.create=false', /serviceAccount\.name is needed/],
  ];
  for (const [value, named] of wrong) {
    const result = await helm('template', 'x', chart, `--set=${value}`);
    assert.notEqual(result.code, 0, value);
    assert.match(result.stderr, named);
  }
});

test('The README has every value', () => {
  const values = load(readFileSync(join(chart, 'values.yaml'), 'utf8'));
  const text = readFileSync(join(chart, 'README.md'), 'utf8');
  const missing = leaves(values).filter((path) => {
    // `resources` and other maps of Kubernetes are one value.
    const parts = path.split('.');
    return !parts.some((_, i) => text.includes(`\`${parts.slice(0, i + 1).join('.')}\``));
  });
  assert.deepEqual(missing, []);
});

test('Alerts and dashboard ask for metrics that the operator has, by labels that it gives', async () => {
  const metrics = new Metrics();
  const shelf = { onChange: () => undefined };
  const world = { pools: shelf, pods: shelf } as unknown as World;
  const health = new Health({ world, engine: pgbouncer, onChange: () => undefined });
  registerPoolMetrics(metrics, world, health, Date.now);
  const known = new Set(metrics.registry.getMetricsAsArray().map(({ name }) => name));
  const objects = await render(...everything);
  const texts = ['PrometheusRule', 'ConfigMap'].map((kind) => {
    const object = objects.find((one) => one.kind === kind);
    assert.ok(object !== undefined, kind);
    return JSON.stringify(object);
  });
  for (const text of texts) {
    const asked = [...new Set(text.match(/spillway_[a-z_]+/g))];
    assert.ok(asked.length > 5, `${asked}`);
    assert.deepEqual(
      asked.filter((name) => !known.has(name)),
      [],
    );
  }
  const [rules = ''] = texts;
  assert.match(rules, /\{\{ \$labels\.pool \}\}/, 'helm leaves the templates of Prometheus alone');
  const dashboard = readFileSync(join(chart, 'files/dashboard.json'), 'utf8');
  assert.ok((JSON.parse(dashboard) as { panels: object[] }).panels.length > 5);
});

test('The operator reads its settings from the variables that the Deployment sets', async () => {
  const deployment = (
    await render(
      '--set=watchNamespaces={shop,books}',
      '--set=logLevel=debug,leaseName=other,httpPort=9090,clusterDomain=k8s.example',
      `--set=poolerImage.digest=sha256:${'0'.repeat(64)}`,
    )
  ).find((object) => object.kind === 'Deployment');
  const container = deployment?.spec.template.spec.containers[0];
  assert.ok(container);
  const settings = readSettings({
    ...Object.fromEntries(container.env.map(({ name, value }) => [name, value])),
    POD_NAME: 'spillway-1',
    POD_NAMESPACE: system,
  });
  const { poolerImage, clusterDomain, watchNamespaces, logLevel, leaseName, httpPort } = settings;
  assert.deepEqual(
    { poolerImage, clusterDomain, watchNamespaces, logLevel, leaseName, httpPort },
    {
      poolerImage: `localhost/spillway/pgbouncer:dev@sha256:${'0'.repeat(64)}`,
      clusterDomain: 'k8s.example',
      watchNamespaces: ['shop', 'books'],
      logLevel: 'debug',
      leaseName: 'other',
      httpPort: 9090,
    },
  );
});

test("The operator's pod is taken by a namespace that enforces Pod Security restricted", async () => {
  const objects = await render(...everything);
  const template = objects.find((object) => object.kind === 'Deployment')?.spec.template;
  assert.ok(template);
  // Only pods are held to the level; the service account must be there, and there is no scheduler.
  const { serviceAccountName: _, ...spec } = template.spec;
  const pod = (containers: unknown) =>
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'operator' },
      spec: { ...spec, containers },
    });
  const create = ['create', '--dry-run=server', '--filename=-', `--namespace=${system}`];
  await must(create, pod(spec.containers));
  const loose = await kubectl(
    create,
    pod(spec.containers.map((c) => ({ ...c, securityContext: { privileged: true } }))),
  );
  assert.match(loose.all, /violates PodSecurity "restricted/);
});

test('Every object is taken by the API server, with everything set and in both scopes', async () => {
  for (const scope of [[], ['--set=watchNamespaces={shop,books}']]) {
    const objects = await render(...everything, ...scope);
    assert.ok(objects.some((object) => object.kind === 'ServiceMonitor'));
    // The kinds of another operator are not there; the CRDs are for the test of the installation.
    const others = ['ServiceMonitor', 'PrometheusRule', 'CustomResourceDefinition'];
    const items = objects.filter((object) => !others.includes(object.kind));
    const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
    const flags = ['--dry-run=server', '--validate=strict', '--filename=-'];
    const created = await must(['create', ...flags], list);
    assert.equal(created.trim().split('\n').length, items.length);
  }
});

test('The release installs, upgrades, and leaves the CRDs when it goes', async () => {
  const release = ['spillway', chart, `--namespace=${system}`];
  const installed = await helm('install', ...release);
  assert.equal(installed.code, 0, installed.stderr);
  assert.match(installed.stdout, /kind: ConnectionPool/);
  await until('the CRDs are served', 20, async () => {
    return (await kubectl(['get', 'cpool,cbudget', '--all-namespaces'])).code === 0;
  });
  const [verdicts, people] = [await operatorRights(), await peopleRights()];
  const upgraded = await helm('upgrade', ...release, '--set=replicas=1');
  assert.equal(upgraded.code, 0, upgraded.stderr);
  const budgets = await must(['get', 'pdb', `--namespace=${system}`, '--output=name']);
  assert.equal(budgets, '', 'one replica needs no disruption budget');

  const narrowed = await helm('upgrade', ...release, '--set=watchNamespaces={shop,books}');
  assert.equal(narrowed.code, 0, narrowed.stderr);
  const narrow = await narrowRights();

  const gone = await helm('uninstall', 'spillway', `--namespace=${system}`);
  assert.equal(gone.code, 0, gone.stderr);
  const crds = await must(['get', 'crd', '--output=name']);
  assert.match(crds, /connectionpools\.spillway\.dev/);
  assert.match(crds, /connectionbudgets\.spillway\.dev/);
  const roles = await must(['get', 'clusterrole,clusterrolebinding', '--output=name']);
  assert.doesNotMatch(roles, /spillway/);
  assert.deepEqual([...verdicts, ...people, ...narrow], []);
});

/** Verb, resource and namespace, and whether it is allowed. */
type Right = readonly [verb: string, resource: string, namespace: string, allowed: boolean];

/** Asks the API server about a user: `resource.group/name:subresource`. What is not as the table says. */
async function wrongRights(user: string, rights: readonly Right[]): Promise<string[]> {
  const wrong = await Promise.all(
    rights.map(async ([verb, resource, namespace, allowed]) => {
      const match = /^([a-z]+)(?:\.([a-z0-9.]+))?(?:\/([a-z]+))?(?::([a-z]+))?$/.exec(resource);
      assert.ok(match, resource);
      const [, plural, group = '', name, subresource] = match;
      const attributes = { verb, namespace, resource: plural, group, name, subresource };
      const answer = (await transport.send({
        method: 'POST',
        path: '/apis/authorization.k8s.io/v1/subjectaccessreviews',
        resource: 'subjectaccessreviews',
        body: JSON.stringify({ spec: { user, resourceAttributes: attributes } }),
        contentType: 'application/json',
      })) as { status: { allowed: boolean } };
      return answer.status.allowed === allowed
        ? []
        : [`${user}: ${verb} ${resource} in ${namespace} is ${allowed ? 'refused' : 'allowed'}`];
    }),
  );
  return wrong.flat();
}

const pools = 'connectionpools.spillway.dev';
const budgets = 'connectionbudgets.spillway.dev';

function operatorRights(): Promise<string[]> {
  const owned = [
    'configmaps',
    'secrets',
    'services',
    'serviceaccounts',
    'statefulsets.apps',
    'deployments.apps',
    'poddisruptionbudgets.policy',
    'networkpolicies.networking.k8s.io',
  ];
  return wrongRights(account, [
    ...owned.flatMap((resource) => [
      ...['get', 'list', 'watch', 'create', 'patch'].map(
        (verb): Right => [verb, resource, 'shop', true],
      ),
      ['delete', resource, 'shop', false] as const,
    ]),
    ...['get', 'list', 'watch', 'create', 'patch', 'delete'].map(
      (verb): Right => [verb, 'horizontalpodautoscalers.autoscaling', 'shop', true],
    ),
    ...['daemonsets.apps', 'cronjobs.batch'].flatMap((resource): Right[] => [
      ...['get', 'list', 'watch'].map((verb): Right => [verb, resource, 'shop', true]),
      ...['create', 'patch', 'delete'].map((verb): Right => [verb, resource, 'shop', false]),
    ]),
    ['watch', pools, 'shop', true],
    ['update', `${pools}:status`, 'shop', true],
    ['update', `${pools}:finalizers`, 'shop', true],
    ['patch', pools, 'shop', false],
    ['delete', pools, 'shop', false],
    ['create', budgets, 'shop', true],
    ['update', `${budgets}:status`, 'shop', true],
    ['patch', 'pods', 'shop', true],
    ['delete', 'pods', 'shop', true],
    ['create', 'pods', 'shop', false],
    ['create', 'pods:exec', 'shop', false],
    ['create', 'events', 'shop', true],
    ['get', 'leases.coordination.k8s.io/spillway', system, true],
    ['update', 'leases.coordination.k8s.io/other', system, false],
    ['update', 'leases.coordination.k8s.io/spillway', 'shop', false],
    ['create', 'roles.rbac.authorization.k8s.io', 'shop', false],
    ['create', 'rolebindings.rbac.authorization.k8s.io', 'shop', false],
    ...['get', 'list', 'watch'].map((verb): Right => [verb, 'nodes', '', true]),
    ...['create', 'patch', 'update', 'delete'].map((verb): Right => [verb, 'nodes', '', false]),
    ['patch', 'nodes:status', '', false],
    ['impersonate', 'users', 'shop', false],
  ]);
}

/** What users with Kubernetes' own roles may do, once the controller has put them together. */
async function peopleRights(): Promise<string[]> {
  const wrong: string[] = [];
  const rights: Readonly<Record<string, readonly Right[]>> = {
    view: [
      ['list', pools, 'shop', true],
      ['list', budgets, 'shop', true],
      ['update', pools, 'shop', false],
    ],
    edit: [
      ['list', pools, 'shop', true],
      ['create', pools, 'shop', true],
      ['patch', `${pools}:scale`, 'shop', true],
      ['update', `${pools}:status`, 'shop', false],
      ['update', budgets, 'shop', false],
    ],
    admin: [
      ['create', pools, 'shop', true],
      ['update', budgets, 'shop', true],
      ['update', `${budgets}:status`, 'shop', false],
    ],
  };
  for (const [role, table] of Object.entries(rights)) {
    await must([
      'create',
      'rolebinding',
      role,
      `--clusterrole=${role}`,
      `--user=${role}`,
      '--namespace=shop',
    ]);
    let found: string[] = [];
    await until(`the role ${role} is put together`, 20, async () => {
      found = await wrongRights(role, table);
      return found.length === 0;
    }).catch(() => wrong.push(...found));
  }
  return wrong;
}

function narrowRights(): Promise<string[]> {
  return wrongRights(account, [
    ['get', 'secrets', 'shop', true],
    ['patch', 'statefulsets.apps', 'books', true],
    ['watch', pools, 'books', true],
    ['get', 'secrets', 'default', false],
    ['list', pools, 'default', false],
    ['get', 'secrets', system, false],
    // In no namespace, so that no role of a namespace can give it.
    ['list', 'nodes', '', false],
    ['list', 'nodes', 'shop', false],
    ['create', budgets, system, true],
    ['get', 'leases.coordination.k8s.io/spillway', system, true],
  ]);
}

function leaves(value: unknown, path = ''): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [path];
  const entries = Object.entries(value);
  if (entries.length === 0) return [path];
  return entries.flatMap(([key, child]) => leaves(child, path === '' ? key : `${path}.${key}`));
}
