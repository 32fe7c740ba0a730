// How a server's answer about itself is read: total, whatever answers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { mayIdentify, type Row, readAnswer } from '../../operator/postgres/ask.ts';

const row: Row = {
  version: '16.3 (Debian 16.3-1)',
  max_connections: '200',
  superuser_reserved: '3',
  reserved: '5',
  in_recovery: 'false',
  address: '10.1.2.3',
  port: '5432',
  may_identify: 'true',
};

test('a whole answer', () => {
  assert.equal(mayIdentify(row), true);
  assert.deepEqual(readAnswer(row, { system_identifier: '7330123456789012345' }), {
    version: '16.3 (Debian 16.3-1)',
    maxConnections: 200,
    superuserReserved: 3,
    reserved: 5,
    inRecovery: false,
    systemIdentifier: '7330123456789012345',
    address: '10.1.2.3:5432',
  });
});

test('before PostgreSQL 16 there is no reserved_connections, and a user may not be allowed to identify the server', () => {
  const old = { ...row, reserved: null, may_identify: 'false' };
  assert.equal(mayIdentify(old), false);
  const answer = readAnswer(old);
  assert.equal(answer?.reserved, 0);
  assert.equal(answer?.systemIdentifier, undefined);
});

for (const address of [
  null,
  '127.0.0.1',
  '127.1.2.3',
  '::1',
  '169.254.0.9',
  'fe80::1',
  '0.0.0.0',
]) {
  test(`an address that is the same everywhere tells no server apart: ${address}`, () => {
    assert.equal(readAnswer({ ...row, address })?.address, undefined);
  });
}

test('an address of IPv6 does', () => {
  assert.equal(readAnswer({ ...row, address: 'fd00::17' })?.address, 'fd00::17:5432');
});

const wrong: readonly Row[] = [
  {},
  { ...row, max_connections: '0' },
  { ...row, max_connections: '-5' },
  { ...row, max_connections: '1e3' },
  { ...row, max_connections: '262144' },
  { ...row, superuser_reserved: null },
  { ...row, reserved: 'many' },
  { ...row, in_recovery: 'perhaps' },
  { ...row, version: '15\ninjected' },
  { ...row, version: null },
];
for (const one of wrong) {
  test(`no server to size by: ${JSON.stringify(one)}`, () => {
    assert.equal(readAnswer(one), undefined);
  });
}

test('whatever answers, nothing is thrown and no number is out of bounds', () => {
  const value = fc.oneof(fc.constant(null), fc.string(), fc.nat().map(String));
  const rows = fc.dictionary(fc.constantFrom(...Object.keys(row)), value);
  fc.assert(
    fc.property(rows, rows, (a, b) => {
      const answer = readAnswer({ ...row, ...a }, b);
      if (answer === undefined) return;
      assert.ok(answer.maxConnections >= 1 && answer.maxConnections <= 262143);
      assert.ok(answer.reserved >= 0 && answer.superuserReserved >= 0);
    }),
  );
});
