// What a test may rely on when it starts a real PgBouncer in front of a real Postgres.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import pg from 'pg';
import { reservePort, startPgBouncer, startPostgres } from './processes.ts';
import { until } from './run.ts';

const folder = mkdtempSync(join(tmpdir(), 'spillway-processes-'));
after(() => rmSync(folder, { recursive: true, force: true }));

// As a user they are told to run `npm run test:unit`, which leaves these out.
const options = { skip: process.getuid?.() === 0 ? false : 'needs root' };

const user = { name: 'shop', password: `it's "quoted" \\ & spaced` };

test('A query reaches Postgres through PgBouncer, and both stop', options, async () => {
  const postgres = await startPostgres({ maxConnections: 17, users: [user], databases: ['shop'] });
  const port = await reservePort();
  writeFileSync(
    join(folder, 'users.txt'),
    `"${user.name}" "${user.password.replaceAll('"', '""')}"\n`,
    { mode: 0o600 },
  );
  writeFileSync(
    join(folder, 'pool.ini'),
    `[databases]\n* = host=${postgres.host} port=${postgres.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = ${port}\nauth_type = scram-sha-256\nauth_file = /etc/spillway/users.txt\nunix_socket_dir =\n`,
  );
  const bouncer = await startPgBouncer({ folder, iniFile: 'pool.ini', port });
  try {
    const client = new pg.Client({
      host: bouncer.host,
      port,
      user: user.name,
      password: user.password,
      database: 'shop',
    });
    await client.connect();
    const { rows } = await client.query('SELECT current_user AS who, current_setting($1) AS most', [
      'max_connections',
    ]);
    await client.end();
    assert.deepEqual(rows, [{ who: 'shop', most: '17' }]);
    assert.match(bouncer.log(), /PgBouncer 1\.(2[6-9]|[3-9]\d)|1\.25\.[2-9]/);
  } finally {
    await bouncer.stop();
    await postgres.stop();
  }
  assert.equal(existsSync(`/proc/${bouncer.pid}`), false);
  assert.equal(existsSync(`/proc/${postgres.pid}`), false);
});

test('A configuration that PgBouncer refuses is an error that says why', options, async () => {
  writeFileSync(join(folder, 'broken.ini'), '[pgbouncer]\nno_such_parameter = 1\n');
  const port = await reservePort();
  await assert.rejects(
    startPgBouncer({ folder, iniFile: 'broken.ini', port }),
    /PgBouncer ended at its start:[\s\S]*no_such_parameter/,
  );
});

test(
  'A Postgres dies with the process that started it, even one that is killed',
  options,
  async () => {
    const program = `import {startPostgres} from ${JSON.stringify(join(import.meta.dirname, 'processes.ts'))};
    const postgres = await startPostgres();
    console.log(postgres.pid);
    setInterval(() => 0, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const failed = new AbortController();
    child.once('exit', () => failed.abort());
    const [line] = await once(child.stdout, 'data', { signal: failed.signal });
    const pid = Number(String(line));
    assert.ok(existsSync(`/proc/${pid}`));
    child.kill('SIGKILL');
    await until('Postgres is gone', 20, () => !existsSync(`/proc/${pid}`));
  },
);
