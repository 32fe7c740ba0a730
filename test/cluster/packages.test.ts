// Which machines are told at once that they cannot run a cluster, instead of after the first packages.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unsupported } from './packages.ts';

const bookworm = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n';
const root = { platform: 'linux', uid: 0 };

const able: readonly (readonly [string, string])[] = [
  ['Debian 12', bookworm],
  ['Debian 13, with lines in another order', 'ID=debian\nVERSION_ID="13"\nVERSION_CODENAME=trixie'],
  ['a later one, without quotes', "ID='debian'\nVERSION_ID=14\n"],
  ['testing and unstable', 'PRETTY_NAME="Debian GNU/Linux forky/sid"\nID=debian\n'],
];

for (const [what, release] of able) {
  test(`a cluster can run on ${what}`, () => {
    assert.equal(unsupported({ ...root, release }), undefined);
  });
}

const ubuntu =
  'PRETTY_NAME="Ubuntu 24.04.3 LTS"\nVERSION_ID="24.04"\nVERSION_CODENAME=noble\nID=ubuntu\nID_LIKE=debian\n';
const unable: readonly (readonly [string, Parameters<typeof unsupported>[0], string])[] = [
  ['Ubuntu', { ...root, release: ubuntu }, 'this is Ubuntu 24.04.3 LTS.'],
  [
    'a Debian that is too old',
    {
      ...root,
      release: 'PRETTY_NAME="Debian GNU/Linux 11 (bullseye)"\nID=debian\nVERSION_ID="11"',
    },
    'this is Debian GNU/Linux 11 (bullseye).',
  ],
  ['a system without a pretty name', { ...root, release: 'ID=alpine\n' }, 'this is alpine.'],
  ['a system that says nothing', { ...root, release: '' }, 'this is of an unknown kind.'],
  [
    'Debian as somebody else than root',
    { platform: 'linux', uid: 1000, release: bookworm },
    'you are not root.',
  ],
  [
    'another system altogether',
    { platform: 'darwin', uid: 501, release: '' },
    'this is not Linux and you are not root.',
  ],
];

for (const [what, machine, reason] of unable) {
  test(`no cluster can run on ${what}`, () => {
    const lines = unsupported(machine)?.split('\n') ?? [];
    assert.equal(lines[0], `A cluster of its own needs root on Debian 12 or newer, but ${reason}`);
  });
}

test('whoever cannot have a cluster is told what works without', () => {
  const said = unsupported({ platform: 'linux', uid: 1000, release: ubuntu }) ?? '';
  for (const command of ['npm run test:unit', 'bin/spillway plan -f FILE', 'make bench']) {
    assert.ok(said.includes(`\`${command}\``), command);
  }
});
