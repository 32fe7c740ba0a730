// An application with node-postgres, for measuring what changes cost it. README.md says how such a program is started,
// told and asked.
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

const [way = '', count = '1'] = process.argv.slice(2);
const kind = `node-postgres ${way}`;
const totals = { done: 0, failed: 0, refused: 0, unconnected: 0, opened: 0, relogins: 0 };
const errors: string[] = [];
const passwords = [process.env.PGPASSWORD ?? ''];
let stopping = false;

/** A connection that knows whether it is still there. */
class Connection {
  readonly pg = new pg.Client({ password: passwords[0], connectionTimeoutMillis: 10_000 });
  isOpen = true;

  constructor() {
    const close = () => {
      this.isOpen = false;
    };
    this.pg.on('error', close).on('end', close);
  }

  async end(): Promise<void> {
    this.isOpen = false;
    await this.pg.end().catch(() => undefined);
  }
}

/** With the other password where one is refused, as an application does that reads its Secret again. */
async function open(): Promise<Connection> {
  for (const end = Date.now() + 10_000; ; await sleep(50)) {
    const connection = new Connection();
    try {
      await connection.pg.connect();
      totals.opened += 1;
      return connection;
    } catch (error) {
      void connection.end();
      if (!/authentication failed/.test(String(error)) || Date.now() > end) throw error;
      totals.relogins += 1;
      passwords.reverse();
    }
  }
}

/** One transaction with prepared statements. Throws what the driver throws, after counting it. */
async function transact({ pg: client }: Connection, worker: number, n: number): Promise<void> {
  let hasBegun = false;
  try {
    await client.query('BEGIN');
    hasBegun = true;
    const insert = 'INSERT INTO done (kind, worker, n) VALUES ($1, $2, $3)';
    await client.query({ name: 'insert', text: insert, values: [kind, worker, n] });
    await client.query({ name: 'next', text: 'SELECT $1::int + 1 AS next', values: [n] });
    await client.query('COMMIT');
    totals.done += 1;
  } catch (error) {
    if (hasBegun) totals.failed += 1;
    else totals.refused += 1;
    throw error;
  }
}

/** Asks the server, unless it is to be trusted that whoever closes a connection has said so by now. */
async function isUsable(connection: Connection): Promise<boolean> {
  if (!connection.isOpen) return false;
  if (way === 'trust') return true;
  return connection.pg.query('').then(
    () => true,
    () => connection.end().then(() => false),
  );
}

async function work(worker: number): Promise<void> {
  let connection: Connection | undefined;
  for (let n = 0; !stopping; n++) {
    try {
      if (connection === undefined || !(await isUsable(connection))) {
        connection = await open().catch((error: unknown) => {
          totals.unconnected += 1;
          throw error;
        });
      }
      await transact(connection, worker, n);
      if (way === 'reconnect') await connection.end();
    } catch (error) {
      if (errors.length < 20) errors.push(`${new Date().toISOString()} ${String(error)}`);
      await connection?.end();
    }
    await sleep(20 + Math.random() * 380);
  }
  await connection?.end();
}

const workers = Promise.all(Array.from({ length: Number(count) }, (_, index) => work(index)));
for await (const line of createInterface({ input: process.stdin })) {
  const [word, value = ''] = line.split(' ');
  if (word === 'password') passwords.push(value);
  if (word === 'stop') break;
  if (word === 'report') console.log(JSON.stringify({ ...totals, errors }));
}
stopping = true;
await workers;
console.log(JSON.stringify({ ...totals, errors }));
process.exit(0);
