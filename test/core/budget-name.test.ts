// One budget for one server, however its address is spelled.
import assert from 'node:assert/strict';
import { isIPv4, isIPv6, SocketAddress } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { endpoint } from '../../operator/api/postgres-target.ts';
import { budgetName } from '../../operator/core/budget-name.ts';
import { canonicalHost } from '../../operator/core/canonical-host.ts';

const nameOf = (host: string, port = 5432) =>
  budgetName({ endpoint: { host, port, cores: 8 } }, 'shop', 'spillway-system').name;

/** By the canonical form. */
const spellings: Readonly<Record<string, readonly string[]>> = {
  'db.example.com': ['db.example.com', 'DB.Example.COM', 'db.example.com.', 'Db.example.com.'],
  '10.0.0.1': ['10.0.0.1', '::ffff:a00:1', '::FFFF:0A00:0001', '0:0:0:0:0:ffff:a00:1'],
  '10.0.0.0': ['10.0.0.0', '::ffff:a00:0', '0:0:0:0:0:ffff:a00::'],
  '2001:db8::1': ['2001:db8::1', '2001:0db8:0::1', '2001:DB8:0:0:0:0:0:1', '2001:db8:0::0:1'],
  '2001:db8::1:0:0:1': ['2001:db8::1:0:0:1', '2001:db8:0:0:1::1', '2001:db8:0:0:1:0:0:1'],
  '1:2:3:4:5:6:7:0': ['1:2:3:4:5:6:7:0', '1:2:3:4:5:6:7::'],
};

for (const [canonical, hosts] of Object.entries(spellings)) {
  test(`all spellings of ${canonical} are one server with one budget`, () => {
    for (const host of hosts) {
      assert.equal(endpoint.parse({ host, cores: 8 }).host, host);
      assert.equal(canonicalHost(host), canonical, host);
      assert.equal(nameOf(host), nameOf(canonical), host);
    }
  });
}

test('budgets that exist keep their names', () => {
  assert.deepEqual(
    ['db.example.com', '10.0.0.1', '2001:db8::1', '2001:db8::1:0:0:1'].map((host) => nameOf(host)),
    [
      'endpoint-9039ab61ea5bade2',
      'endpoint-fc3ba05ce2f07870',
      'endpoint-dd47fa84c712a3d8',
      'endpoint-e7300a91cfcc89bc',
    ],
  );
});

test('other hosts and other ports have other budgets', () => {
  const names = Object.keys(spellings).flatMap((host) => [nameOf(host), nameOf(host, 5433)]);
  assert.equal(new Set(names).size, 2 * Object.keys(spellings).length);
});

/** One address of eight groups, spelled with leading zeros, letter case and one run of zeros left out as they come. */
const spelled = fc
  .record({
    groups: fc.array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 }),
    widths: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 8, maxLength: 8 }),
    upper: fc.boolean(),
    from: fc.nat(7),
    length: fc.nat(8),
  })
  .map(({ groups, widths, upper, from, length }) => {
    const texts = groups.map((g, i) => g.toString(16).padStart(widths[i] ?? 1, '0'));
    const run = groups.slice(from, from + length);
    const cut = run.length > 0 && run.every((g) => g === 0);
    const text = cut
      ? `${texts.slice(0, from).join(':')}::${texts.slice(from + run.length).join(':')}`
      : texts.join(':');
    return {
      plain: groups.map((g) => g.toString(16)).join(':'),
      text: upper ? text.toUpperCase() : text,
    };
  });

test('whatever its spelling, an IPv6 address has one canonical form, which is the same address', () => {
  fc.assert(
    fc.property(spelled, ({ plain, text }) => {
      const canonical = canonicalHost(text);
      assert.equal(canonical, canonicalHost(plain));
      assert.equal(canonicalHost(canonical), canonical);
      assert.ok(isIPv6(canonical) || isIPv4(canonical), canonical);
      // What the operating system makes of both is the same address.
      const known = new SocketAddress({ address: text, family: 'ipv6' }).address;
      const again = isIPv4(canonical) ? `::ffff:${canonical}` : canonical;
      assert.equal(new SocketAddress({ address: again, family: 'ipv6' }).address, known);
    }),
    { numRuns: 2000 },
  );
});

test('what is no host at all has a form too, and none that an address has', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' })), (text) => {
      fc.pre(!isIPv6(text) && !isIPv4(text.replace(/\.$/, '')));
      const canonical = canonicalHost(text);
      assert.ok(!isIPv6(canonical) && !isIPv4(canonical), canonical);
    }),
    { numRuns: 2000 },
  );
});
