// What charges and snapshots of the same time say together.
import assert from 'node:assert/strict';
import { connectionPools, statusOf } from '../../../operator/reconcile/world.ts';
import { client } from '../client.ts';
import type { Scene } from '../scene.ts';
import { ceilingBetween, type Judgement } from './charges.ts';
import type { Snapshots } from './snapshots.ts';

/** A raise is seen here a moment after Postgres may have seen its effect. */
const LATE_MS = 1000;
/** Looks in a second that a test must reach, and how long it may be blind; a third of what a busy machine does. */
const LEAST_RATE = 5;
const LONGEST_GAP_MS = 5000;

/**
 * More than the ledger says may be there for a moment, within the slack, where a session and the one in its place meet at
 * the server; what lasts is a breach.
 */
const LASTING_MS = 500;

/** Looks at which more was held than was promised, and for how long in a row at most. */
function excessOf(
  ceilings: Judgement['ceilings'],
  { list }: Snapshots,
): { readonly looks: number; readonly longestMs: number } {
  let looks = 0;
  let longestMs = 0;
  let since: number | undefined;
  for (const { from, to, held } of list) {
    if (held <= ceilingBetween(ceilings, from, to + LATE_MS)) {
      since = undefined;
      continue;
    }
    looks += 1;
    since ??= from;
    longestMs = Math.max(longestMs, to - since);
  }
  return { looks, longestMs };
}

/** What every pool's status says stays free below the server's limit. */
export async function slackOf(scene: Scene): Promise<number> {
  const { items } = await client.list(connectionPools, { namespace: scene.namespace });
  return Math.max(...items.map((pool) => statusOf(pool).sizing?.slack ?? 0));
}

/** Throws where the ledger was ever over its budget, where Postgres was, or where nobody looked. */
export function judge(
  { breaches, ceilings }: Judgement,
  snapshots: Snapshots,
  slack: number,
): void {
  assert.deepEqual(breaches, []);
  for (const snapshot of snapshots.list) {
    const ceiling = ceilingBetween(ceilings, snapshot.from, snapshot.to + LATE_MS);
    const text = JSON.stringify({ ...snapshot, ceiling, slack });
    assert.ok(snapshot.held + snapshot.kept <= ceiling + slack, text);
  }
  const excess = excessOf(ceilings, snapshots);
  assert.ok(excess.longestMs <= LASTING_MS, `more than was promised for ${excess.longestMs} ms`);
  assert.ok(snapshots.rate >= LEAST_RATE, `${snapshots.rate} looks in a second`);
  assert.ok(snapshots.longestGap <= LONGEST_GAP_MS, `nobody looked for ${snapshots.longestGap} ms`);
}

/** Looks of which every session is told. */
const MAX_TOLD = 5;

/** Whose every session is, beside what the files said. */
function told({ filesAt }: Judgement, { from, held, of }: Snapshots['list'][number]): string {
  const files = [...filesAt(from + LATE_MS)].map(([holder, n]) => `${holder} ${n}`).join(', ');
  return `${held} at ${from.toFixed(0)} ms, files ${files}:\n  ${[...of].sort().join('\n  ')}`;
}

/** Prints the figures; `done` where something is wrong. */
export function report(judgement: Judgement, snapshots: Snapshots, done: readonly string[]): void {
  const { list } = snapshots;
  const over = list.map((s) => s.held - ceilingBetween(judgement.ceilings, s.from, s.to + LATE_MS));
  const excess = excessOf(judgement.ceilings, snapshots);
  const most = (numbers: readonly number[]) =>
    numbers.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  console.log(
    [
      `${judgement.writes} versions of the ledger, at most ${judgement.most} charged, ${judgement.breaches.length} breaches`,
      `${list.length} snapshots, ${snapshots.rate.toFixed(1)} in a second, the longest gap ${snapshots.longestGap.toFixed(0)} ms`,
      `most held ${most(list.map((s) => s.held))}; held less what was promised, at most ${most(over)}; more than promised at ${excess.looks} looks, at most ${excess.longestMs.toFixed(0)} ms in a row`,
      `kept after their client had gone: at most ${most(list.map((s) => s.kept))}, in ${list.filter((s) => s.kept > 0).length} snapshots`,
      ...(judgement.breaches.length > 0 || most(over) > 0 ? done : []),
      ...list
        .filter((_, i) => (over[i] ?? 0) > 0)
        .slice(0, MAX_TOLD)
        .map((s) => told(judgement, s)),
    ].join('\n'),
  );
}
