import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseConnectString, parseIni } from '../../operator/engines/pgbouncer/ini.ts';
import {
  checkDatabaseName,
  checkHost,
  checkPath,
  checkRawValue,
  checkSecret,
  checkServerDatabaseName,
  checkUserName,
  quoteConnectValue,
  quoteName,
  userListLine,
} from '../../operator/engines/pgbouncer/quote.ts';
import { hostileName, hostileText } from './generate.ts';

const reason = (check: { ok: boolean; reason?: string }) => (check.ok ? 'ok' : check.reason);

test('a database name that the file cannot express is refused with its reason', () => {
  const table: Record<string, string> = {
    shop: 'ok',
    'with blank': 'ok',
    'Ünïcode-漢': 'ok',
    'a"b=c;[d]': 'ok',
    '%include /etc/passwd': 'ok',
    '': 'Empty',
    "o'brien": 'QuoteInName',
    pgbouncer: 'ReservedName',
    '*': 'ReservedName',
    'a\nb': 'ControlCharacter',
    'a\rb': 'ControlCharacter',
    'a\0b': 'ControlCharacter',
    'a\u0085b': 'ControlCharacter',
    'a\ud800': 'NotUnicode',
    [`${'ä'.repeat(31)}b`]: 'ok',
    ['ä'.repeat(32)]: 'TooLong',
  };
  for (const [name, expected] of Object.entries(table)) {
    assert.equal(reason(checkDatabaseName(name)), expected, JSON.stringify(name));
  }
});

test('a user name has the limits of a database name, without the star', () => {
  assert.equal(reason(checkUserName('*')), 'ok');
  assert.equal(reason(checkUserName("o'brien")), 'QuoteInName');
  assert.equal(reason(checkUserName('pgbouncer')), 'ReservedName');
  assert.equal(reason(checkUserName('a\tb')), 'ControlCharacter');
});

test('the name on the server may have a quote, since connect strings can express one', () => {
  assert.equal(reason(checkServerDatabaseName("o'brien")), 'ok');
  assert.equal(reason(checkServerDatabaseName('')), 'Empty');
  assert.equal(reason(checkServerDatabaseName('a\n[pgbouncer]')), 'ControlCharacter');
});

test('a password that no client could use, or that would end the line, is refused', () => {
  const scram = 'SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy';
  const table: Record<string, string> = {
    secret: 'ok',
    ' "\\\'; ': 'ok',
    [scram]: 'ok',
    '': 'Empty',
    [`md5${'0123456789abcdef'.repeat(2)}`]: 'Md5Secret',
    [`md5${'0123456789abcdeg'.repeat(2)}`]: 'ok',
    'secret\n': 'ControlCharacter',
    'a\0b': 'ControlCharacter',
    ['x'.repeat(2047)]: 'ok',
    ['x'.repeat(2048)]: 'TooLong',
    ['"'.repeat(1023)]: 'ok',
    ['"'.repeat(1024)]: 'TooLong',
  };
  for (const [secret, expected] of Object.entries(table)) {
    assert.equal(reason(checkSecret(secret)), expected, JSON.stringify(secret.slice(0, 50)));
  }
});

test('a refusal of a password says nothing of the password, and names the newline at its end', () => {
  const check = checkSecret('hunter2\n');
  assert.ok(!check.ok);
  assert.match(check.message, /ends with a newline/);
  assert.doesNotMatch(check.message, /hunter2/);
});

test('hosts, paths and raw values take only what their place in the file can hold', () => {
  for (const host of ['db', '10.0.0.1', 'fd00::1', 'a.b.c,d.e.f', 'db_1.svc']) {
    assert.equal(reason(checkHost(host)), 'ok', host);
  }
  for (const host of ['', '/tmp', '@x', 'a b', 'a,', 'a\nb', "a'b", 'a=b']) {
    assert.equal(reason(checkHost(host)), 'HostInvalid', JSON.stringify(host));
  }
  assert.equal(reason(checkPath('etc/x')), 'PathInvalid');
  assert.equal(reason(checkPath('/etc/x\n')), 'ControlCharacter');
  assert.equal(reason(checkRawValue('it', ' x')), 'BlankAtEnd');
  assert.equal(reason(checkRawValue('it', 'x\u2003')), 'BlankAtEnd');
});

test('an accepted name is read back as itself from an ini line', () => {
  fc.assert(
    fc.property(hostileName, (name) => {
      const { lines, fault } = parseIni(`[users]\n${quoteName(name)} = pool_size=1\n`);
      assert.equal(fault, undefined);
      assert.deepEqual(lines[1], { section: 'users', key: name, value: 'pool_size=1' });
    }),
  );
});

test('an accepted value is read back as itself from a connect string, and is one value', () => {
  fc.assert(
    fc.property(hostileText, hostileText, (a, b) => {
      const line = `host=${quoteConnectValue(a)} dbname=${quoteConnectValue(b)} port=1`;
      assert.deepEqual(
        [...(parseConnectString(line) ?? [])],
        [
          ['host', a],
          ['dbname', b],
          ['port', '1'],
        ],
      );
    }),
  );
});

test('a user list line holds its two fields whatever they are', () => {
  fc.assert(
    fc.property(hostileText, hostileText, (name, secret) => {
      const [, a = '', b = ''] =
        /^"((?:[^"]|"")*)" "((?:[^"]|"")*)"$/.exec(userListLine(name, secret)) ?? [];
      assert.deepEqual([a.replaceAll('""', '"'), b.replaceAll('""', '"')], [name, secret]);
    }),
  );
});
