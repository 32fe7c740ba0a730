// Files of Kubernetes objects, as people keep them: YAML with many documents, JSON, Lists, folders, standard
// input. Keeps where each document and each field stands, because a fault without a place is half a fault.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import {
  CORE_SCHEMA,
  constructFromEvents,
  EVENT_ID,
  type Event,
  getScalarValue,
  mergeTag,
  parseEvents,
  YAMLException,
} from 'js-yaml';
import { endOf, lineOfPath, type Path } from './positions.ts';

/** One object of a file; a List has been taken apart. */
export interface Document {
  readonly file: string;
  /** From 1, as people count. */
  readonly number: number;
  readonly value: unknown;
  /** Path of the object in its document: empty, or `items[3]` of a List, or `items[3].items[0]` of one in another. */
  readonly root: Path;
  /** Line of a field, from 1, or of the nearest thing around it. */
  lineOf(path: Path): number;
}

export interface InputFault {
  readonly file: string;
  readonly number?: number;
  readonly line?: number;
  readonly field?: string;
  readonly message: string;
}

/** `shop.yaml:2 (line 14): spec.mode: message` */
export function formatFault({ file, number, line, field, message }: InputFault): string {
  const place = `${file}${number === undefined ? '' : `:${number}`}${line === undefined ? '' : ` (line ${line})`}`;
  return oneLine(`${place}: ${field === undefined || field === '' ? '' : `${field}: `}${message}`);
}

/** Whatever ends a line anywhere, in names of files and fields too. */
export function oneLine(text: string): string {
  return text.replaceAll(/\s*[\n\r\v\f\u0085\u2028\u2029]\s*/g, ' ');
}

export interface Input {
  readonly documents: readonly Document[];
  readonly faults: readonly InputFault[];
}

/** What people are told of a file: standard input has no name. */
export function nameOf(file: string): string {
  return file === '-' ? '(standard input)' : file;
}

/** Reads everything that the names stand for, in their order; `-` is standard input. */
export async function readDocuments(names: readonly string[]): Promise<Input> {
  const documents: Document[] = [];
  const faults: InputFault[] = [];
  for (const name of names) {
    for (const file of filesOf(name, faults)) {
      const bytes = await bytesOf(file, faults);
      if (bytes === undefined) continue;
      const read = decodeDocuments(nameOf(file), bytes);
      documents.push(...read.documents);
      faults.push(...read.faults);
    }
  }
  return { documents, faults };
}

/** The documents of one file. Bytes that are not UTF-8 are one fault: read as something else, they would be data. */
export function decodeDocuments(file: string, bytes: Uint8Array): Input {
  const source = textOf(bytes);
  if (source !== undefined) return parseDocuments(file, source);
  const line = lineThatIsNoText(bytes);
  return { documents: [], faults: [{ file, line, message: 'is not UTF-8: save it as UTF-8' }] };
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** From 1. No byte of a longer character is a line's end, so that each line is judged by itself. */
function lineThatIsNoText(bytes: Uint8Array): number {
  let line = 1;
  for (let start = 0; start < bytes.length; line++) {
    const end = bytes.indexOf(0x0a, start);
    const next = end === -1 ? bytes.length : end + 1;
    if (textOf(bytes.subarray(start, next)) === undefined) return line;
    start = next;
  }
  return line;
}

/** The documents of one text. A text that is not YAML is one fault, with its line. */
export function parseDocuments(file: string, source: string): Input {
  let events: Event[] = [];
  try {
    events = parseEvents(source, { filename: file });
    const schema = CORE_SCHEMA.withTags(mergeTag);
    // Few aliases: a short text must not become a huge object.
    const values = constructFromEvents(events, { source, schema, maxAliases: 100 });
    return { documents: documentsOf(file, source, events, values), faults: [] };
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    const line = (error.mark?.line ?? 0) + 1;
    const message = `not YAML: ${reasonWithKey(error, source, events)}`;
    return { documents: [], faults: [{ file, number: numberAt(source, line), line, message }] };
  }
}

/** The parser says where a key stands for the second time, and not which. */
function reasonWithKey(
  { reason, mark }: YAMLException,
  source: string,
  events: readonly Event[],
): string {
  if (reason !== 'duplicated mapping key') return reason;
  const key = events.find(
    (event) => event.type === EVENT_ID.SCALAR && event.valueStart === mark?.position,
  );
  return key?.type === EVENT_ID.SCALAR
    ? `${reason} "${getScalarValue(source, key)}": remove one of the two`
    : reason;
}

function documentsOf(
  file: string,
  source: string,
  events: readonly Event[],
  values: readonly unknown[],
): Document[] {
  const documents: Document[] = [];
  let start = 0;
  values.forEach((value, index) => {
    const first = start;
    start = endOf(events, first);
    // Nothing between two separators, or only a comment.
    if (value === null || value === undefined) return;
    const lineOf = (path: Path) => lineOfPath(source, events, first + 1, path);
    const common = { file, number: index + 1, lineOf };
    for (const object of objectsOf(value, [])) documents.push({ ...common, ...object });
  });
  return documents;
}

/** The object itself, or the items of a List, of any kind of list (`kubectl get -o yaml` writes `List`). */
function objectsOf(value: unknown, root: Path): { value: unknown; root: Path }[] {
  const { kind, items } = (value ?? {}) as { kind?: unknown; items?: unknown };
  if (typeof kind !== 'string' || !kind.endsWith('List') || !Array.isArray(items)) {
    return [{ value, root }];
  }
  // No deeper than the parser lets anything be nested.
  return items.flatMap((item, index) => objectsOf(item, [...root, 'items', index]));
}

/** Which document a line is in, by the separators before it. */
function numberAt(source: string, line: number): number {
  const before = source.split('\n').slice(0, line);
  const separators = before.filter((text) => /^---(\s|$)/.test(text)).length;
  const leading = before.findIndex((text) => text.trim() !== '' && !text.startsWith('#'));
  return separators + (/^---(\s|$)/.test(before[leading] ?? '') ? 0 : 1);
}

/** A folder stands for its YAML and JSON files, by name; folders in it are left alone. */
function filesOf(name: string, faults: InputFault[]): readonly string[] {
  if (name === '-') return [name];
  try {
    if (!statSync(name).isDirectory()) return [name];
    const files = readdirSync(name)
      .filter((file) => /\.(ya?ml|json)$/.test(file))
      .sort()
      .map((file) => join(name, file));
    if (files.length === 0) {
      faults.push({ file: name, message: 'no .yaml, .yml or .json file in this folder' });
    }
    return files;
  } catch (error) {
    faults.push({ file: name, message: reasonOf(error) });
    return [];
  }
}

/** Standard input is waited for: whoever writes it may be slow. */
async function bytesOf(file: string, faults: InputFault[]): Promise<Uint8Array | undefined> {
  try {
    return file === '-' ? await buffer(process.stdin) : readFileSync(file);
  } catch (error) {
    faults.push({ file: nameOf(file), message: reasonOf(error) });
    return undefined;
  }
}

function reasonOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  switch (code) {
    case 'ENOENT':
      return 'no such file or folder';
    case 'EACCES':
      return 'may not be read';
    default:
      return `cannot be read (${code ?? String(error)})`;
  }
}
