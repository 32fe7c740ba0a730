// Pods on their nodes: the volume that the kubelet serves, and the PgBouncer processes with their connections.
//
// The process follows operator/engines/pgbouncer/semantics.ts, on structured files instead of text, because millions of
// steps are to be made; processes.test.ts makes the same steps in both and compares. RELOAD applies what the volume says
// now and closes nothing; one that fails applies what it has read, and if it got as far as the settings, these have
// fallen back to PgBouncer's defaults and the mark is lost (the caps stand in the lines of their entries, and stay).
// RECONNECT marks what is open, and a marked connection closes when it is released; clients may open connections up to
// the caps at any moment. Entries that left the file keep the connections that they have until these are released.
import type { FileContent } from './objects.ts';

export interface Process {
  /** Of the mark; 0 when it shows none. */
  generation: number;
  /** Of the file that it has read to the end. */
  mark: string;
  readonly caps: Map<string, number>;
  /** Open server connections by entry. */
  readonly open: Map<string, number>;
  /** How many of them close when they are released. */
  readonly marked: Map<string, number>;
}

export interface Machine {
  readonly podUid: string;
  /** Index into the ConfigMap's history; undefined while nothing is mounted. */
  volume: number | undefined;
  /** By container; those that do not run are absent. */
  readonly processes: Map<number, Process>;
  /** The node does not answer: no refresh, no console, no end. The process lives on. */
  lost: boolean;
}

export function newMachine(podUid: string): Machine {
  return { podUid, volume: undefined, processes: new Map(), lost: false };
}

export function startProcess(file: FileContent): Process {
  return {
    generation: file.generation,
    mark: file.mark,
    caps: new Map(file.caps.map((c) => [c.name, c.connections])),
    open: new Map(),
    marked: new Map(),
  };
}

/**
 * Reads the file; with `lines` only so many entries of it, which leaves the mark as it was. More lines than there are
 * entries: it comes as far as the settings, whose last is the mark.
 */
export function reload(process: Process, file: FileContent, lines?: number): void {
  const read = lines === undefined ? file.caps : file.caps.slice(0, lines);
  if (lines === undefined) {
    process.caps.clear();
    process.generation = file.generation;
    process.mark = file.mark;
  } else if (lines > file.caps.length) {
    process.generation = 0;
    process.mark = '';
  }
  for (const { name, connections } of read) process.caps.set(name, connections);
}

export function openAll(process: Process): void {
  for (const [name, cap] of process.caps) {
    if ((process.open.get(name) ?? 0) < cap) process.open.set(name, cap);
  }
}

export function reconnect(process: Process): void {
  for (const [name, count] of process.open) process.marked.set(name, count);
}

/** Every connection is given back once: what is marked closes, and of the rest what `idle` says. */
export function release(process: Process, idle: boolean): void {
  for (const [name, count] of process.open) {
    const rest = idle ? 0 : count - (process.marked.get(name) ?? 0);
    if (rest > 0) process.open.set(name, rest);
    else process.open.delete(name);
  }
  process.marked.clear();
}

/**
 * The most that the process can come to hold without a write of anybody: by entry the largest of what it holds, the
 * cap that it runs with, and what its volume would let it open after a reload or a restart.
 */
export function potential(process: Process | undefined, file: FileContent | undefined): number {
  const byEntry = new Map<string, number>();
  const count = (name: string, connections: number) =>
    byEntry.set(name, Math.max(byEntry.get(name) ?? 0, connections));
  for (const [name, connections] of process?.caps ?? []) count(name, connections);
  for (const [name, connections] of process?.open ?? []) count(name, connections);
  for (const { name, connections } of file?.caps ?? []) count(name, connections);
  let sum = 0;
  for (const connections of byEntry.values()) sum += connections;
  return sum;
}
