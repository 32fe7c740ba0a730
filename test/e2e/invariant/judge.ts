// What charges and snapshots of the same time say together.
import assert from 'node:assert/strict';
import { connectionPools, statusOf } from '../../../operator/reconcile/world.ts';
import { client } from '../client.ts';
import type { Scene } from '../scene.ts';
import { ceilingBetween, type Judgement } from './charges.ts';
import type { Snapshots } from './snapshots.ts';

/** A raise is seen here a moment after Postgres may have seen its effect. */
const LATE_MS = 1000;
/** Looks in a second that a test must reach, and for what part of its time it may be blind; a busy machine does 12. */
const LEAST_RATE = 2;
const MOST_BLIND = 0.3;

/**
 * More than the ledger says may be there for a moment, within the slack, where a session and the one in its place meet at
 * the server; what lasts is a breach.
 */
const LASTING_MS = 500;

interface Excess {
  readonly looks: number;
  readonly longestMs: number;
}

/** One look, from when to when (milliseconds), and whether it saw more than there may be. */
interface Seen {
  readonly from: number;
  readonly to: number;
  readonly isOver: boolean;
}

/** Looks at which there was too much, and for how long in a row at least: one look says nothing of the time beside it. */
function excessIn(list: readonly Seen[]): Excess {
  let looks = 0;
  let longestMs = 0;
  let since: number | undefined;
  for (const { from, to, isOver } of list) {
    if (!isOver) {
      since = undefined;
      continue;
    }
    looks += 1;
    since ??= to;
    longestMs = Math.max(longestMs, from - since);
  }
  return { looks, longestMs };
}

function excessOf(ceilings: Judgement['ceilings'], { list }: Snapshots): Excess {
  return excessIn(
    list.map(({ from, to, held }) => ({
      from,
      to,
      isOver: held > ceilingBetween(ceilings, from, to + LATE_MS),
    })),
  );
}

/** Throws where more than `most` was held for longer than a session and the one in its place meet. */
export function checkHeld(
  list: readonly { readonly from: number; readonly to: number; readonly held: number }[],
  most: number,
): void {
  const excess = excessIn(list.map(({ from, to, held }) => ({ from, to, isOver: held > most })));
  const held = list.reduce((max, one) => Math.max(max, one.held), 0);
  const text = `up to ${held} of ${most} for ${excess.longestMs.toFixed(0)} ms`;
  assert.ok(excess.longestMs <= LASTING_MS, text);
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
  assert.ok(snapshots.blind <= MOST_BLIND, `nobody looked for ${snapshots.blind} of the time`);
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
