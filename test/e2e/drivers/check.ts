// What must hold of the figures of a case, whatever the driver.
import assert from 'node:assert/strict';
import type { CaseResult, Result } from './measure.ts';

/** No transaction failed, and nobody was sent away who did not have to go. */
export function checkCase({ case: one, figures }: CaseResult): void {
  for (const kind of figures) {
    const text = `${one.name}, ${kind.kind}: ${JSON.stringify(kind)}`;
    assert.ok(kind.done > 0, text);
    assert.equal(kind.failed, 0, text);
    assert.equal(kind.unconnected, 0, text);
    // A connection that is closed and a request on it may cross, unless whoever comes after a silence asks first; and
    // pgbench is never silent.
    const mayCross = kind.way === 'trust' || kind.kind === 'pgbench hold';
    if (!one.podsGo || !mayCross) assert.equal(kind.refused, 0, text);
    if (!one.podsGo) assert.equal(kind.reopened, 0, text);
    if (one.password === undefined) assert.equal(kind.relogins, 0, text);
  }
}

/** What was confirmed is there, and nothing else: no transaction was lost after its COMMIT, and none ran twice. */
export function checkRows({ rows }: Result): void {
  for (const { kind, there, done } of rows) assert.equal(there, done, kind);
}
