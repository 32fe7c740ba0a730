// What one Postgres holds, looked at every 20 ms: the sessions in pg_stat_activity, and which of them have no client
// any more. That is told by the sockets of both ends, read right after: once the pooler has closed its end, the socket
// of the session is in CLOSE_WAIT or gone, while Postgres has yet to notice; and where a pod's network went together with
// its process, the server never hears of it, and only the other end tells. So what counts as held was there at one
// moment, that of the last look.
import { readdirSync, readFileSync } from 'node:fs';
import { sleep } from '../../cluster/run.ts';
import { pg, type Scene } from '../scene.ts';

export interface Snapshot {
  /** Milliseconds of performance.now() before the query was sent, and after its answer. */
  readonly from: number;
  readonly to: number;
  /** Sessions whose client was there. */
  readonly held: number;
  /** Sessions that Postgres kept after their client had gone. */
  readonly kept: number;
  /** Of those whose client was there: the address of its pod, the database and the role. */
  readonly of: readonly string[];
}

/** Everybody but the superuser, who is the tests. */
const sessions = {
  name: 'sessions',
  text: `SELECT host(client_addr) || ':' || client_port AS peer,
    concat_ws(' ', host(client_addr), datname, usename, state, backend_start::time(3)) AS of FROM pg_stat_activity
  WHERE backend_type = 'client backend' AND usename IS DISTINCT FROM 'postgres' AND client_addr IS NOT NULL`,
};

/** Looks from its making until `stop`. */
export class Snapshots {
  readonly list: Snapshot[] = [];
  readonly #period: number;
  readonly #poolers = new PoolerSockets();
  #stopped = false;
  readonly #done: Promise<void>;

  /** Returns when the first look was taken. */
  static async start(scene: Scene, period = 20): Promise<Snapshots> {
    const [db] = await scene.servers();
    const sockets = socketsOf(db?.metadata.uid ?? '');
    const server = new pg.Client({ ...scene.rootLogin });
    // The query in hand fails with it.
    server.on('error', () => undefined);
    await server.connect();
    const snapshots = new Snapshots(server, sockets, period);
    scene.onRemove(() => snapshots.stop());
    return snapshots;
  }

  private constructor(server: pg.Client, sockets: string, period: number) {
    this.#period = period;
    this.#done = this.#run(server, sockets);
    // It is told by `stop`.
    this.#done.catch(() => undefined);
  }

  /** Looks in a second, as they really were. */
  get rate(): number {
    const seconds = ((this.list.at(-1)?.to ?? 0) - (this.list[0]?.from ?? 0)) / 1000;
    return this.list.length / seconds;
  }

  /** Milliseconds between the beginnings of two looks, at most. */
  get longestGap(): number {
    const gaps = this.list.slice(1).map(({ from }, i) => from - (this.list[i]?.from ?? 0));
    return gaps.reduce((a, b) => Math.max(a, b), 0);
  }

  /** The part of the time that lies between looks which were more than a second apart. */
  get blind(): number {
    const gaps = this.list.slice(1).map(({ from }, i) => from - (this.list[i]?.to ?? 0));
    const long = gaps.filter((gap) => gap > 1000).reduce((a, b) => a + b, 0);
    return long / ((this.list.at(-1)?.to ?? 0) - (this.list[0]?.from ?? 0));
  }

  /** Throws where a look has failed. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }

  async #run(server: pg.Client, sockets: string): Promise<void> {
    try {
      while (!this.#stopped) {
        const from = performance.now();
        const { rows } = await server.query<{ peer: string; of: string }>(sessions);
        const peers = peersOf(readFileSync(sockets, 'utf8'));
        const there = rows.filter(({ peer }) => peers.has(peer));
        const of = this.#poolers.connected(there);
        const [held, to] = [of.length, performance.now()];
        this.list.push({ from, to, held, kept: rows.length - held, of });
        await sleep(Math.max(0, this.#period - (performance.now() - from)));
      }
    } finally {
      await server.end();
    }
  }
}

/** The sockets of all poolers on this machine, in the networks of their pods. */
class PoolerSockets {
  #tables: readonly string[] = [];

  /** Of these sessions, those of which a live pooler has the other end. */
  connected(sessions: readonly { readonly peer: string; readonly of: string }[]): string[] {
    const ofThose = (all: ReadonlySet<string>) =>
      sessions.filter(({ peer }) => all.has(peer)).map(({ of }) => of);
    const known = ofThose(this.#read());
    if (known.length === sessions.length) return known;
    // A pod that has just come is not among those that were found before.
    this.#tables = tablesOf(/^pgbouncer\0/);
    return ofThose(this.#read());
  }

  #read(): ReadonlySet<string> {
    const all = new Set<string>();
    for (const table of this.#tables) {
      try {
        for (const local of clientsOf(readFileSync(table, 'utf8'))) all.add(local);
      } catch {
        // The process ended, and its sockets with it.
      }
    }
    return all;
  }
}

/** The tables of TCP sockets of processes with such a command line. */
function tablesOf(command: RegExp): string[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .filter((pid) => {
      try {
        return command.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
      } catch {
        return false;
      }
    })
    .map((pid) => `/proc/${pid}/net/tcp`);
}

/** The list of TCP sockets in the network of a pod's postgres. */
function socketsOf(podUid: string): string {
  for (const pid of readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name))) {
    try {
      const cgroup = readFileSync(`/proc/${pid}/cgroup`, 'utf8').replaceAll('_', '-');
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      if (podUid !== '' && cgroup.includes(podUid) && /^[^\0 ]*postgres\0/.test(command))
        return `/proc/${pid}/net/tcp`;
    } catch {
      // It ended meanwhile.
    }
  }
  throw new Error(`no process of the pod ${podUid} is a postgres`);
}

const ESTABLISHED = '01';
const POSTGRES_PORT = (5432).toString(16).toUpperCase();

/** Who is connected to the server, as `address:port`. */
function peersOf(table: string): Set<string> {
  return new Set(
    established(table)
      .filter(({ local }) => local.endsWith(`:${POSTGRES_PORT}`))
      .map(({ remote }) => addressOf(remote)),
  );
}

/** As whom somebody is connected to servers, as `address:port`. */
function clientsOf(table: string): string[] {
  return established(table)
    .filter(({ remote }) => remote.endsWith(`:${POSTGRES_PORT}`))
    .map(({ local }) => addressOf(local));
}

function established(table: string): { local: string; remote: string }[] {
  return table
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [, local = '', remote = '', state = ''] = line.trim().split(/ +/);
      return state === ESTABLISHED ? [{ local, remote }] : [];
    });
}

function addressOf(text: string): string {
  const [address = '', port = ''] = text.split(':');
  // The kernel writes the address as one number of the machine's byte order.
  const bytes = (address.match(/../g) ?? []).reverse().map((hex) => Number.parseInt(hex, 16));
  return `${bytes.join('.')}:${Number.parseInt(port, 16)}`;
}
