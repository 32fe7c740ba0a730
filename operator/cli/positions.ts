// Where a field stands in a YAML text: a walk over the parser's events.
import { EVENT_ID, type Event, getScalarValue } from 'js-yaml';

/** Keys and indexes from the root of a document. */
export type Path = readonly (string | number)[];

/** `spec.users[0].name` as a path. */
export function parsePath(text: string): Path {
  return [...text.matchAll(/\[([0-9]+)\]|\["([^"]*)"\]|([^.[\]]+)/g)].map(
    ([, index, quoted, name]) => (index !== undefined ? Number(index) : (quoted ?? name ?? '')),
  );
}

/** Index of the event after the one (with all that it contains) at `index`. */
export function endOf(events: readonly Event[], index: number): number {
  let depth = 0;
  for (let i = index; i < events.length; i++) {
    const type = events[i]?.type;
    if (type === EVENT_ID.POP) depth -= 1;
    else if (type !== EVENT_ID.SCALAR && type !== EVENT_ID.ALIAS) depth += 1;
    if (depth === 0) return i + 1;
  }
  return events.length;
}

/** Line, from 1, of the value at `path` under the node at `index`, or of the deepest part that is there. */
export function lineOfPath(
  source: string,
  events: readonly Event[],
  index: number,
  path: Path,
): number {
  let node = index;
  let offset = startOf(events[node]);
  for (const part of path) {
    const found = childOf(source, events, node, part);
    if (found === undefined) break;
    node = found.node;
    offset = found.offset;
  }
  return source.slice(0, Math.max(0, offset)).split('\n').length;
}

interface Child {
  /** Event of the value. */
  readonly node: number;
  /** Where its key begins, or the value in a sequence. */
  readonly offset: number;
}

function childOf(
  source: string,
  events: readonly Event[],
  parent: number,
  part: string | number,
): Child | undefined {
  const type = events[parent]?.type;
  let i = parent + 1;
  if (type === EVENT_ID.SEQUENCE) {
    for (let position = 0; events[i] && events[i]?.type !== EVENT_ID.POP; position++) {
      if (position === part) return { node: i, offset: startOf(events[i]) };
      i = endOf(events, i);
    }
  }
  if (type === EVENT_ID.MAPPING) {
    while (events[i] && events[i]?.type !== EVENT_ID.POP) {
      const key = events[i];
      const value = endOf(events, i);
      if (key?.type === EVENT_ID.SCALAR && getScalarValue(source, key) === String(part)) {
        return { node: value, offset: startOf(key) };
      }
      i = endOf(events, value);
    }
  }
  return undefined;
}

function startOf(event: Event | undefined): number {
  switch (event?.type) {
    case EVENT_ID.SEQUENCE:
    case EVENT_ID.MAPPING:
      return event.start;
    case EVENT_ID.SCALAR:
      return event.valueStart;
    case EVENT_ID.ALIAS:
      return event.anchorStart;
    default:
      return 0;
  }
}
