// Which versions of PgBouncer are too old to be believed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { pgbouncer } from '../../operator/engines/pgbouncer/index.ts';
import { oldestVersion } from '../../operator/engines/pgbouncer/version.ts';

const rows: readonly (readonly [version: string, tooOld: boolean])[] = [
  ['1.25.2', false],
  ['1.25.3', false],
  ['1.25.10', false],
  ['1.26.0', false],
  ['1.26.1', false],
  ['1.26', false],
  ['2.0.0', false],
  ['2', false],
  ['10.1', false],
  ['1.25.2.1', false],
  ['1.25.1', true],
  ['1.25.0', true],
  ['1.25', true],
  ['1.24.1', true],
  ['1.24.10', true],
  ['1.9.9', true],
  ['1', true],
  ['0.99.99', true],
  ['PgBouncer 1.26.1-dev', false],
  ['PgBouncer 1.25.2', false],
  ['PgBouncer 1.24.1-1+deb13u2', true],
  ['PgBouncer 1.18.0', true],
  // Not known to be old.
  ['', false],
  ['PgBouncer', false],
  ['PgBouncer devel', false],
  ['version 1.2', false],
  ['.1', false],
];
for (const [version, expected] of rows) {
  test(`"${version}" is ${expected ? '' : 'not '}too old`, () => {
    assert.equal(pgbouncer.tooOld(version), expected);
  });
}

test('versions are compared number by number, and whatever the text there is an answer', () => {
  const numbers = fc.array(fc.nat(40), { minLength: 3, maxLength: 3 });
  const weight = ([a = 0, b = 0, c = 0]: readonly number[]) => (a * 1000 + b) * 1000 + c;
  const oldest = weight(oldestVersion.split('.').map(Number));
  fc.assert(
    fc.property(numbers, (version) => {
      assert.equal(pgbouncer.tooOld(version.join('.')), weight(version) < oldest);
    }),
  );
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      assert.equal(typeof pgbouncer.tooOld(text), 'boolean');
    }),
  );
});
