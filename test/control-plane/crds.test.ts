// The CRDs at a real API server: taken as structural, every rule with an accepted and a refused object,
// and the same verdicts and defaults as offline.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { load } from 'js-yaml';
import { parseBudget } from '../../operator/api/parse-budget.ts';
import { parsePool } from '../../operator/api/parse-pool.ts';
import { connectionSource, loadKubeConfig } from '../../operator/kube/config.ts';
import { ApiError } from '../../operator/kube/errors.ts';
import { Transport } from '../../operator/kube/transport.ts';
import { budget, endpointBudget, pool, shopUser, statefulSet } from '../api/objects.ts';
import { ruleSamples, schemaSamples } from '../api/samples.ts';
import { type ControlPlane, startControlPlane } from '../cluster/control-plane.ts';
import { bin } from '../cluster/paths.ts';
import { attempt, until } from '../cluster/run.ts';

const folder = join(import.meta.dirname, '../../crds');
const plurals = ['connectionpools', 'connectionbudgets'];
const base = '/apis/spillway.dev/v1alpha1/namespaces/default';

let plane: ControlPlane;
let transport: Transport;

interface KubeJson {
  readonly kind: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly spec: Readonly<Record<string, unknown>>;
  readonly status?: Readonly<Record<string, unknown>>;
}

const send = (method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: object) =>
  transport.send({
    method,
    path,
    resource: 'test',
    ...(body === undefined
      ? {}
      : {
          body: JSON.stringify(body),
          contentType: method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
        }),
  }) as Promise<KubeJson>;

const pathOf = (object: object) =>
  `${base}/${(object as KubeJson).kind === 'ConnectionPool' ? 'connectionpools' : 'connectionbudgets'}`;

/** Creates without writing. The object with its defaults, or the refusal. */
async function judge(object: object): Promise<KubeJson | ApiError> {
  try {
    return await send('POST', `${pathOf(object)}?dryRun=All&fieldValidation=Strict`, object);
  } catch (error) {
    if (error instanceof ApiError && [400, 422].includes(error.status)) return error;
    throw error;
  }
}

const kubectl = async (...args: string[]) => {
  const result = await attempt([`${bin}/kubectl`, `--kubeconfig=${plane.kubeconfig}`, ...args]);
  return { ...result, all: result.stdout + result.stderr };
};

before(async () => {
  plane = await startControlPlane();
  transport = new Transport(connectionSource(loadKubeConfig(plane.kubeconfig)));
  const applied = await kubectl('create', '-f', folder);
  assert.equal(applied.code, 0, applied.all);
  await until('the CRDs are served', 20, async () => {
    const served = await Promise.all(
      plurals.map((plural) =>
        send('GET', `${base}/${plural}`).then(
          () => true,
          () => false,
        ),
      ),
    );
    return served.every(Boolean);
  });
});
after(async () => {
  await transport?.close();
  await plane?.stop();
});

interface CrdStatus {
  readonly status: { readonly conditions: readonly { type: string; status: string }[] };
}

test('The CRDs are established, and nothing in their schemas is not structural', async () => {
  for (const plural of plurals) {
    const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${plural}.spillway.dev`;
    const { conditions } = ((await send('GET', path)) as unknown as CrdStatus).status;
    const holds = conditions.filter((c) => c.status === 'True').map((c) => c.type);
    assert.deepEqual(holds.sort(), ['Established', 'NamesAccepted']);
  }
});

test('Each rule refuses its bad object by name, and takes the good one beside it', async () => {
  const wrong = await inParallel(ruleSamples, async ({ says, accepted, refused }) => {
    const [good, bad] = [await judge(accepted), await judge(refused)];
    if (good instanceof ApiError) return `refused a good object (${says}): ${good.message}`;
    if (!(bad instanceof ApiError)) return `accepted a bad object: ${says}`;
    return bad.message.includes(says) ? undefined : `${says}\n  not in: ${bad.message}`;
  });
  assert.deepEqual(wrong, []);
});

test('Each bound and type of the schema refuses its bad object, and takes the good one', async () => {
  const wrong = await inParallel(schemaSamples, async ({ says, accepted, refused }) => {
    const [good, bad] = [await judge(accepted), await judge(refused)];
    if (good instanceof ApiError) return `refused a good object (${says}): ${good.message}`;
    return bad instanceof ApiError ? undefined : `accepted a bad object: ${says}`;
  });
  assert.deepEqual(wrong, []);
});

test('There is a sample for every rule of the CRDs', () => {
  const messages = plurals.flatMap((plural) =>
    messagesIn(load(readFileSync(join(folder, `spillway.dev_${plural}.yaml`), 'utf8'))),
  );
  assert.ok(messages.length > 50);
  const changes = [
    /must stay the same server/,
    /is immutable/,
    /cannot be exchanged/,
    /user of an entry cannot be changed/,
  ];
  const missing = messages.filter(
    (message) =>
      !ruleSamples.some(({ says, rule = says }) => message.includes(rule)) &&
      !changes.some((change) => change.test(message)),
  );
  assert.deepEqual(missing, []);
});

test('The API server fills in the defaults that parsePool and parseBudget fill in', async () => {
  const objects = [
    pool(),
    pool({ tls: {}, pooler: { service: {} }, clients: {}, sizing: {}, databases: [{ name: 'a' }] }),
    pool({
      postgres: statefulSet(),
      tls: { client: { secretRef: { name: 'x' } }, server: { mode: 'require' } },
    }),
    pool({ sizing: null, users: [{ ...shopUser, secretRef: { name: 'a', key: null } }] }),
    budget(),
    endpointBudget(),
  ];
  for (const object of objects) {
    const served = await judge(object);
    assert.ok(!(served instanceof ApiError), String(served));
    const parsed = specOf(object);
    assert.deepEqual(served.spec, JSON.parse(JSON.stringify(parsed)));
  }
});

test('The API server and parsePool agree about pools that were made at random', async () => {
  const fields = fc.record({
    name: fc.oneof(fc.stringMatching(/^[a-z0-9.-]{1,46}$/), fc.constant('shop')),
    user: fc.oneof(fc.string({ unit: 'grapheme', maxLength: 70 }), fc.constant('shop')),
    host: fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6(), fc.stringMatching(/^[0-9a-f.:]{1,12}$/)),
    cores: fc.oneof(
      fc.integer({ min: -1, max: 10000 }),
      fc.stringMatching(/^[0-9]{1,3}[m.]?[05]?$/),
    ),
    image: fc.oneof(
      fc.stringMatching(/^[a-z0-9]{1,3}([./:_-][a-z0-9]{1,3}){0,4}$/),
      fc.constant(undefined),
    ),
    label: fc.stringMatching(/^[a-zA-Z0-9_./-]{0,6}$/),
    memory: fc.stringMatching(/^[0-9]{1,8}(\.[0-9])?(Ki|Mi|M|k|m)?$/),
    parameter: fc.constantFrom('query_timeout', 'verbose', 'server_check_query', 'job_name', 'x'),
    value: fc.oneof(fc.string({ maxLength: 5 }), fc.stringMatching(/^[0-9.]{1,9}$/)),
    min: fc.integer({ min: 0, max: 101 }),
    max: fc.integer({ min: 0, max: 101 }),
  });
  const samples = fc.sample(fields, { numRuns: 400, seed: 1 }).map((f) =>
    pool(
      {
        postgres: { endpoint: { host: f.host, cores: f.cores } },
        users: [{ ...shopUser, name: f.user }],
        pooler: {
          image: f.image,
          podLabels: { [f.label]: f.label },
          resources: { requests: { memory: f.memory }, limits: { memory: '64Mi' } },
        },
        sizing: { min: f.min, max: f.max },
        parameters: { [f.parameter]: f.value },
      },
      { name: f.name },
    ),
  );
  // One field at a time: in one object some field is nearly always wrong.
  const single = samples.flatMap((object) => {
    const { spec, metadata } = object as unknown as KubeJson;
    const { postgres, users, pooler, sizing, parameters } = spec;
    return [
      pool({ postgres }),
      pool({ users }),
      pool({ pooler }),
      pool({ sizing }),
      pool({ parameters }),
      pool({}, metadata),
    ];
  });
  let accepted = 0;
  const wrong = await inParallel(single, async (object) => {
    const served = await judge(object);
    const offline = parsePool(object);
    if (offline.ok) accepted++;
    if (offline.ok === !(served instanceof ApiError)) return undefined;
    return `${JSON.stringify(object)}\n  server: ${served instanceof ApiError ? served.message : 'accepted'}\n  offline: ${JSON.stringify(offline.ok ? 'accepted' : offline.faults)}`;
  });
  assert.deepEqual(wrong, []);
  assert.ok(accepted > single.length / 10, `${accepted} of ${single.length} accepted`);
});

test('The server of a pool cannot be changed, but what is known of it can', async () => {
  await send('POST', `${base}/connectionpools`, pool());
  const path = `${base}/connectionpools/shop`;
  const change = (postgres: object) => send('PATCH', path, { spec: { postgres } });
  const stays = /must stay the same server/;
  await assert.rejects(change({ endpoint: { host: 'other.example.com' } }), stays);
  await assert.rejects(change({ endpoint: { port: 5433 } }), stays);
  await assert.rejects(
    change({ endpoint: null, clusterRef: { apiGroup: 'apps', kind: 'StatefulSet', name: 'x' } }),
    stays,
  );
  await change({ endpoint: { cores: 16, maxConnections: 200, reservedConnections: 5 } });

  await send('POST', `${base}/connectionpools`, pool({ postgres: statefulSet() }, { name: 'sts' }));
  const other = (postgres: object) =>
    send('PATCH', `${base}/connectionpools/sts`, { spec: { postgres } });
  await assert.rejects(other({ role: 'replicas' }), /postgres.role is immutable/);
  await assert.rejects(other({ clusterRef: { name: 'other-db' } }), stays);
  await assert.rejects(other({ clusterRef: { namespace: 'other' } }), stays);
});

test('The workload of a pool cannot be changed, said or not', async () => {
  const change = (name: string, pooler: object) =>
    send('PATCH', `${base}/connectionpools/${name}`, { spec: { pooler } });
  const stays = /pooler.workload is immutable.*create a new ConnectionPool/;
  await send('POST', `${base}/connectionpools`, pool({}, { name: 'stateful' }));
  await assert.rejects(change('stateful', { workload: 'Deployment' }), stays);
  await change('stateful', { workload: 'StatefulSet' });
  await send(
    'POST',
    `${base}/connectionpools`,
    pool({ pooler: { workload: 'Deployment' } }, { name: 'deployed' }),
  );
  await assert.rejects(change('deployed', { workload: 'StatefulSet' }), stays);
  await assert.rejects(change('deployed', { workload: null }), stays);
  await change('deployed', { replicas: 3 });
});

test('Databases come and go, but a pool for every database stays one', async () => {
  const list = [{ name: 'a' }, { name: 'b' }];
  await send('POST', `${base}/connectionpools`, pool({ databases: list }, { name: 'listed' }));
  await send('POST', `${base}/connectionpools`, pool({}, { name: 'any' }));
  const change = (name: string, databases: object) =>
    send('PATCH', `${base}/connectionpools/${name}`, { spec: { databases } });
  await change('listed', [{ name: 'b' }, { name: 'c' }]);
  await assert.rejects(change('listed', [{ name: '*' }]), /create another ConnectionPool/);
  await assert.rejects(change('any', list), /create another ConnectionPool/);

  await change('listed', [{ name: 'b', weight: 3, max: 9, mode: 'session' }, { name: 'c' }]);
  const stays = /the user of an entry cannot be changed/;
  await assert.rejects(change('listed', [{ name: 'b', user: 'shop' }]), stays);
  await change('listed', [{ name: 'b' }, { name: 'd', user: 'shop' }]);
  await assert.rejects(change('listed', [{ name: 'b' }, { name: 'd' }]), stays);
  await change('listed', [{ name: 'b' }]);
  await change('listed', [{ name: 'b' }, { name: 'd' }]);
});

test('The server of a budget cannot be changed', async () => {
  await send('POST', `${base}/connectionbudgets`, endpointBudget());
  const change = (endpoint: object) =>
    send('PATCH', `${base}/connectionbudgets/endpoint-0123456789abcdef`, {
      spec: { postgres: { endpoint } },
    });
  await assert.rejects(change({ port: 5433 }), /must stay the same server/);
  await change({ cores: 16 });
});

test('kubectl scale changes the pods of a pool, and finds them by the selector in its status', async () => {
  const path = `${base}/connectionpools/scaled`;
  await send('POST', `${base}/connectionpools`, pool({}, { name: 'scaled' }));
  await send('PATCH', `${path}/status`, {
    status: { replicas: 2, selector: 'spillway.dev/pool-uid=1' },
  });
  const scaled = await kubectl('scale', 'cpool/scaled', '--replicas=3', '--current-replicas=2');
  assert.equal(scaled.code, 0, scaled.all);
  assert.deepEqual((await send('GET', path)).spec.pooler, {
    ...(((await judge(pool({}, { name: 'x' }))) as KubeJson).spec.pooler as object),
    replicas: 3,
  });
  const scale = await send('GET', `${path}/scale`);
  assert.deepEqual(scale.status, { replicas: 2, selector: 'spillway.dev/pool-uid=1' });
  const refused = await kubectl('scale', 'cpool/scaled', '--replicas=101');
  assert.match(refused.all, /less than or equal to 100/);
});

test('A status is written apart from the spec, and what the spec says of it is ignored', async () => {
  const created = await send('POST', `${base}/connectionpools`, {
    ...pool({}, { name: 'status' }),
    status: { replicas: 7 },
  });
  assert.equal(created.status, undefined);
  const status = {
    observedGeneration: 1,
    conditions: [
      {
        type: 'Ready',
        status: 'False',
        observedGeneration: 1,
        lastTransitionTime: '2026-01-01T00:00:00Z',
        reason: 'BudgetTooSmall',
        message: '',
      },
    ],
    replicas: 2,
    readyReplicas: 1,
    selector: 'a=b',
    address: 'status.default.svc.cluster.local:5432',
    budget: 'default/x',
    confirmed: '1/2',
    sizing: { cores: '8', optimum: 17, budget: 17, share: 8, perPod: [4, 4], explanation: 'x' },
    allotment: { connections: 8, serial: 3 },
    grants: [{ holder: 'status-pooler-0-0', connections: 4, generation: 2 ** 40 }],
  };
  const path = `${base}/connectionpools/status/status?fieldValidation=Strict`;
  const written = await send('PATCH', path, { status, spec: { mode: 'session' } });
  assert.deepEqual(written.status, status);
  assert.equal(written.spec.mode, 'transaction');
  const parsed = parsePool(written);
  assert.ok(parsed.ok);
  assert.deepEqual(parsed.pool.status, status);
  const table = await kubectl('get', 'cpool', 'status');
  assert.match(table.stdout, /NAME +MODE +PODS +CONNECTIONS +BUDGET +READY +REASON +AGE/);
  assert.match(table.stdout, /status +transaction +1 +8 +17 +False +BudgetTooSmall/);
  const wide = await kubectl('get', 'cpool', 'status', '-o', 'wide');
  assert.match(wide.stdout, /8 +\[4,4\] +1\/2 +status\.default\.svc\.cluster\.local:5432 +x/);
});

test('The short names and the category are known', async () => {
  for (const name of ['cpool', 'cbudget', 'spillway']) {
    const got = await kubectl('get', name);
    assert.equal(got.code, 0, got.all);
  }
});

test('kubectl explain has a text for every field', async () => {
  for (const plural of plurals) {
    const all = await kubectl('explain', plural, '--recursive');
    assert.equal(all.code, 0, all.all);
    const crd = load(readFileSync(join(folder, `spillway.dev_${plural}.yaml`), 'utf8')) as {
      spec: { versions: { schema: { openAPIV3Schema: SchemaNode } }[] };
    };
    const schema = crd.spec.versions[0]?.schema.openAPIV3Schema;
    assert.ok(schema);
    const silent = fieldsOf(schema, plural).filter(({ node }) => !node.description);
    assert.deepEqual(
      silent.map((field) => field.path),
      [`${plural}.metadata`],
    );
  }
  const one = await kubectl('explain', 'cpool.spec.postgres.endpoint.cores');
  assert.match(one.stdout, /CPU cores of the server, as a quantity/);
});

test('kubectl explain says of a whole resource what it is, the least that works, and the defaults', async () => {
  const says: Readonly<Record<string, readonly RegExp[]>> = {
    connectionpool: [/puts right-sized, managed connection poolers/, /instead of the database/],
    'connectionpool.spec': [/- postgres\.clusterRef: /, /- users: /, /Defaults: mode transaction/],
    connectionbudget: [/ledger of which pool holds/, /name that pools look for/],
    'connectionbudget.spec': [/only postgres is needed/, /- reserved: /, /Defaults: as many/],
  };
  for (const [what, parts] of Object.entries(says)) {
    const { stdout } = await kubectl('explain', what);
    const description = stdout.slice(stdout.indexOf('DESCRIPTION:'), stdout.indexOf('FIELDS:'));
    for (const part of parts) assert.match(description.replace(/\s+/g, ' '), part, what);
  }
});

interface SchemaNode {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly items?: SchemaNode;
}

function fieldsOf(node: SchemaNode, path: string): { path: string; node: SchemaNode }[] {
  const inner = node.items ?? node;
  return Object.entries(inner.properties ?? {}).flatMap(([name, child]) => {
    const at = `${path}.${name}`;
    return [{ path: at, node: child }, ...(name === 'metadata' ? [] : fieldsOf(child, at))];
  });
}

function specOf(object: object): unknown {
  if ((object as KubeJson).kind === 'ConnectionPool') {
    const parsed = parsePool(object);
    assert.ok(parsed.ok);
    return parsed.pool.spec;
  }
  const parsed = parseBudget(object);
  assert.ok(parsed.ok);
  return parsed.budget.spec;
}

/** The messages of all rules, anywhere in a CRD. */
function messagesIn(node: unknown): string[] {
  if (Array.isArray(node)) return node.flatMap(messagesIn);
  if (typeof node !== 'object' || node === null) return [];
  return Object.entries(node).flatMap(([key, value]) =>
    key === 'x-kubernetes-validations'
      ? (value as { message: string }[]).map((rule) => rule.message)
      : messagesIn(value),
  );
}

/** What `check` says of each that is not as it should be; eight at a time. */
async function inParallel<T>(
  items: readonly T[],
  check: (item: T) => Promise<string | undefined>,
): Promise<string[]> {
  const found: string[] = [];
  const open = [...items];
  const work = async () => {
    for (let item = open.pop(); item !== undefined; item = open.pop()) {
      const wrong = await check(item);
      if (wrong !== undefined) found.push(wrong);
    }
  };
  await Promise.all(Array.from({ length: 8 }, work));
  return found;
}
