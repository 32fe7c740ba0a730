// The plan of one pool: what it takes of its row, what its holders get, and the objects that say so.

import type { AllotmentRecord } from '../api/connection-budget.ts';
import type { ConnectionPool } from '../api/resources.ts';
import { isShared } from '../api/workload.ts';
import type { CapAxis, Engine } from '../engines/engine.ts';
import type { Fault, RawObject, ServerFacts } from '../postgres/adapter.ts';
import { mayRollWith, planBoundedLedger } from './ledger/bounded.ts';
import { type Grant, renewed } from './ledger/grant.ts';
import type { HolderPlan } from './ledger/holders.ts';
import { olderEpochs, type PoolLedgerPlan, planPoolLedger } from './ledger/pool.ts';
import { holderConfig, holderIdentity, sharedIdentity } from './pool/holder-config.ts';
import { holderName, ordinalOf, podName, sharedHolder } from './pool/names.ts';
import {
  epochOfPod,
  fileTexts,
  type PoolObjects,
  processesOfPod,
  readFileEpoch,
  readHolders,
  readWorkload,
} from './pool/read.ts';
import { readRollout, readShared } from './pool/read-shared.ts';
import type {
  ConsoleCredential,
  HolderView,
  PoolView,
  RenderSettings,
  UserCredential,
} from './pool/view.ts';
import { entrySizes } from './sizing/entries.ts';
import { processesOf } from './sizing/size-server.ts';

/** The axis of a pool and its entries, sorted; or why no axis bounds it. */
export type AxisOf =
  | { readonly ok: true; readonly axis: CapAxis; readonly entries: readonly string[] }
  | { readonly ok: false; readonly fault: Fault };

export function axisOf(pool: ConnectionPool['spec'], engine: Engine): AxisOf {
  const users = (pool.users ?? []).map((u) => ({ name: u.name }));
  const any = pool.databases.some((d) => d.name === '*');
  const databases = any ? ('any' as const) : pool.databases.map((d) => ({ name: d.name }));
  const exact = engine.capsAreExact(databases, users);
  if ('refusal' in exact) {
    return { ok: false, fault: { reason: exact.refusal.reason, message: exact.refusal.message } };
  }
  const names = exact.axis === 'user' ? users : pool.databases;
  return { ok: true, axis: exact.axis, entries: names.map((n) => n.name).sort() };
}

/** On which axis PgBouncer counts, whoever the users are. */
export function axisNameOf({ databases }: ConnectionPool['spec']): CapAxis {
  return databases.some((d) => d.name === '*') ? 'user' : 'database';
}

export interface PoolInput {
  readonly pool: ConnectionPool;
  readonly row: AllotmentRecord | undefined;
  readonly objects: PoolObjects;
  /** Files, workload and pods in `objects` are as the API server has them; see `PoolState.live`. */
  readonly live: boolean;
  readonly axis: CapAxis;
  readonly entries: readonly string[];
  readonly mayRaise: boolean;
  readonly inParts: boolean;
  /** Pods that there are to be for now, see `podsMeanwhile`. */
  readonly pods: number;
}

/** The ledger's half of the plan: numbers only. */
export function planPool(input: PoolInput, engine: Engine): PoolLedgerPlan {
  const { pool, row, objects, entries, pods, mayRaise, inParts } = input;
  const { status, metadata } = pool;
  if (isShared(pool.spec)) {
    const wanted = pods;
    const reading = readShared(objects, input.axis, engine, input.live);
    const { grant: _, ...there } = reading;
    return planBoundedLedger({
      ...there,
      taken: status.allotment,
      grants: status.grants ?? [],
      row,
      wanted,
      entries,
      sizes: entrySizes(pool.spec),
      name: sharedHolder(metadata.name),
      mayRaise,
    });
  }
  const workload = readWorkload(objects.statefulSet);
  return planPoolLedger({
    taken: status.allotment,
    grants: status.grants ?? [],
    row,
    pods,
    processes: processesOf(pool.spec),
    entries,
    sizes: entrySizes(pool.spec),
    reading: {
      holders: readHolders(objects, input.axis, engine),
      ...(workload === undefined ? {} : { workload }),
      fileEpoch: readFileEpoch(objects),
      live: input.live,
    },
    nameOf: (ordinal, process) => holderName(podName(metadata.name, ordinal), process),
    mayRaise,
    inParts,
  });
}

export interface ViewInput {
  readonly pool: ConnectionPool;
  readonly ledger: HolderPlan;
  readonly objects: PoolObjects;
  readonly axis: CapAxis;
  readonly entries: readonly string[];
  readonly server: ServerFacts;
  readonly settings: RenderSettings;
  readonly users: readonly UserCredential[];
  /** Users that processes remember and that are not to log in any more. */
  readonly revoked: readonly string[];
  /** See `PoolView.userList`. */
  readonly userList?: NonNullable<PoolView['userList']>;
  /** See `PoolView.leaving`; `entries` and `users` have them too. */
  readonly leaving?: PoolView['leaving'];
  readonly console: ConsoleCredential;
  /** Client connections that each pod accepts. */
  readonly maxClientConn: number;
  /** See `HolderConfig.sharers`. */
  readonly sharers?: number | undefined;
  /** Pods that are to go stay until they were drained, also where the budget has nothing for them any more. */
  readonly keepReplicas?: number;
  /** See `PoolView.caVersion`. */
  readonly caVersion?: string | undefined;
}

/**
 * The renderers' input. A file that must change in something else than its caps gets the next generation, so that a
 * process can prove that it has read it.
 */
export function viewOf(input: ViewInput, engine: Engine): PoolView {
  const { pool, ledger, objects } = input;
  const { namespace, name, uid } = pool.metadata;
  const workload = readWorkload(objects.statefulSet);
  const shared = isShared(pool.spec);
  const podsOf = (ordinal: number) =>
    shared
      ? []
      : objects.pods.filter((pod) => ordinalOf(name, pod.metadata?.name ?? '') === ordinal);
  const live = readRollout(objects.deployment);
  const draft: PoolView = {
    identity: { namespace, name, uid },
    spec: pool.spec,
    settings: input.settings,
    server: input.server,
    axis: input.axis,
    entries: input.entries,
    maxClientConn: input.maxClientConn,
    ...(input.sharers === undefined ? {} : { sharers: input.sharers }),
    holders: ledger.files.map(({ ordinal, process, grant }) => ({
      ...(shared ? sharedIdentity(name) : holderIdentity(name, ordinal, process)),
      grant,
      // Each pod reads its own file key. Those of all pods for each holder would not fit in the middle of a roll.
      olderEpochs: shared
        ? []
        : olderEpochs(ledger.epoch, workload, podsOf(ordinal).map(epochOfPod)),
      ...inPodOf(podsOf(ordinal)),
    })),
    replicas: Math.max(ledger.replicas, input.keepReplicas ?? 0),
    processes: ledger.processes,
    epoch: ledger.epoch,
    ...(shared
      ? { rollout: { ...(live === undefined ? {} : { live }), mayRoll: mayRollWith(ledger) } }
      : {}),
    ...(input.caVersion === undefined ? {} : { caVersion: input.caVersion }),
    users: input.users,
    revoked: input.revoked,
    ...(input.userList === undefined ? {} : { userList: input.userList }),
    ...(input.leaving === undefined ? {} : { leaving: input.leaving }),
    console: input.console,
  };
  const texts = fileTexts(objects);
  const holders = draft.holders.map((holder): HolderView => {
    const written = [...(texts.get(holder.name)?.values() ?? [])];
    return { ...holder, grant: withRoom(draft, holder, written, engine) };
  });
  return { ...draft, holders };
}

/** A pod that ends and its successor have one name; the one with fewer processes must take all of its clients. */
function inPodOf(pods: readonly RawObject[]): { readonly inPod?: number } {
  return pods.length === 0 ? {} : { inPod: Math.min(...pods.map(processesOfPod)) };
}

/** The grant, renewed until its generation is not that of another text. */
function withRoom(
  view: PoolView,
  holder: HolderView,
  written: readonly string[],
  engine: Engine,
): Grant {
  let { grant } = holder;
  if (written.length === 0) return grant;
  for (let tries = 0; tries <= written.length; tries++) {
    const text = engine.renderHolderFile(holderConfig(view, { ...holder, grant }));
    const generation = engine.markOf(text)?.generation ?? 0;
    const taken = written.some((other) => {
      const mark = engine.markOf(other);
      return mark !== undefined && other !== text && mark.generation >= generation;
    });
    if (!taken) return grant;
    const newest = Math.max(...written.map((other) => engine.markOf(other)?.generation ?? 0));
    while (grant.generation <= newest) grant = renewed(grant);
  }
  return grant;
}
