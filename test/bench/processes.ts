// What a second process of a pod is worth: queries per second through one and through several PgBouncer processes on one
// port, and the CPU time of each query in them. Postgres, poolers and pgbench share the machine's cores, so with few
// of these it shows what a query costs rather than what a pod could do. `npm run bench:processes`; root, Debian.
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { processClients } from '../../operator/core/clients/limit.ts';
import { peerIdOf, socketOf } from '../../operator/core/pool/names.ts';
import { processesRoot } from '../cluster/debian.ts';
import { type Postgres, reservePort, startPostgres } from '../cluster/processes.ts';
import { run } from '../cluster/run.ts';
import { holderConfig, type Pooler, startPooler } from '../engines/pooler.ts';

const web = { name: 'web', secret: 'w' };
const CONNECTIONS = 8;
/** Clock ticks of /proc/<pid>/stat in a second, the same on every Linux that we know. */
const TICKS = 100;

interface Measured {
  readonly processes: number;
  readonly queriesPerSecond: number;
  /** CPU time of the poolers; microseconds. */
  readonly cpuPerQuery: number;
  /** Cores that each process used. */
  readonly cores: readonly number[];
}

async function startPod(postgres: Postgres, processes: number, clients: number) {
  const port = await reservePort();
  const poolers: Pooler[] = [];
  for (let process = 0; process < processes; process++) {
    const config = holderConfig(postgres, {
      databases: [{ name: 'a' }],
      users: [web],
      caps: [{ name: 'a', connections: Math.max(1, CONNECTIONS / processes) }],
      maxClientConnections: processClients(2 * clients, processes),
      peerId: peerIdOf(0, process),
      ...(processes === 1 ? {} : { socket: socketOf(process) }),
    });
    poolers.push(await startPooler(config, [web], {}, port));
  }
  return { port, poolers };
}

/** User and system time of a process; seconds. */
function cpuOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

async function pgbench(port: number, words: readonly string[]): Promise<string> {
  const command = [
    'pgbench',
    '--host=127.0.0.1',
    `--port=${port}`,
    '--username=web',
    ...words,
    'a',
  ];
  return run(['/usr/sbin/chroot', processesRoot, 'env', `PGPASSWORD=${web.secret}`, ...command]);
}

async function measure(
  postgres: Postgres,
  processes: number,
  clients: number,
  seconds: number,
): Promise<Measured> {
  const { port, poolers } = await startPod(postgres, processes, clients);
  try {
    const words = ['--select-only', '--no-vacuum', `--client=${clients}`, '--jobs=2'];
    await pgbench(port, [...words, '--time=2']);
    const before = poolers.map(({ pid }) => cpuOf(pid));
    const report = await pgbench(port, [...words, `--time=${seconds}`]);
    const used = poolers.map(({ pid }, i) => cpuOf(pid) - (before[i] ?? 0));
    const number = (pattern: RegExp) => Number(pattern.exec(report)?.[1]);
    const queries = number(/^number of transactions actually processed: ([0-9]+)/m);
    return {
      processes,
      queriesPerSecond: number(/^tps = ([0-9.]+)/m),
      cpuPerQuery: (used.reduce((a, b) => a + b, 0) / queries) * 1e6,
      cores: used.map((one) => one / seconds),
    };
  } finally {
    for (const one of poolers) await one.stop();
  }
}

const { values } = parseArgs({
  options: {
    processes: { type: 'string', default: '1,2' },
    clients: { type: 'string', default: '64' },
    seconds: { type: 'string', default: '15' },
    rounds: { type: 'string', default: '3' },
  },
});
const postgres = await startPostgres({
  users: [{ name: web.name, password: web.secret }],
  databases: ['a'],
});
try {
  await pgbench(postgres.port, ['--initialize', '--scale=10', '--quiet']);
  console.log(
    `${availableParallelism()} cores (${cpus()[0]?.model}), pgbench -S with ${values.clients} clients on the same machine, ${CONNECTIONS} server connections`,
  );
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const processes of values.processes.split(',').map(Number)) {
      const seen = await measure(
        postgres,
        processes,
        Number(values.clients),
        Number(values.seconds),
      );
      console.log(
        `${processes} process${processes === 1 ? '' : 'es'}: ${seen.queriesPerSecond.toFixed(0)} queries/s, ${seen.cpuPerQuery.toFixed(1)} µs CPU of the poolers for each, ${seen.cores.map((c) => c.toFixed(2)).join(' + ')} cores`,
      );
    }
  }
} finally {
  await postgres.stop();
}
