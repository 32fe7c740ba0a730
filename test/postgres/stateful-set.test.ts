// Postgres as a StatefulSet: what is read out of the raw object, and what each fault is called.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { RawObject, ServerFacts } from '../../operator/postgres/adapter.ts';
import { statefulSet } from '../../operator/postgres/stateful-set.ts';
import { NO_CORES } from './help.ts';

const context = { clusterDomain: 'cluster.local', lookup: () => undefined };

function object(container: Record<string, unknown>, spec: Record<string, unknown> = {}): RawObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'db', namespace: 'shop' },
    spec: {
      serviceName: 'db',
      selector: { matchLabels: { app: 'db' } },
      template: { spec: { containers: [{ name: 'postgres', ...container }] } },
      ...spec,
    },
  };
}

function factsOf(raw: RawObject, role: 'primary' | 'replicas' = 'primary'): ServerFacts {
  const found = statefulSet.facts(raw, role, context);
  assert.ok(found.ok, found.ok ? '' : found.fault.message);
  return found.facts;
}

function reasonOf(raw: RawObject, role: 'primary' | 'replicas' = 'primary'): string {
  const found = statefulSet.facts(raw, role, context);
  assert.ok(!found.ok, 'a fault was expected');
  return found.fault.reason;
}

test('a plain StatefulSet is one primary with the defaults of PostgreSQL', () => {
  assert.deepEqual(factsOf(object({})), {
    host: 'db-0.db.shop.svc.cluster.local',
    port: 5432,
    instances: 1,
    replicas: 0,
    maxConnections: { value: 100, source: "PostgreSQL's default", assumed: true },
    reservedConnections: { value: 3, source: "PostgreSQL's default", assumed: true },
    podSelector: { app: 'db' },
    primary: 'db-0',
    coresUnknown: NO_CORES,
  });
});

test('the other ordinals are the read replicas', () => {
  const three = object({}, { replicas: 3 });
  assert.equal(
    factsOf(three, 'replicas').host,
    'db-1.db.shop.svc.cluster.local,db-2.db.shop.svc.cluster.local',
  );
  assert.equal(factsOf(three).host, 'db-0.db.shop.svc.cluster.local');
  assert.equal(factsOf(three).instances, 3);
  const shifted = object({}, { replicas: 2, ordinals: { start: 5 } });
  assert.equal(factsOf(shifted).host, 'db-5.db.shop.svc.cluster.local');
  assert.equal(factsOf(shifted, 'replicas').primary, 'db-5');
  assert.equal(factsOf(shifted, 'replicas').host, 'db-6.db.shop.svc.cluster.local');
});

const cores: readonly (readonly [string, object, number | undefined, string])[] = [
  ['a limit', { limits: { cpu: '8' } }, 8000, 'limits.cpu'],
  ['a limit and a request', { limits: { cpu: 4 }, requests: { cpu: 1 } }, 4000, 'limits.cpu'],
  ['a request alone', { requests: { cpu: '2500m' } }, 2500, 'requests.cpu'],
  ['a fraction', { limits: { cpu: '1.5' } }, 1500, 'limits.cpu'],
  ['a limit that is no quantity', { limits: { cpu: 'two' } }, undefined, ''],
  ['a limit of zero', { limits: { cpu: 0 }, requests: { cpu: '1' } }, 1000, 'requests.cpu'],
  ['memory only', { limits: { memory: '1Gi' } }, undefined, ''],
];
for (const [what, resources, milli, source] of cores) {
  test(`cores of a container with ${what}: ${milli ?? 'not known'}`, () => {
    const { milliCores } = factsOf(object({ resources }));
    assert.equal(milliCores?.value, milli);
    if (milli !== undefined) assert.equal(milliCores?.source, `${source} of StatefulSet shop/db`);
  });
}

test('resources of the whole pod count where the container has none', () => {
  const raw = object(
    {},
    {
      template: {
        spec: { containers: [{ name: 'postgres' }], resources: { limits: { cpu: '3' } } },
      },
    },
  );
  assert.equal(factsOf(raw).milliCores?.value, 3000);
});

const connections: readonly (readonly [string, object, number, string])[] = [
  ['-c', { args: ['-c', 'max_connections=200'] }, 200, 'the command line'],
  ['-c in one word', { args: ['-cmax_connections=200'] }, 200, 'the command line'],
  ['spaces', { args: ['-c', 'max_connections = 200'] }, 200, 'the command line'],
  ['dashes', { command: ['postgres', '--max-connections=300'] }, 300, 'the command line'],
  ['-N', { args: ['-N', '250'] }, 250, 'the command line'],
  ['-N250', { args: ['-N250'] }, 250, 'the command line'],
  ['the last of several', { args: ['-N', '250', '-c', 'max_connections=90'] }, 90, 'the command'],
  ['a shell', { command: ['sh', '-c', "exec postgres -c 'max_connections=150'"] }, 150, 'the com'],
  [
    'a variable in the arguments',
    { args: ['-c', 'max_connections=$(MAX)'], env: [{ name: 'MAX', value: '77' }] },
    77,
    'the command line',
  ],
  [
    "Bitnami's variable",
    { env: [{ name: 'POSTGRESQL_MAX_CONNECTIONS', value: '400' }] },
    400,
    'POSTGRESQL_MAX_CONNECTIONS',
  ],
  ['nothing', {}, 100, "PostgreSQL's default"],
  ['a word that is no number', { args: ['-c', 'max_connections=many'] }, 100, 'PostgreSQL'],
  ['another setting', { args: ['-c', 'superuser_reserved_connections=9'] }, 100, 'PostgreSQL'],
  ['a longer name', { args: ['-c', 'my.max_connections=9'] }, 100, 'PostgreSQL'],
  ['a small letter n', { args: ['-n', '9'] }, 100, 'PostgreSQL'],
];
for (const [what, container, value, source] of connections) {
  test(`max_connections by ${what} is ${value}`, () => {
    const { maxConnections } = factsOf(object({ ...container }));
    assert.equal(maxConnections.value, value);
    assert.ok(maxConnections.source.startsWith(source), maxConnections.source);
  });
}

test('reserved connections are those of superusers and those of the reserved role', () => {
  const args = ['-c', 'superuser_reserved_connections=5', '-c', 'reserved_connections=4'];
  assert.equal(factsOf(object({ args })).reservedConnections.value, 9);
});

const ports: readonly (readonly [string, object, number])[] = [
  ['no port', {}, 5432],
  ['one port', { ports: [{ containerPort: 6000 }] }, 6000],
  ['a metrics port too', { ports: [{ containerPort: 9187 }, { containerPort: 5432 }] }, 5432],
  [
    'a named port',
    { ports: [{ containerPort: 9187 }, { name: 'postgresql', containerPort: 6001 }] },
    6001,
  ],
  ['-p', { args: ['-p', '5433'], ports: [{ containerPort: 5432 }] }, 5433],
];
for (const [what, container, port] of ports) {
  test(`with ${what}, Postgres listens on ${port}`, () => {
    assert.equal(factsOf(object({ ...container })).port, port);
  });
}

function withContainers(...containers: object[]): RawObject {
  return object({}, { template: { spec: { containers } } });
}
const cpu = (cpu: string) => ({ resources: { limits: { cpu } } });

test('the Postgres container is told by port, then name, then image, then by being alone', () => {
  const exporter = { name: 'metrics', image: 'prom/postgres-exporter:1', ...cpu('9') };
  const byPort = { name: 'a', ports: [{ containerPort: 5432 }], ...cpu('1') };
  const byName = { name: 'postgres', ...cpu('2') };
  const byImage = { name: 'b', image: 'registry:5000/bitnami/postgresql:17', ...cpu('3') };
  const value = (...containers: object[]) =>
    factsOf(withContainers(...containers)).milliCores?.value;
  assert.equal(value(exporter, byImage, byName, byPort), 1000);
  assert.equal(value(exporter, byImage, byName), 2000);
  assert.equal(value(exporter, byImage), 3000);
  assert.equal(value({ name: 'x', ...cpu('4') }), 4000);
});

test('what is missing is a fault with a name', () => {
  assert.equal(reasonOf({}), 'PostgresMalformed');
  assert.equal(reasonOf(withContainers()), 'PostgresContainerUnknown');
  assert.equal(reasonOf(withContainers({ name: 'a' }, { name: 'b' })), 'PostgresContainerUnknown');
  assert.equal(reasonOf(object({}, { serviceName: '' })), 'PostgresHasNoService');
  assert.equal(reasonOf(object({}), 'replicas'), 'PostgresHasNoReplicas');
});

test('a number of replicas that was mistyped makes no list without end', () => {
  const many = factsOf(object({}, { replicas: 2_000_000_000 }), 'replicas');
  assert.equal(many.host.split(',').length, 64);
  assert.equal(many.replicas, 1_999_999_999);
});

test('whatever the object is, the answer is facts or a fault, never a throw', () => {
  const names = ['spec', 'template', 'containers', 'resources', 'limits', 'cpu', 'args', 'env'];
  const anything = fc.anything({ key: fc.constantFrom(...names, 'ports', 'name', 'replicas') });
  fc.assert(
    fc.property(anything, fc.constantFrom('primary', 'replicas'), (spec, role) => {
      const raw: RawObject = { metadata: { name: 'db', namespace: 'shop' }, spec };
      const found = statefulSet.facts(raw, role as 'primary', context);
      assert.equal(typeof found.ok, 'boolean');
    }),
    { numRuns: 300 },
  );
  for (const part of [null, 1, 'x', [], [null], { template: { spec: { containers: [null] } } }]) {
    const raw: RawObject = { metadata: { name: 'db', namespace: 'shop' }, spec: part };
    assert.equal(typeof statefulSet.facts(raw, 'primary', context).ok, 'boolean');
  }
});
