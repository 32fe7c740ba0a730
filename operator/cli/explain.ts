// `spillway explain`: where each number of a pool comes from, how its server is shared, and what its applications set.

import { libraries } from '../core/clients/libraries/index.ts';
import { advice, applicationSettings } from '../core/clients/settings.ts';
import type { PlannedPool } from '../core/plan.ts';
import { clientHost } from '../core/pool/names.ts';
import { podSizes } from '../core/sizing/size-server.ts';
import type { ExplainArguments } from './arguments.ts';
import { formatFault, oneLine } from './documents.ts';
import { type Explained, formatExplained, type Share } from './explanation.ts';
import type { Gathered } from './gather.ts';
import { type PlanResult, planGathered, postgresName, readFiles } from './plan.ts';

export async function explain(options: ExplainArguments): Promise<PlanResult> {
  const { name, pool, files } = options;
  if (name !== undefined) {
    // The client of the API is loaded only here, because it takes longer than all the rest.
    const { gatherLive } = await import('./live.ts');
    const live = await gatherLive(options, name);
    return 'fault' in live
      ? { output: '', faults: [oneLine(live.fault)] }
      : explained(live.gathered, options, live.key);
  }
  const { gathered, wrong } = await readFiles({ files, namespace: options.namespace ?? 'default' });
  if (wrong.length > 0) return { output: '', faults: wrong.map(formatFault) };
  return explained(gathered, options, pool);
}

/** `only` is `namespace/name` of the pool that is meant; without it, all of them. */
function explained(
  gathered: Gathered,
  options: ExplainArguments,
  only: string | undefined,
): PlanResult {
  const planned = planGathered(gathered, options);
  const meant = planned.filter(({ pool }) => only === undefined || only === keyOf(pool));
  if (meant.length === 0) {
    const there = planned.map(({ pool }) => keyOf(pool)).join(', ');
    return {
      output: '',
      faults: [oneLine(`there is no ConnectionPool ${only} (there are ${there})`)],
    };
  }
  const pools: Explained[] = [];
  const faults: string[] = [];
  for (const one of meant) {
    const answer = explainedPool(one, planned, options);
    if ('fault' in answer) faults.push(answer.fault);
    else pools.push(answer.explained);
  }
  return { output: pools.length === 0 ? '' : formatExplained(pools, options.output), faults };
}

function explainedPool(
  { pool, budget, sizing, clients, server, faults }: PlannedPool,
  planned: readonly PlannedPool[],
  { clusterDomain }: ExplainArguments,
): { explained: Explained } | { fault: string } {
  const { metadata, spec } = pool;
  if (sizing === undefined || server === undefined) {
    return { fault: oneLine(`${keyOf(pool)}: ${faults[0]?.message ?? 'it cannot be planned'}`) };
  }
  // By whatever names they reach it.
  const beside = planned.filter((other) => other.server === server && other.sizing !== undefined);
  const host = clientHost(metadata.name, metadata.namespace, clusterDomain);
  const settings = applicationSettings(
    spec,
    { host, port: spec.pooler.service.port },
    sizing.share ?? 0,
    clients?.clients,
  );
  return {
    explained: {
      namespace: metadata.namespace,
      name: metadata.name,
      postgres: postgresName(pool),
      mode: spec.mode,
      budget,
      server: spec.postgres.role,
      sizing,
      ...(clients?.clients === undefined ? {} : { clients: clients.clients }),
      notes: faults.map(({ reason, message }) => `${reason}: ${message}`),
      shares: beside.map(({ pool: other }): Share => {
        const share = server.shares.get(other.metadata.uid)?.connections ?? 0;
        const { weight, min, max } = other.spec.sizing;
        return {
          namespace: other.metadata.namespace,
          name: other.metadata.name,
          mode: other.spec.mode,
          weight,
          ...(min === undefined ? {} : { min }),
          ...(max === undefined ? {} : { max }),
          share,
          perPod: podSizes(share, other.spec, entriesOf(other.spec)),
        };
      }),
      advice: settings.slice(0, 1).flatMap(advice),
      applications: settings.map((one) => ({
        settings: one,
        libraries: libraries.map((library) => ({
          name: library.name,
          file: library.file,
          text: library.render(one),
        })),
      })),
    },
  };
}

/** What each pod divides its connections over. */
function entriesOf({ databases, users }: PlannedPool['pool']['spec']): number {
  return databases.some((d) => d.name === '*') ? (users?.length ?? 1) : databases.length;
}

function keyOf({ metadata }: PlannedPool['pool']): string {
  return `${metadata.namespace}/${metadata.name}`;
}
