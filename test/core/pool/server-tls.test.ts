// TLS towards Postgres: what is written wins, else the most that the cluster's CA allows.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configMap } from '../../../operator/core/pool/objects/config-map.ts';
import { mounts, volumes } from '../../../operator/core/pool/objects/volumes.ts';
import { serverTlsOf } from '../../../operator/core/pool/server-tls.ts';
import { pgbouncer } from '../../../operator/engines/pgbouncer/index.ts';
import type { ServerTls } from '../../../operator/postgres/adapter.ts';
import { type ViewOptions, view } from './fixture.ts';

const ca: ServerTls = { namespace: 'shop', caSecret: 'db-ca', caKey: 'ca.crt', namesHost: true };

function viewWith(tls: ServerTls | undefined, server: object = {}, more: ViewOptions['view'] = {}) {
  const facts = { ...view().server, ...(tls === undefined ? {} : { tls }) };
  return view({ spec: { tls: { server } }, view: { server: facts, ...more } });
}

function chosen(tls: ServerTls | undefined, server: object = {}) {
  const { spec, identity, server: facts } = viewWith(tls, server);
  return serverTlsOf(spec, identity.namespace, facts);
}

test('the CA of the cluster is checked, and the name where the certificate carries it', () => {
  assert.deepEqual(chosen(ca), {
    mode: 'verify-full',
    ca: { name: 'db-ca', key: 'ca.crt' },
    found: true,
    why: 'TLS verify-full, with the CA in Secret db-ca',
  });
  assert.equal(chosen({ ...ca, namesHost: false }).mode, 'verify-ca');
});

test('a CA in another namespace is not mounted, and status says what that means', () => {
  const { mode, ca: mounted, why } = chosen({ ...ca, namespace: 'data' });
  assert.equal(mode, 'require');
  assert.equal(mounted, undefined);
  assert.match(why, /data\/db-ca .*copy the CA here/);
});

test('without a CA the connection is encrypted where the server can', () => {
  assert.equal(chosen(undefined).mode, 'prefer');
});

test('a server that has TLS for sure is never spoken to without it', () => {
  const { spec, identity, server } = viewWith(undefined);
  const choice = serverTlsOf(spec, identity.namespace, { ...server, encrypts: true });
  assert.deepEqual(choice, {
    mode: 'require',
    found: false,
    why: 'TLS require without a check, as the server has TLS and no CA is known',
  });
  const asked = { ...spec, tls: { server: { mode: 'disable' as const } } };
  assert.equal(
    serverTlsOf(asked, identity.namespace, { ...server, encrypts: true }).mode,
    'disable',
  );
});

test('a mode that is written wins over everything that was found', () => {
  for (const mode of ['disable', 'prefer', 'require'] as const) {
    assert.equal(chosen(ca, { mode }).mode, mode);
    assert.equal(chosen(ca, { mode }).ca, undefined);
    assert.equal(chosen({ ...ca, namespace: 'data' }, { mode }).mode, mode);
  }
  const own = { mode: 'verify-ca', caRef: { name: 'own', key: 'root.pem' } };
  assert.deepEqual(chosen(ca, own).ca, own.caRef);
  assert.equal(chosen(ca, own).mode, 'verify-ca');
});

test('the CA is mounted and named in the file, with its version, so that another content is read', () => {
  const text = (version: string) => {
    const { data } = configMap(viewWith(ca, {}, { caVersion: version }), pgbouncer) as {
      data?: Record<string, string>;
    };
    return Object.values(data ?? {})[0] ?? '';
  };
  assert.match(text('17'), /^server_tls_sslmode = verify-full$/m);
  assert.match(text('17'), /^server_tls_ca_file = \/etc\/spillway\/server-tls\/ca\.crt$/m);
  assert.match(text('17'), /^; server CA 17$/m);
  assert.notEqual(text('17'), text('18'));
  const file = pgbouncer.readHolderFile(text('17'));
  assert.ok(!('error' in file) && file.intact);

  const found = viewWith(ca);
  const volume = volumes(found).find(({ name }) => name === 'server-tls');
  assert.deepEqual(volume?.secret?.items, [{ key: 'ca.crt', path: 'ca.crt' }]);
  assert.equal(volume?.secret?.secretName, 'db-ca');
  assert.ok(mounts(found).some(({ name }) => name === 'server-tls'));
  const elsewhere = viewWith({ ...ca, namespace: 'data' });
  assert.ok(!volumes(elsewhere).some(({ name }) => name === 'server-tls'));
});
