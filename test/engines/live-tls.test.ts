import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ConsoleError } from '../../operator/engines/engine.ts';
import { console as admin } from '../../operator/engines/pgbouncer/console.ts';
import { makeAuthority } from '../cluster/certificates.ts';
import { type Postgres, startPostgres } from '../cluster/processes.ts';
import { holderConfig, type Pooler, startPooler, whoAmI } from './pooler.ts';

const web = { name: 'web', secret: 'w' };
let folder: string;
let ca: string;
let postgres: Postgres;
let pooler: Pooler;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'spillway-tls-'));
  const authority = await makeAuthority(folder);
  ca = readFileSync(authority.certificate, 'utf8');
  const { key, certificate } = await authority.server('pooler', ['127.0.0.1', 'localhost']);
  postgres = await startPostgres({ users: [{ name: web.name, password: web.secret }] });
  const config = holderConfig(postgres, {
    users: [web],
    serverTls: { mode: 'prefer' },
    clientTls: {
      mode: 'require',
      certFile: '/etc/spillway/tls.crt',
      keyFile: '/etc/spillway/tls.key',
    },
    parameters: { client_tls_protocols: 'tlsv1.3', client_tls_ciphers: 'HIGH:!aNULL' },
  });
  pooler = await startPooler(config, [web], {
    'tls.crt': readFileSync(certificate, 'utf8'),
    'tls.key': readFileSync(key, 'utf8'),
  });
});
after(async () => {
  await pooler?.stop();
  await postgres?.stop();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

const coded = (code: string) => (error: unknown) =>
  error instanceof ConsoleError && error.code === code;

test('a pooler that asks its clients for TLS has its console looked at by TLS', async () => {
  await assert.rejects(whoAmI(pooler.port, web, 'postgres'), /SSL required/);
  await assert.rejects(admin.observe(pooler.address), coded('Refused'));
  const seen = await admin.observe({ ...pooler.address, tls: {} });
  assert.equal(seen.mark?.generation, 1);
  const checked = await admin.observe({ ...pooler.address, tls: { ca } });
  assert.equal(checked.parameters.client_tls_sslmode, 'require');
});

test('a certificate of another authority is not trusted when one was named', async () => {
  const other = readFileSync((await makeAuthority(join(folder, 'other'))).certificate, 'utf8');
  await assert.rejects(
    admin.observe({ ...pooler.address, tls: { ca: other } }),
    (error) => error instanceof ConsoleError && /certificate/.test(error.message),
  );
});
