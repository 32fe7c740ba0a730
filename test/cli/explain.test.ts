// `spillway explain` on files: every number with its source, the shares of the server, the applications.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Explained } from '../../operator/cli/explanation.ts';

const program = join(import.meta.dirname, '../../bin/spillway');

function spillway(words: readonly string[], input = '') {
  const { status, stdout, stderr } = spawnSync(program, words, {
    input,
    encoding: 'utf8',
    env: { PATH: process.env.PATH ?? '', HOME: '/nonexistent', KUBECONFIG: '/nonexistent' },
  });
  return { status, stdout, stderr };
}

const database = `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: shop-db, namespace: shop}
spec:
  serviceName: shop-db
  template:
    spec:
      containers:
        - name: postgres
          args: [-c, max_connections=200]
          resources: {limits: {cpu: "8"}}
`;
const budget = `
apiVersion: spillway.dev/v1alpha1
kind: ConnectionBudget
metadata: {name: statefulset-shop-db, namespace: shop}
spec:
  postgres: {clusterRef: {apiGroup: apps, kind: StatefulSet, name: shop-db}}
  reserved: [{name: admin, connections: 4}]
  namespaces: [{name: books}]
`;
const pool = (name: string, rest = '', namespace = 'shop') => `
apiVersion: spillway.dev/v1alpha1
kind: ConnectionPool
metadata: {name: ${name}, namespace: ${namespace}}
spec:
  postgres: {clusterRef: {apiGroup: apps, kind: StatefulSet, name: shop-db, namespace: shop}}
  users: [{name: shop, secretRef: {name: shop-app}}]
${rest}
`;
const web = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec: {replicas: 2}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: shop}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  maxReplicas: 40
`;
const counted = '  clients: {workloads: [{kind: Deployment, name: web, poolSize: 20}]}';
const secret = `
apiVersion: v1
kind: Secret
metadata: {name: shop-app, namespace: shop}
stringData: {password: s3cret-word}
`;

function explained(...parts: readonly string[]): Explained[] {
  const words = ['explain', '-f', '-', '-o', 'json'];
  const { status, stdout, stderr } = spillway(words, parts.join('---'));
  assert.equal(stderr, '');
  assert.equal(status, 0);
  return JSON.parse(stdout) as Explained[];
}

test('every number says where it was found, or how it was computed', () => {
  const [shop] = explained(
    database,
    budget,
    pool('shop'),
    pool('books', '  sizing: {weight: 3, spindles: 2}', 'books'),
  );
  const sources = Object.fromEntries(
    (shop?.sizing.sources ?? []).map(({ field, value, source }) => [field, `${value}: ${source}`]),
  );
  assert.deepEqual(sources, {
    cores: '8: limits.cpu of StatefulSet shop/shop-db',
    coresFactor: "2: the default, of PostgreSQL's own formula",
    spindles: '2: spec.sizing of ConnectionPool books/books',
    optimum: '18: cores × coresFactor + spindles, rounded down',
    maxConnections: '200: the command line of StatefulSet shop/shop-db',
    reserved:
      "7: 3 of the server (PostgreSQL's default); set aside by ConnectionBudget shop/statefulset-shop-db: 4 for admin",
    slack: '20: the default: a tenth of maxConnections, at least 5',
    budget: '18: the optimum',
    share: '5: weight 1 of 4',
    maxClientConn: '1000: the default',
  });
});

test("an owner's share of max_connections says of what it is a share, and what bounds it", () => {
  const ofBudget = (spec: string) => {
    const [shop] = explained(database, `${budget}  ${spec}\n`, pool('shop'));
    const source = shop?.sizing.sources?.find(({ field }) => field === 'budget');
    return `${source?.value}: ${source?.source}`;
  };
  const by = 'of max_connections 200 (spec.share of ConnectionBudget shop/statefulset-shop-db)';
  assert.equal(ofBudget('share: 50'), `100: 50 % ${by}`);
  const bounded = 'maxConnections − reserved − slack, which is less than';
  assert.equal(ofBudget('share: 90'), `173: ${bounded} 90 % ${by}`);
});

test('the shares of the whole server are shown, and which pool is meant', () => {
  const input = [database, budget, pool('shop'), pool('books', '', 'books')].join('---');
  const { stdout } = spillway(['explain', '-f', '-', '--pool', 'books/books'], input);
  assert.match(stdout, /^ConnectionPool books\/books, transaction mode, in front of StatefulSet/);
  assert.doesNotMatch(stdout, /^ConnectionPool shop\/shop/m);
  assert.match(stdout, /Shares of ConnectionBudget shop\/statefulset-shop-db, primary/);
  assert.match(stdout, /^ {4}shop\/shop +transaction +1 +- +- +9 +5, 4$/m);
  assert.match(stdout, /^ {2}\* books\/books +transaction +1 +- +- +8 +4, 4$/m);
  assert.match(stdout, /17 of 17 are with pools, 0 are left/);
});

test('workloads are counted from the files, with their autoscaler, and told the size of their pool', () => {
  const [shop] = explained(database, pool('shop', counted), web);
  assert.deepEqual(
    shop?.clients?.workloads.map((w) => [w.name, w.pods, w.connections, w.recommendedPoolSize]),
    [['web', 50, 1000, 5]],
  );
  assert.equal(shop?.sizing.maxClientConn, 1300);
  const [application, ...more] = shop?.applications ?? [];
  assert.equal(application?.settings.poolSize, 5);
  assert.ok(application?.libraries.every((library) => !library.text.includes('s3cret')));
  assert.deepEqual(more, []);
  assert.match(shop?.notes.join() ?? '', /FileLimitNotKnown/);
});

test('settings are printed once for each size that is recommended, with the workloads that it is for', () => {
  const deployment = (name: string) => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}, namespace: shop}
spec: {replicas: 2}
`;
  const names = ['web', 'importer', 'api'];
  const entries = names.map((name) => {
    const tasks = name === 'importer' ? ', tasks: 4, connectionsPerTask: 4' : '';
    return `{kind: Deployment, name: ${name}, poolSize: 20${tasks}}`;
  });
  const several = pool('shop', `  clients: {workloads: [${entries.join(', ')}]}`);
  const input = [database, several, ...names.map(deployment)].join('---');
  const [shop] = explained(input);
  // The floor of the importer: 4 × (4 − 1) + 1.
  assert.deepEqual(
    shop?.applications.map(({ settings: { poolSize, sizeOf } }) => [poolSize, sizeOf]),
    [
      [5, 'for Deployment web, Deployment api'],
      [13, 'for Deployment importer'],
    ],
  );
  const { stdout } = spillway(['explain', '-f', '-'], input);
  const parts = stdout.split(/^A pool of /m).slice(1);
  assert.match(parts[0] ?? '', /^5 in each pod, .* \(for Deployment web, Deployment api\)$/m);
  assert.match(parts[1] ?? '', /^13 in each pod, .* \(for Deployment importer\)$/m);
  assert.equal(parts.length, 2);
  for (const library of ['HikariCP', 'SQLAlchemy', 'Django', 'pgxpool', 'psycopg_pool', 'node-']) {
    assert.ok(
      parts.every((part) => part.includes(`\n${library}`)),
      library,
    );
  }
  assert.match(parts[0] ?? '', /maximumPoolSize=5$/m);
  assert.match(parts[1] ?? '', /maximumPoolSize=13$/m);
  assert.equal(stdout.match(/^Settings for applications: /gm)?.length, 1);
});

test('a workload that is not in the files is a note, and no fault', () => {
  const [shop] = explained(database, pool('shop', counted));
  assert.match(shop?.notes[0] ?? '', /^WorkloadDoesNotExist: .*there is no Deployment shop\/web/);
});

test('no password is shown', () => {
  const input = [database, pool('shop'), secret].join('---');
  for (const output of ['table', 'json']) {
    const { stdout } = spillway(['explain', '-f', '-', '-o', output], input);
    assert.match(stdout, /shop-app/);
    assert.doesNotMatch(stdout, /s3cret/);
  }
});

const refused: Readonly<Record<string, readonly [readonly string[], string, number, RegExp]>> = {
  'neither files nor a name': [['explain'], '', 2, /needs either files .* or the name/],
  'files and a name': [['explain', 'shop', '-f', '-'], '', 2, /needs either files/],
  'two names': [['explain', 'a', 'b'], '', 2, /takes one name/],
  'a pool that is not in the files': [
    ['explain', '-f', '-', '--pool', 'shop/other'],
    [database, pool('shop')].join('---'),
    1,
    /there is no ConnectionPool shop\/other \(there are shop\/shop\)/,
  ],
  'a Postgres that is not in the files': [
    ['explain', '-f', '-'],
    pool('shop'),
    1,
    /shop\/shop: .*there is no StatefulSet shop\/shop-db/,
  ],
  'a pool that is not valid': [
    ['explain', '-f', '-'],
    pool('shop', '  mode: sesion'),
    1,
    /did you mean session/,
  ],
  'an output that there is not': [['explain', '-f', '-', '-o', 'yaml'], '', 2, /use table or json/],
  'a kubeconfig for files': [
    ['explain', '-f', '-', '--kubeconfig', 'x'],
    '',
    2,
    /--kubeconfig is for a pool in a cluster/,
  ],
  'words of explain for plan': [
    ['plan', '-f', '-', '--pool', 'a/b'],
    '',
    2,
    /--pool is for explain/,
  ],
  'a cluster that is not there': [
    ['explain', 'shop', '-n', 'shop'],
    '',
    1,
    /the cluster cannot be asked: /,
  ],
};
for (const [sentence, [words, input, code, says]] of Object.entries(refused)) {
  test(`refused: ${sentence}`, () => {
    const { status, stdout, stderr } = spillway(words, input);
    assert.equal(stdout, '');
    assert.match(stderr, says);
    assert.equal(status, code);
  });
}
