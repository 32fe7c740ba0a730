// How far the pods of a pool are: who follows its file, who is being emptied, who does not answer.
import { leftInWords } from '../core/drain/left.ts';
import { drainingSince } from '../core/drain/read-pod.ts';
import type { PoolLedgerPlan } from '../core/ledger/pool.ts';
import { fileGeneration, type HolderState, isConfirmed } from '../core/ledger/state.ts';
import type { TooOldPod } from '../core/pool/findings.ts';
import { type PoolObjects, processKey, recordsOf } from '../core/pool/read.ts';
import type { RawObject } from '../postgres/adapter.ts';
import type { PodConsole } from './consoles.ts';
import type { Context } from './context.ts';

/** Pods that are emptied, with what is left of their clients. */
export function drainingNow({ drains }: Context, pods: readonly RawObject[]): string[] {
  return pods
    .filter((pod) => drainingSince(pod) !== undefined)
    .map((pod) => {
      return `${pod.metadata?.name} (${leftInWords(drains.clientsOf(pod))})`;
    })
    .sort();
}

/** Pods whose processes do not do what they are told, each with why. */
export function silentPods(context: Consoles, pods: readonly RawObject[]): string[] {
  return said(context, pods, ({ failure }) => failure && `: ${failure}`);
}

/** Pods that hold more than their files allow, each with who has it. */
export function heldPods(context: Consoles, pods: readonly RawObject[]): string[] {
  return said(context, pods, ({ held }) => held && ` ${held}`);
}

type Consoles = { readonly consoles: Pick<Context['consoles'], 'records'> };

/** By name, so that the order of a store changes no status. */
function said(
  { consoles }: Consoles,
  pods: readonly RawObject[],
  what: (record: PodConsole) => string | undefined,
): string[] {
  return pods
    .filter(({ metadata }) => metadata?.deletionTimestamp === undefined)
    .flatMap((pod) => {
      const records = recordsOf(consoles.records, pod);
      return records.flatMap((record, process) => {
        const words = record === undefined ? undefined : what(record);
        const which = records.length === 1 ? '' : ` process ${process}`;
        return words === undefined ? [] : [`${pod.metadata?.name}${which}${words}`];
      });
    })
    .sort();
}

/** Pods that stay and a process of which is older than what Spillway relies on, with its version. */
export function tooOldPods(
  { consoles, engine }: Pick<Context, 'engine'> & Consoles,
  pods: readonly RawObject[],
): TooOldPod[] {
  return pods
    .filter((pod) => pod.metadata?.deletionTimestamp === undefined)
    .filter((pod) => drainingSince(pod) === undefined)
    .flatMap((pod) => {
      const { name = '' } = pod.metadata ?? {};
      const version = recordsOf(consoles.records, pod)
        .map((record) => record?.observation?.version ?? '')
        .find((one) => engine.tooOld(one));
      return version === undefined ? [] : [{ name, version, oldest: engine.oldestVersion }];
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Pods whose processes all run with their file, which has used all that they were given, and with the list of users. */
export function confirmedOf(
  { consoles }: Context,
  objects: PoolObjects | undefined,
  holders: readonly HolderState[],
  ledger: PoolLedgerPlan | undefined,
): number {
  const given = new Map((ledger?.grants ?? []).map((g) => [g.holder, g.generation]));
  const isDone = (holder: HolderState) => {
    const record = consoles.records.get(processKey(holder.pod?.uid ?? '', holder.process));
    const mark = objects?.userList?.mark;
    return (
      isConfirmed(holder) &&
      fileGeneration(holder) >= (given.get(holder.name) ?? 0) &&
      record?.follows === true &&
      (mark === undefined || record.observation?.userMarks.includes(mark) === true)
    );
  };
  const there = holders.filter(({ pod }) => pod !== undefined);
  // Not by ordinal, which pods of a Deployment do not have.
  const pods = new Set(there.map(({ pod }) => pod?.uid));
  for (const holder of there) if (!isDone(holder)) pods.delete(holder.pod?.uid);
  return pods.size;
}
