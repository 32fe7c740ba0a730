// Files of Kubernetes objects, as people keep them: YAML with many documents, JSON, Lists, folders, standard
// input. Keeps where each document and each field stands, because a fault without a place is half a fault.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import {
  CORE_SCHEMA,
  constructFromEvents,
  type Event,
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
  /** Path of the object in its document: empty, or `items[3]` of a List. */
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
  return `${place}: ${field === undefined || field === '' ? '' : `${field}: `}${message}`.replaceAll(
    /\s*\n\s*/g,
    ' ',
  );
}

export interface Input {
  readonly documents: readonly Document[];
  readonly faults: readonly InputFault[];
}

/** Reads everything that the names stand for, in their order; `-` is standard input. */
export function readDocuments(names: readonly string[]): Input {
  const documents: Document[] = [];
  const faults: InputFault[] = [];
  for (const name of names) {
    for (const file of filesOf(name, faults)) {
      const source = sourceOf(file, faults);
      if (source === undefined) continue;
      const read = parseDocuments(file === '-' ? '(standard input)' : file, source);
      documents.push(...read.documents);
      faults.push(...read.faults);
    }
  }
  return { documents, faults };
}

/** The documents of one text. A text that is not YAML is one fault, with its line. */
export function parseDocuments(file: string, source: string): Input {
  try {
    const events = parseEvents(source, { filename: file });
    const schema = CORE_SCHEMA.withTags(mergeTag);
    // Few aliases: a short text must not become a huge object.
    const values = constructFromEvents(events, { source, schema, maxAliases: 100 });
    return { documents: documentsOf(file, source, events, values), faults: [] };
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    const line = (error.mark?.line ?? 0) + 1;
    return {
      documents: [],
      faults: [
        { file, number: numberAt(source, line), line, message: `not YAML: ${error.reason}` },
      ],
    };
  }
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
    const items = itemsOf(value);
    if (items === undefined) documents.push({ ...common, value, root: [] });
    for (const [i, item] of (items ?? []).entries()) {
      documents.push({ ...common, value: item, root: ['items', i] });
    }
  });
  return documents;
}

/** The items of a List, of any kind of list (`kubectl get -o yaml` writes `List`). */
function itemsOf(value: unknown): readonly unknown[] | undefined {
  const { kind, items } = value as { kind?: unknown; items?: unknown };
  return typeof kind === 'string' && kind.endsWith('List') && Array.isArray(items)
    ? items
    : undefined;
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

function sourceOf(file: string, faults: InputFault[]): string | undefined {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    faults.push({ file, message: reasonOf(error) });
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
