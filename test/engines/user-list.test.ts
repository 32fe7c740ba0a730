import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { EngineError } from '../../operator/engines/engine.ts';
import { hashOf } from '../../operator/engines/pgbouncer/mark.ts';
import {
  renderUserList,
  revokedOf,
  secretOf,
  userMarkOf,
  usersOf,
} from '../../operator/engines/pgbouncer/user-list.ts';
import { hostileName, hostileSecret } from './generate.ts';

const user = fc.record({ name: hostileName, secret: hostileSecret });
const users = fc.uniqueArray(user, { selector: ({ name }) => name, maxLength: 6 });

test('the mark is the last line, and stands for everything before it', () => {
  const { text, markUser } = renderUserList(
    [
      { name: 'b', secret: 'x"y' },
      { name: 'a', secret: 'z' },
    ],
    's',
  );
  const [a, b, mark, end] = text.split('\n');
  assert.equal(a, '"a" "z"');
  assert.equal(b, '"b" "x""y"');
  assert.match(mark ?? '', /^"spillway-mark-1-[0-9a-f]{16}" "[0-9a-f]{64}"$/);
  assert.equal(end, '');
  assert.equal(userMarkOf(text), markUser);
});

test('the same users give the same bytes in any order, other users or secrets another mark', () => {
  fc.assert(
    fc.property(users, hostileSecret, (list, other) => {
      const { text, markUser } = renderUserList(list, 's');
      assert.equal(renderUserList([...list].reverse(), 's').text, text);
      const [first, ...rest] = list;
      if (first === undefined || first.secret === other) return;
      assert.notEqual(
        renderUserList([{ ...first, secret: other }, ...rest], 's').markUser,
        markUser,
      );
      assert.notEqual(renderUserList(rest, 's').markUser, markUser);
    }),
  );
});

test('another seed gives another mark, so that the name tells nothing of the passwords', () => {
  const list = [{ name: 'a', secret: '1234' }];
  assert.notEqual(renderUserList(list, 's').markUser, renderUserList(list, 't').markUser);
});

test('a list that says again what an older one said has another mark, and one that says what is written has the same', () => {
  const a = [{ name: 'a', secret: 'x' }];
  const b = [{ name: 'b', secret: 'x' }];
  const first = renderUserList(a, 's');
  const second = renderUserList(b, 's', { before: first.text });
  const third = renderUserList(a, 's', { before: second.text });
  const marks = [first, second, third].map(({ markUser }) => markUser);
  assert.deepEqual(
    marks.map((mark) => mark.replace(/[0-9a-f]{16}$/, '')),
    ['spillway-mark-1-', 'spillway-mark-2-', 'spillway-mark-3-'],
  );
  assert.deepEqual(renderUserList(a, 's', { before: third.text, seen: marks }), third);
  // Where the list was lost, what the processes have read tells how far it was.
  const lost = renderUserList(a, 's', { seen: marks });
  assert.match(lost.markUser, /^spillway-mark-4-/);
  assert.equal(userMarkOf(lost.text), lost.markUser);
  // A list of before there were serials stays as it is.
  const body = first.text.split('\n')[0];
  const old = `spillway-mark-${hashOf(`s\n${body}\n`)}`;
  const secret = createHmac('sha256', 's').update(old).digest('hex');
  const before = `${body}\n"${old}" "${secret}"\n`;
  assert.deepEqual(renderUserList(a, 's', { before }), { text: before, markUser: old });
});

test('a revoked user stays with a secret that nobody has, unless the list names it again', () => {
  const { text } = renderUserList([{ name: 'a', secret: 'x' }], 's', {
    revoked: ['gone', 'a', 'gone'],
  });
  assert.match(text, /^"a" "x"\n"gone" "[0-9a-f]{64}"\n"spillway-mark-/);
  assert.equal(text.split('\n').length, 4);
});

test('a user or a secret that would break the list is refused, and the secret is not repeated', () => {
  const table: Record<string, readonly [string, string]> = {
    'a quote in the name': ["o'brien", 'hunter2'],
    'a newline in the name': ['a\n"adm" "x"', 'hunter2'],
    'a newline in the secret': ['a', 'hunter2\n"adm" "x"'],
    'no secret': ['a', ''],
    'a name like a mark': ['spillway-mark-0123456789abcdef', 'hunter2'],
  };
  for (const [what, [name, secret]] of Object.entries(table)) {
    assert.throws(
      () => renderUserList([{ name, secret }], 's'),
      (error) => error instanceof EngineError && !error.message.includes('hunter2'),
      what,
    );
  }
  const twice = { name: 'a', secret: 'x' };
  assert.throws(() => renderUserList([twice, twice], 's'), /twice/);
  assert.throws(() => renderUserList([], ''), /seed/);
});

test('a list that was cut short, or has no mark, proves nothing', () => {
  const { text } = renderUserList([{ name: 'a', secret: 'x' }], 's');
  assert.equal(userMarkOf(text.slice(0, -1)), undefined);
  assert.equal(userMarkOf('"a" "x"\n'), undefined);
  assert.equal(userMarkOf(''), undefined);
});

test('who can log in is read back from a list: neither the mark nor who was revoked', () => {
  const users = [
    { name: 'shop', secret: 'a "quoted" secret' },
    { name: 'o"hara', secret: 'x' },
  ];
  const { text } = renderUserList(users, 'seed', { revoked: ['gone'] });
  assert.deepEqual([...usersOf(text, 'seed')].sort(), ['o"hara', 'shop']);
  assert.deepEqual(revokedOf(text, 'seed'), ['gone']);
});

test('what a user of a list logs in with is read back, whatever it is', () => {
  fc.assert(
    fc.property(users, (list) => {
      const { text } = renderUserList(list, 's');
      for (const { name, secret } of list) assert.equal(secretOf(text, name), secret);
      assert.equal(secretOf(text, 'nobody of the list'), undefined);
    }),
  );
  for (const text of ['', 'garbage', '"open', '"a" "b'])
    assert.equal(secretOf(text, 'a'), undefined);
});
