// The demo's second half, in the cluster's network: installs Spillway as a user would, puts a pool in
// front of a Postgres, and shows what comes of it. `make demo` starts it, with a word that changes
// when the operator's image does.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mean, type Throughput } from './demo/measured.ts';
import { poolRows, type Row, report } from './demo/report.ts';
import { clients, measure, prepare } from './demo/throughput.ts';
import { apply, get, kubectl, list, psql, type Resource, situation, waitFor } from './e2e.ts';
import { postgresImage } from './image-names.ts';
import { repository } from './paths.ts';
import { run, say, sleep } from './run.ts';

const system = 'spillway-system';
const namespace = 'shop';
const kind = 'connectionpools.spillway.dev';
const server = `shop-db-0.shop-db.${namespace}.svc.cluster.local`;

type Pool = Resource & { status?: { sizing?: { explanation?: string } } };

async function installSpillway(image: string): Promise<void> {
  say('Installing charts/spillway with helm');
  const chart = join(repository, 'charts', 'spillway');
  await run([
    ...['helm', 'upgrade', '--install', 'spillway', chart, `--namespace=${system}`],
    ...[
      '--create-namespace',
      '--wait',
      '--timeout=2m',
      '--set-string',
      `podAnnotations.image=${image}`,
    ],
  ]).catch(async (error: Error) => {
    throw new Error(`${error.message}\n${await situation(system)}`);
  });
}

/** Applies the example, with the image of Postgres that was built here: there is no registry. */
async function applyExample(): Promise<Pool> {
  say('Applying examples/quickstart');
  const folder = join(repository, 'examples', 'quickstart');
  const files = readdirSync(folder).sort();
  for (const file of files) {
    const text = readFileSync(join(folder, file), 'utf8');
    await apply(text.replaceAll(/image: .*\bpostgres:.*/g, `image: ${postgresImage}`));
  }
  await kubectl(['apply', '-f', join(import.meta.dirname, 'demo', 'pgbench.yaml')]);
  const pool = await waitFor(
    'the pool is Ready',
    async () => {
      const ready = '--for=condition=Ready';
      await kubectl(['wait', kind, 'shop', ready, `--namespace=${namespace}`, '--timeout=5s']);
      return get<Pool>(kind, 'shop', namespace);
    },
    { seconds: 120, namespace },
  );
  for (const pod of ['shop-db-0', 'pgbench']) {
    await kubectl([
      ...['wait', 'pod', pod, '--for=condition=Ready', `--namespace=${namespace}`],
      '--timeout=60s',
    ]);
  }
  return pool;
}

async function secret(name: string): Promise<{ user: string; password: string }> {
  const data = (await get('secret', name, namespace))?.data ?? {};
  const text = (key: string) => Buffer.from(data[key] ?? '', 'base64').toString();
  return { user: text('username'), password: text('password') };
}

/** What each pooler pod answers to `SHOW POOLS`. */
async function showPools(): Promise<Row[]> {
  const login = { ...(await secret('shop-pooler-console')), database: 'pgbouncer' };
  const pods = await list('pods', namespace, 'spillway.dev/pool=shop');
  const rows = await Promise.all(
    pods.map(async ({ metadata: { name: pod } }) => {
      const host = `${pod}.shop-pooler.${namespace}.svc.cluster.local`;
      return poolRows(pod, await psql({ ...login, host }, 'SHOW POOLS'));
    }),
  );
  return rows.flat();
}

async function main(image: string): Promise<void> {
  await installSpillway(image);
  const pool = await applyExample();
  const login = { ...(await secret('shop-app')), host: server, database: 'shop' };
  say('Filling a database for pgbench');
  await prepare(namespace, server);
  say(`pgbench with ${clients} clients: at Postgres and through the pool's Service, twice in turn`);
  const direct: Throughput[] = [];
  const pooled: Throughput[] = [];
  let pools: Row[] = [];
  for (let round = 0; round < 2; round++) {
    direct.push(await measure(namespace, server, login));
    const underLoad = sleep(5000).then(showPools);
    pooled.push(await measure(namespace, 'shop', login));
    pools = await underLoad;
  }

  const text = report({
    namespace,
    connectionPools: await kubectl(['get', kind, `--namespace=${namespace}`]),
    explanation: pool.status?.sizing?.explanation ?? '',
    pools,
    clients,
    direct: mean(direct),
    pooled: mean(pooled),
  });
  console.log(`\n${text}\n`);
  console.log(`Look around: node test/cluster/main.ts kubectl get all -n ${namespace}`);
  console.log('End it:      make demo-down');
}

await main(process.argv[2] ?? '').catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
