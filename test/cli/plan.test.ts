// `spillway plan` as a process: what it prints, what it refuses and where, and what it never shows.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, normalize } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { loadAll } from 'js-yaml';
import type { PoolSizing } from '../../operator/api/connection-pool.ts';

const root = join(import.meta.dirname, '../..');
const program = join(root, 'bin/spillway');
const folder = mkdtempSync(join(tmpdir(), 'spillway-'));
after(() => rmSync(folder, { recursive: true }));

function spillway(words: readonly string[], input = '', path = program) {
  const { status, stdout, stderr } = spawnSync(path, words, {
    cwd: folder,
    input,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return name;
}

const secret = `
apiVersion: v1
kind: Secret
metadata: {name: shop-app, namespace: shop}
stringData: {password: s3cret-word}
`;
const database = (cpu: string) => `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: shop-db, namespace: shop}
spec:
  serviceName: shop-db
  template: {spec: {containers: [{name: postgres, resources: {limits: {cpu: "${cpu}"}}}]}}
`;
const pool = (name: string, rest = '') => `
apiVersion: spillway.dev/v1alpha1
kind: ConnectionPool
metadata: {name: ${name}, namespace: shop}
spec:
  postgres: {clusterRef: {apiGroup: apps, kind: StatefulSet, name: shop-db}}
  users: [{name: shop, secretRef: {name: shop-app}}]
${rest}`;
const budget = `
apiVersion: spillway.dev/v1alpha1
kind: ConnectionBudget
metadata: {name: statefulset-shop-db, namespace: shop}
spec:
  postgres: {clusterRef: {apiGroup: apps, kind: StatefulSet, name: shop-db}}
  total: 6
`;
const list = (...items: readonly object[]) => ({ apiVersion: 'v1', kind: 'List', items });
const all = (...parts: readonly string[]) => parts.join('---');

interface Planned {
  readonly namespace: string;
  readonly name: string;
  readonly sizing: PoolSizing;
  readonly objects: readonly { kind: string; metadata: { name: string }; data?: object }[];
}

function planned(...parts: readonly string[]): Planned[] {
  const { status, stdout, stderr } = spillway(['plan', '-f', '-', '-o', 'json'], all(...parts));
  assert.equal(stderr, '');
  assert.equal(status, 0);
  return JSON.parse(stdout) as Planned[];
}

test('4 cores give 9 connections, 8 cores 17', () => {
  const sizes = (cpu: string) => planned(database(cpu), pool('shop'))[0]?.sizing;
  assert.equal(sizes('4')?.budget, 9);
  assert.deepEqual(sizes('4')?.perPod, [5, 4]);
  assert.equal(sizes('8')?.budget, 17);
  assert.equal(
    sizes('8')?.explanation,
    '8 cores × 2 + 1 = 17; 1 pool has it, 17 here; 2 pooler pods, 9 and 8',
  );
});

test('two pools share one server, and the order of the files does not matter', () => {
  const parts = [database('8'), pool('shop'), pool('reports'), secret];
  const shares = (list: readonly Planned[]) =>
    list.map(({ name, sizing }) => `${name} ${sizing.share}`).sort();
  const forwards = shares(planned(...parts));
  assert.equal(forwards.length, 2);
  assert.deepEqual(shares(planned(...parts.reverse())), forwards);
  const total = planned(...parts).reduce((sum, { sizing }) => sum + (sizing.share ?? 0), 0);
  assert.equal(total, 17);
});

test("the owner's budget in the files counts", () => {
  assert.equal(planned(database('8'), pool('shop'), budget)[0]?.sizing.budget, 6);
});

test('a namespace is filled in for everything that names none', () => {
  const without = (text: string) => text.replaceAll(', namespace: shop', '');
  const input = without(all(database('8'), pool('shop')));
  const { stdout, status } = spillway(['plan', '-f', '-', '-n', 'web', '-o', 'json'], input);
  assert.equal(status, 0);
  assert.equal((JSON.parse(stdout) as Planned[])[0]?.namespace, 'web');
});

test('YAML output is the manifests, and holds them all', () => {
  const name = file('good.yaml', all(secret, database('8'), pool('shop')));
  const { stdout, status } = spillway(['plan', '-f', name, '-o', 'yaml']);
  assert.equal(status, 0);
  const documents = loadAll(stdout) as Planned['objects'];
  const [json] = planned(secret, database('8'), pool('shop'));
  assert.deepEqual(documents, json?.objects);
  assert.ok(documents.some(({ kind }) => kind === 'StatefulSet'));
});

test('the table names sizes, sentence and objects', () => {
  const name = file('table.yaml', all(database('8'), pool('shop')));
  const { stdout } = spillway(['plan', '-f', name]);
  assert.match(stdout, /^NAMESPACE +POOL +POSTGRES +MODE +BUDGET +SHARE +PODS +PER POD\n/);
  assert.match(stdout, /^shop +shop +StatefulSet shop\/shop-db +transaction +17 +17 +2 +9, 8$/m);
  assert.match(stdout, /^shop\/shop: 8 cores × 2 \+ 1 = 17; /m);
  assert.match(stdout, /^ {2}Secret +shop-pooler-console, shop-pooler-users$/m);
});

test('processes of a pod are in the table and in the sentence, and each has a file', () => {
  const spec = '  pooler: {processes: 2}';
  const name = file('processes.yaml', all(secret, database('8'), pool('shop', spec)));
  const { stdout } = spillway(['plan', '-f', name]);
  assert.match(
    stdout,
    /^shop +shop +StatefulSet shop\/shop-db +transaction +17 +17 +2 × 2 +9, 8$/m,
  );
  assert.match(stdout, /2 pooler pods × 2 processes, 1 with 5 and 3 with 4$/m);
  const [planned] = JSON.parse(spillway(['plan', '-f', name, '-o', 'json']).stdout);
  const map = planned.objects.find(({ kind }: { kind: string }) => kind === 'ConfigMap');
  const files = Object.keys(map.data).map((key) => key.split('.')[0]);
  assert.deepEqual(
    files,
    ['0-0', '0-1', '1-0', '1-1'].map((place) => `shop-pooler-${place}`),
  );
});

test('a password is shown only when it is asked for', () => {
  const words = ['plan', '-f', '-', '-o', 'yaml'];
  const input = all(secret, database('8'), pool('shop'));
  const encoded = (text: string) =>
    (loadAll(text) as { kind: string; data?: Record<string, string> }[])
      .filter(({ kind }) => kind === 'Secret')
      .flatMap(({ data }) => Object.values(data ?? {}))
      .map((value) => Buffer.from(value, 'base64').toString())
      .join();
  for (const output of ['yaml', 'json', 'table']) {
    const { stdout } = spillway(['plan', '-f', '-', '-o', output], input);
    assert.ok(!stdout.includes('s3cret-word'));
    if (output === 'yaml') assert.ok(!encoded(stdout).includes('s3cret-word'));
  }
  assert.ok(encoded(spillway([...words, '--show-secrets'], input).stdout).includes('s3cret-word'));
});

const faults: Readonly<Record<string, readonly [string, string]>> = {
  'a word that is not in the enum': [
    all(database('8'), pool('shop', '  mode: transacton\n')),
    '(standard input):2 (line 15): spec.mode: must be one of',
  ],
  'a field that does not exist': [
    all(database('8'), pool('shop', '  pooler: {replica: 3}\n')),
    '(standard input):2 (line 15): spec.pooler.replica: ',
  ],
  'a Postgres that is not in the files': [
    pool('shop'),
    '(standard input):1 (line 6): spec.postgres.clusterRef: there is no StatefulSet shop/shop-db: ',
  ],
  'a kind of Postgres that nobody knows': [
    pool('shop').replace('kind: StatefulSet', 'kind: Deployment'),
    '(standard input):1 (line 6): spec.postgres.clusterRef',
  ],
  'a Secret without the key': [
    all(secret.replace('password:', 'word:'), database('8'), pool('shop')),
    '(standard input):3 (line 19): spec.users[0].secretRef: Secret shop/shop-app has no key "password" (it has word): ',
  ],
  'a password that PgBouncer cannot read': [
    all(secret.replace('s3cret-word', '"a\\nb"'), database('8'), pool('shop')),
    '(standard input):3 (line 19): spec.users[shop]: ',
  ],
  'a pool that is there twice': [
    all(database('8'), pool('shop'), pool('shop')),
    '(standard input):3 (line 18): metadata.name: ConnectionPool shop/shop is there twice: ',
  ],
  'a kind of ours that does not exist': [
    pool('shop').replace('ConnectionPool', 'ConnectionPol'),
    '(standard input):1 (line 3): kind: there is no ConnectionPol ',
  ],
  'a version of ours that does not exist': [
    pool('shop').replace('v1alpha1', 'v9'),
    '(standard input):1 (line 2): apiVersion: spillway.dev/v9 is not served: ',
  ],
  'something else than an object': [
    '- a\n',
    '(standard input):1 (line 1): apiVersion: is required',
  ],
  'no pool': [database('8'), '(standard input): there is no ConnectionPool in it'],
  'an item of a List': [
    `apiVersion: v1\nkind: List\nitems:\n- ${pool('shop', '  mode: x\n').trim().replaceAll('\n', '\n  ')}`,
    '(standard input):1 (line 10): items[0].spec.mode: ',
  ],
  'an item of a List in a List': [
    JSON.stringify(list(list(), list({ apiVersion: 'spillway.dev/v9', kind: 'ConnectionPool' }))),
    '(standard input):1 (line 1): items[1].items[0].apiVersion: spillway.dev/v9 is not served: ',
  ],
  ...Object.fromEntries(
    [
      'spilway.dev/v1alpha1',
      'v1alpha1',
      'spillway.dev',
      'Spillway.dev/v1alpha1',
      'spillway.io/v1',
    ].map((apiVersion) => [
      `the apiVersion ${apiVersion}`,
      [
        all(database('8'), pool('shop'), pool('web').replace('spillway.dev/v1alpha1', apiVersion)),
        `(standard input):3 (line 16): apiVersion: there is no ConnectionPool in ${apiVersion}: did you mean spillway.dev/v1alpha1?`,
      ] as const,
    ]),
  ),
  'a budget in a group that is nearly ours': [
    all(database('8'), pool('shop'), budget.replace('.dev', '.de')),
    '(standard input):3 (line 16): apiVersion: there is no ConnectionBudget in spillway.de/v1alpha1: did you mean ',
  ],
  'a value of a Secret that is not base64': [
    all(
      secret.replace('stringData: {password: s3cret-word}', 'data:\n  password: s3cret-word'),
      database('8'),
      pool('shop', '').replace('users: [', 'users: [{name: other, secretRef: {name: shop-app}}, '),
    ),
    '(standard input):1 (line 6): data.password: is not base64: encode it, or write it as it is in stringData',
  ],
  'a value of a Secret that is no text': [
    all(secret.replace('s3cret-word', '12345'), database('8'), pool('shop')),
    '(standard input):1 (line 5): stringData.password: must be a string: put it in quotes',
  ],
  'a Postgres that cannot be read': [
    all(database('8').replace(/containers: .*]}}/, 'containers: []}}'), pool('shop')),
    '(standard input):2 (line 13): spec.postgres.clusterRef: StatefulSet shop/shop-db has no container',
  ],
  'a parameter of two lines': [
    all(database('8'), pool('shop', '  parameters: {query_wait_timeout: "3\\n0"}\n')),
    '(standard input):2 (line 15): spec.parameters.query_wait_timeout: must not have a newline',
  ],
  'a namespace that no API server would take': [
    all(database('8'), pool('shop').replace('namespace: shop', 'namespace: "Sh op"')),
    '(standard input):2 (line 11): metadata.namespace: must be a DNS label',
  ],
  'a namespace that is no text': [
    all(database('8'), pool('shop').replace('namespace: shop', 'namespace: 5')),
    '(standard input):2 (line 11): metadata.namespace: must be a string',
  ],
};
for (const [what, [input, expected]] of Object.entries(faults)) {
  test(`${what} is refused in one line with its place, and nothing is planned`, () => {
    const { status, stdout, stderr } = spillway(['plan', '-f', '-'], input);
    assert.equal(status, 1);
    assert.equal(stdout, '');
    assert.equal(stderr.trimEnd().split('\n').length, 1, stderr);
    assert.ok(stderr.startsWith(expected), `${stderr} should begin with ${expected}`);
  });
}

test('every fault of every file is told at once', () => {
  const bad = file('bad.yaml', all(pool('shop', '  mode: x\n'), pool('Shop_2')));
  const { status, stderr } = spillway(['plan', '-f', bad, '-f', 'none.yaml']);
  assert.equal(status, 1);
  const files = stderr
    .trimEnd()
    .split('\n')
    .map((line) => line.split(' ')[0]);
  assert.deepEqual(files.sort(), ['bad.yaml:1', 'bad.yaml:2', 'none.yaml:']);
});

test('kinds of other groups are left alone, whatever their names', () => {
  const aiven = pool('shop').replace('spillway.dev/v1alpha1', 'aiven.io/v1alpha1');
  assert.deepEqual(
    planned(database('8'), aiven, pool('web')).map(({ name }) => name),
    ['web'],
  );
});

test('a pool that was copied with its uid is another pool', () => {
  const copy = (name: string) => pool(name).replace('metadata: {', 'metadata: {uid: x, ');
  const pools = planned(database('8'), copy('shop'), copy('web'));
  assert.deepEqual(
    pools.map(({ name, sizing }) => [name, sizing.budget, sizing.share]),
    [
      ['shop', 17, 8],
      ['web', 17, 9],
    ],
  );
});

test('bytes that are not UTF-8 are refused with their line, and are not made into something else', () => {
  const text = all(
    database('8'),
    pool('shop').replace('users: [{name: shop', 'users: [{name: shöp'),
  );
  assert.match(spillway(['plan', '-f', '-', '-o', 'yaml'], text).stdout, /'shöp'/);
  writeFileSync(join(folder, 'latin1.yaml'), Buffer.from(text, 'latin1'));
  const { status, stdout, stderr } = spillway(['plan', '-f', 'latin1.yaml']);
  assert.deepEqual([status, stdout], [1, '']);
  assert.equal(stderr, 'latin1.yaml (line 14): is not UTF-8: save it as UTF-8\n');
});

test('a note says what to do', () => {
  const { stdout } = spillway(
    ['plan', '-f', '-'],
    all(database('8'), pool('shop', '  sizing: {min: 40}\n')),
  );
  assert.match(
    stdout,
    /Note: BelowMin: The share is below spec\.sizing\.min \(8 cores .*\): raise the total or share of ConnectionBudget shop\/statefulset-shop-db, /,
  );
});

test('standard input is waited for, also when it does not block', async () => {
  const fifo = join(folder, 'fifo');
  execFileSync('mkfifo', [fifo]);
  const reading = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
  const writing = openSync(fifo, 'w');
  const child = spawn(program, ['plan', '-f', '-'], { stdio: [reading, 'pipe', 'pipe'] });
  closeSync(reading);
  assert.ok(child.stdout !== null && child.stderr !== null);
  const result = Promise.all([text(child.stdout), text(child.stderr)]);
  const input = all(database('8'), pool('shop'));
  await setTimeout(1000);
  writeSync(writing, input.slice(0, 100));
  await setTimeout(100);
  writeSync(writing, input.slice(100));
  closeSync(writing);
  const [stdout, stderr] = await result;
  assert.equal(stderr, '');
  assert.match(stdout, /8 cores × 2 \+ 1 = 17/);
});

test('an output that cannot be written is one line and a failure', () => {
  const full = openSync('/dev/full', 'w');
  const { status, stderr } = spawnSync(program, ['--help'], {
    stdio: ['ignore', full, 'pipe'],
    encoding: 'utf8',
  });
  closeSync(full);
  assert.equal(stderr, 'spillway: the output cannot be written (ENOSPC)\n');
  assert.equal(status, 1);
});

test('a command line that makes no sense ends with 2 and says what would', () => {
  for (const words of [
    ['plan'],
    ['pln'],
    ['plan', '-f', 'a', '-o', 'x'],
    ['plan', '--nope'],
    ['plan', 'a'],
    ['plan', '-f', ''],
    ['plan', '-f', 'a', '-n', 'Sh op'],
    ['plan', '-f', 'a', '--operator-namespace', 'a.b'],
    ['plan', '-f', 'a', '--cluster-domain', 'x y'],
    ['plan', '-f', 'a', '--pooler-image', 'x y\nz'],
    ['explain', '-f', 'a', '--pool', 'shop'],
  ]) {
    const { status, stdout, stderr } = spillway(words);
    assert.equal(status, 2, words.join(' '));
    assert.equal(stdout, '');
    assert.match(stderr, /^spillway: .*\nTry "spillway --help"\.\n$/);
  }
  assert.equal(spillway(['--help']).status, 0);
  assert.match(spillway(['--version']).stdout, /^[0-9]+\.[0-9]+\.[0-9]+\n$/);
});

test('the program runs from any folder and through symbolic links', () => {
  mkdirSync(join(folder, 'bin'));
  symlinkSync(program, join(folder, 'bin/first'));
  symlinkSync('first', join(folder, 'bin/second'));
  assert.equal(spillway(['--version'], '', join(folder, 'bin/second')).status, 0);
});

test('every example is a plan as it stands', () => {
  const examples = join(root, 'examples');
  const names = readdirSync(examples).filter((name) => !name.endsWith('.md'));
  assert.ok(names.length >= 4);
  for (const name of names) {
    // A budget alone is not a plan: it goes with the Postgres that it is for.
    const also = name === 'budget.yaml' ? ['-f', join(examples, 'quickstart')] : [];
    const { status, stderr } = spillway(['plan', '-f', join(examples, name), ...also]);
    assert.equal(stderr, '', name);
    assert.equal(status, 0, name);
  }
});

test('the program loads nothing of the API client, which alone would take longer than all of it, unless a cluster is asked', () => {
  const seen = new Set<string>();
  const packages = new Set<string>();
  const walk = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    const text = readFileSync(path, 'utf8');
    for (const [, isType, from] of text.matchAll(
      /(?:import|export)\s+(type\s)?[^'"]*?from\s+'([^']+)'/g,
    )) {
      if (isType !== undefined || from === undefined) continue;
      if (from.startsWith('.')) walk(normalize(join(dirname(path), from)));
      else packages.add(from);
    }
    for (const [, from] of text.matchAll(/import\('(\.[^']+\.ts)'\)/g)) {
      if (from !== undefined && from !== './live.ts') walk(normalize(join(dirname(path), from)));
    }
  };
  walk(join(root, 'operator/cli/main.ts'));
  assert.ok(seen.size > 30);
  const foreign = [...packages].filter((name) => !name.startsWith('node:')).sort();
  assert.deepEqual(foreign, ['js-yaml', 'zod']);
});

test('a pool of a namespace that the owner does not name is refused until it is named', () => {
  const guest = pool('guest')
    .replace('namespace: shop}', 'namespace: books}')
    .replace('name: shop-db}', 'name: shop-db, namespace: shop}');
  const given = (namespaces: string) =>
    all(
      database('4'),
      `
apiVersion: spillway.dev/v1alpha1
kind: ConnectionBudget
metadata: {name: statefulset-shop-db, namespace: shop}
spec:
  postgres: {clusterRef: {apiGroup: apps, kind: StatefulSet, name: shop-db}}
  namespaces: ${namespaces}
`,
      pool('shop'),
      guest,
    );
  const sizes = (stdout: string) =>
    (JSON.parse(stdout) as Planned[]).map((p) => [p.name, p.sizing?.share, p.objects.length > 0]);
  const refused = spillway(['plan', '-f', '-', '-o', 'json'], given('[]'));
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /does not let namespace books attach pools/);
  const allowed = spillway(['plan', '-f', '-', '-o', 'json'], given('[{name: books}]'));
  assert.deepEqual(sizes(allowed.stdout), [
    ['shop', 5, true],
    ['guest', 4, true],
  ]);
  const limited = spillway(['plan', '-f', '-', '-o', 'json'], given('[{name: "*", max: 2}]'));
  assert.deepEqual(sizes(limited.stdout), [
    ['shop', 7, true],
    ['guest', 2, true],
  ]);
  assert.match(limited.stdout, /2 here, as pools of its namespace may have 2 together/);
});

test('databases have sizes, modes and roles of their own, within what the pool has', () => {
  const listed = pool(
    'shop',
    '  databases: [{name: orders, weight: 3}, {name: reports, max: 2, mode: session, user: shop}]\n',
  );
  const { stdout, status } = spillway(
    ['plan', '-f', '-', '-o', 'json'],
    all(database('4'), listed),
  );
  assert.equal(status, 0);
  const [planned] = JSON.parse(stdout) as Planned[];
  assert.match(stdout, /2 pooler pods, 5 and 4, divided over 2 databases by their sizes/);
  const map = planned?.objects.find(({ kind }) => kind === 'ConfigMap');
  const lines = Object.values((map as { data?: Record<string, string> } | undefined)?.data ?? {})
    .flatMap((text) => text.split('\n'))
    .filter((line) => /^'(orders|reports)' =/.test(line))
    .map((line) => line.replace(/ host=\S+ port=5432/, ''));
  assert.deepEqual(lines, [
    "'orders' = dbname=orders pool_size=4 max_db_connections=4",
    "'reports' = dbname=reports user=shop pool_size=1 max_db_connections=1 pool_mode=session",
    "'orders' = dbname=orders pool_size=3 max_db_connections=3",
    "'reports' = dbname=reports user=shop pool_size=1 max_db_connections=1 pool_mode=session",
  ]);
});

test('a pool with a Deployment is planned as one, for the most pods that there can be', () => {
  const given = all(database('8'), pool('shop', '  pooler: {workload: Deployment}\n'));
  const { stdout, stderr, status } = spillway(['plan', '-f', '-', '-o', 'json'], given);
  assert.equal(stderr, '');
  assert.equal(status, 0);
  const [planned] = JSON.parse(stdout) as Planned[];
  assert.deepEqual(planned?.sizing?.perPod, [3, 3]);
  assert.match(stdout, /2 pooler pods of a Deployment, at most 5 at once, 3 each/);
  const kinds = planned?.objects.map(({ kind }) => kind) ?? [];
  assert.ok(kinds.includes('Deployment') && !kinds.includes('StatefulSet'), kinds.join());
  const made = planned?.objects.find(({ kind }) => kind === 'Deployment') as
    | { spec?: { replicas?: number; paused?: boolean } }
    | undefined;
  assert.equal(made?.spec?.replicas, 2);
  assert.equal(made?.spec?.paused, undefined);
  const map = planned?.objects.find(({ kind }) => kind === 'ConfigMap') as
    | { data?: Record<string, string> }
    | undefined;
  const texts = Object.values(map?.data ?? {});
  assert.equal(texts.length, 1);
  assert.match(texts[0] ?? '', /max_user_connections=3$/m);
  const small = all(database('1'), pool('shop', '  pooler: {workload: Deployment}\n'));
  assert.match(spillway(['plan', '-f', '-'], small).stdout, /Note: FewerPods: .*1 pooler pod of a/);
});
