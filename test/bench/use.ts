// What a process has used, as the kernel counts it.
import { readdirSync, readFileSync } from 'node:fs';

/** Linux tells CPU time in ticks of 1/100 s, on every architecture that Node runs on. */
const TICK_MS = 10;

/** CPU time of a process since its start, user and system; milliseconds. 0 when it is gone. */
export function cpuMs(pid: number): number {
  const text = read(`/proc/${pid}/stat`);
  // The name in parentheses may hold blanks.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * TICK_MS;
}

/** Resident memory now and at most since the start; MB, of a million bytes. The kernel's kB are of 1,024. */
export function memory(pid: number): { readonly now: number; readonly peak: number } {
  const text = read(`/proc/${pid}/status`);
  const field = (name: string) =>
    (Number(new RegExp(`^${name}:\\s+([0-9]+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024) / 1e6;
  return { now: field('VmRSS'), peak: field('VmHWM') };
}

/** The pids of this process's children of that name. */
export function childrenNamed(name: string): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^[0-9]+$/.test(entry))
    .map(Number)
    .filter((pid) => {
      const text = read(`/proc/${pid}/stat`);
      const parent = Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1]);
      return parent === process.pid && text.includes(`(${name})`);
    });
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
