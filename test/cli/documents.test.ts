// Files into documents, with the place of each field.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { dump } from 'js-yaml';
import {
  decodeDocuments,
  formatFault,
  parseDocuments,
  readDocuments,
} from '../../operator/cli/documents.ts';
import { parsePath } from '../../operator/cli/positions.ts';

const source = `# A comment first
a: 1
b: {c: [1, {d: x}]}
---
# nothing here
---
list:
  - one: "x"
    two: |
      many
      lines
  - three: 3
"quoted key": y
`;

test('documents are counted from 1, and empty ones are left out', () => {
  const { documents, faults } = parseDocuments('f.yaml', source);
  assert.deepEqual(faults, []);
  assert.deepEqual(
    documents.map(({ number, value }) => [number, Object.keys(value as object)]),
    [
      [1, ['a', 'b']],
      [3, ['list', 'quoted key']],
    ],
  );
});

const lines: readonly (readonly [number, string, number])[] = [
  [0, 'a', 2],
  [0, 'b.c[1].d', 3],
  [0, 'missing', 2],
  [1, 'list', 7],
  [1, 'list[0].one', 8],
  [1, 'list[0].two', 9],
  [1, 'list[1].three', 12],
  [1, 'list[1].four', 12],
  [1, 'list[9]', 7],
  [1, '["quoted key"]', 13],
];
for (const [index, path, line] of lines) {
  test(`${path} of document ${index} stands in line ${line}`, () => {
    const document = parseDocuments('f.yaml', source).documents[index];
    assert.equal(document?.lineOf(parsePath(path)), line);
  });
}

test('every value of any object is found in the line in which it was written', () => {
  // Of three letters, since some words are quoted (y, n, no, true).
  const key = fc.stringMatching(/^k[a-z]{2}$/);
  fc.assert(
    fc.property(fc.dictionary(key, fc.dictionary(key, fc.nat(), { minKeys: 1 })), (object) => {
      const text = dump([{ before: 1 }, object], { noRefs: true });
      const [document] = parseDocuments('f.yaml', text).documents;
      for (const [outer, inner] of Object.entries(object)) {
        for (const [name, value] of Object.entries(inner)) {
          const line = document?.lineOf([1, outer, name]) ?? 0;
          assert.equal(text.split('\n')[line - 1]?.trim(), `${name}: ${value}`);
        }
      }
    }),
  );
});

test('a List is taken apart, in YAML and in JSON', () => {
  const list = { apiVersion: 'v1', kind: 'List', items: [{ kind: 'A' }, { kind: 'B' }] };
  for (const text of [dump(list), JSON.stringify(list, undefined, 2)]) {
    const { documents } = parseDocuments('f', text);
    assert.deepEqual(
      documents.map(({ value, root }) => [(value as { kind: string }).kind, root]),
      [
        ['A', ['items', 0]],
        ['B', ['items', 1]],
      ],
    );
  }
});

test('a List in a List is taken apart, too, in the order in which it stands', () => {
  const list = (...items: unknown[]) => ({ kind: 'List', items });
  const text = JSON.stringify(list({ kind: 'A' }, list(list({ kind: 'B' }), { kind: 'C' }), null));
  const { documents } = parseDocuments('f', text);
  assert.deepEqual(
    documents.map(({ value, root }) => [(value as { kind: string } | null)?.kind, root]),
    [
      ['A', ['items', 0]],
      ['B', ['items', 1, 'items', 0, 'items', 0]],
      ['C', ['items', 1, 'items', 1]],
      [undefined, ['items', 2]],
    ],
  );
});

test('only UTF-8 is text, with or without its mark; the line of what is not is told', () => {
  const decoded = (bytes: readonly number[]) =>
    decodeDocuments('f', Uint8Array.from([0xef, 0xbb, 0xbf, ...bytes]));
  const line = [...Buffer.from('a: é\n')];
  assert.deepEqual(
    decoded(line).documents.map(({ value }) => value),
    [{ a: 'é' }],
  );
  for (const wrong of [[0xf6], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0x80]]) {
    const { documents, faults } = decoded([...line, ...wrong, 0x0a, ...line]);
    assert.deepEqual(documents, []);
    assert.deepEqual(faults.map(formatFault), ['f (line 2): is not UTF-8: save it as UTF-8']);
  }
});

const broken: Readonly<Record<string, readonly [string, string]>> = {
  'a bracket that is not closed': ['a: 1\n---\nb: [1\nc: 2\n', 'f:2 (line 4): not YAML: '],
  'a key that is there twice': [
    'a: 1\na: 2\n',
    'f:1 (line 2): not YAML: duplicated mapping key "a": remove ',
  ],
  'a key in quotes that is there twice': [
    '{"x": {"b c": 1,\n"b c": 2}}',
    'f:1 (line 2): not YAML: duplicated mapping key "b c": remove ',
  ],
  'a tab': ['a:\n\t- 1\n', 'f:1 (line 2): not YAML: '],
  'an anchor that nobody set': ['a: *x\n', 'f:1 (line 1): not YAML: '],
  'more aliases than anybody writes': [
    `a: &a 1\nb: [${'*a,'.repeat(200)}]\n`,
    'f:1 (line 2): not YAML: ',
  ],
};
for (const [what, [text, expected]] of Object.entries(broken)) {
  test(`${what} is one fault with its document and line`, () => {
    const { documents, faults } = parseDocuments('f', text);
    assert.deepEqual(documents, []);
    assert.equal(faults.length, 1);
    const line = formatFault(faults[0] ?? { file: '', message: '' });
    assert.ok(line.startsWith(expected), line);
  });
}

test('a fault is one line, whatever is in its message', () => {
  const line = formatFault({ file: 'f', number: 2, field: 'spec.mode', message: 'a\n  b' });
  assert.equal(line, 'f:2: spec.mode: a b');
  for (const end of ['\r', '\r\n', '\u2028', '\u0085', '\v']) {
    const fault = { file: `a${end}b`, field: `c${end}d`, message: `e${end}` };
    assert.equal(formatFault(fault), 'a b: c d: e ');
  }
});

test('a folder stands for its YAML and JSON files in the order of their names', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'spillway-'));
  try {
    for (const name of ['b.yaml', 'a.json', 'c.yml', 'd.txt']) {
      writeFileSync(join(folder, name), `{"kind": "${name}"}`);
    }
    mkdirSync(join(folder, 'inner'));
    const { documents, faults } = await readDocuments([folder]);
    assert.deepEqual(faults, []);
    assert.deepEqual(
      documents.map(({ value }) => (value as { kind: string }).kind),
      ['a.json', 'b.yaml', 'c.yml'],
    );
    const empty = await readDocuments([join(folder, 'inner'), join(folder, 'none.yaml')]);
    assert.deepEqual(
      empty.faults.map(({ message }) => message),
      ['no .yaml, .yml or .json file in this folder', 'no such file or folder'],
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('whatever a file holds, the answer is documents or faults, never a throw', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'{}[]:,-&*|>"\'#!%@ \n\tab0') }), (text) => {
      const { documents, faults } = parseDocuments('f', text);
      assert.ok(documents.length === 0 || faults.length === 0);
    }),
    { numRuns: 500 },
  );
});
