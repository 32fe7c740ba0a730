// The pools' own numbers on /metrics, made at each scrape from what was last seen. Labels are the pool's namespace and
// name and, in two of them, one of a few words: a pool has at most 26 series, however many pods, users and databases.
import type { ConnectionPoolStatus } from '../api/connection-pool.ts';
import type { Servers, Totals } from '../core/health/look.ts';
import { type Rates, ratesOf } from '../core/health/rates.ts';
import type { Metrics, Sample } from '../runtime/metrics.ts';
import { freshOf, type Health, type PoolRecord, type Seen } from './health.ts';
import { statusOf, type World } from './world.ts';

type Labels = 'namespace' | 'pool';

interface View {
  readonly labels: Readonly<Record<Labels, string>>;
  /** Processes that have answered lately. */
  readonly seen: readonly Seen[];
  /** Pods all of whose processes have. */
  readonly podsSeen: number;
  readonly counted: Totals;
  readonly status: ConnectionPoolStatus;
  readonly rates: Rates | undefined;
}

const gauges: readonly (readonly [string, string, (view: View) => number | undefined])[] = [
  [
    'max_wait_seconds',
    'How long the client has waited for a server connection that waits longest',
    (v) => Math.max(0, ...v.seen.map((s) => s.look.maxWaitSeconds)),
  ],
  [
    'pods_answering',
    'Pooler pods whose consoles, one of each process, have all answered in the last minute',
    (v) => v.podsSeen,
  ],
  [
    'share_connections',
    "The pool's part of the budget of its Postgres server",
    (v) => v.status.sizing?.share,
  ],
  [
    'allotted_connections',
    'Server connections that the pool may hold now',
    (v) => v.status.allotment?.connections,
  ],
  [
    'granted_connections',
    'Server connections that its pods may hold now',
    (v) => granted(v.status),
  ],
  [
    'max_client_connections',
    'Client connections that one pod accepts',
    (v) => v.status.sizing?.maxClientConn,
  ],
  [
    'busy_ratio',
    'Part of the granted connections that were in a transaction since the look before, 0 to 1; a transaction counts when it ends',
    (v) => v.rates?.busyRatio,
  ],
  [
    'wait_mean_seconds',
    'How long clients waited for a server connection on average since the look before',
    (v) => v.rates?.meanWaitSeconds,
  ],
  [
    'transaction_mean_seconds',
    'How long transactions took on average since the look before',
    (v) => v.rates?.meanTransactionSeconds,
  ],
];

const counters: readonly (readonly [string, string, keyof Totals])[] = [
  ['transactions_total', 'Transactions that have ended', 'transactions'],
  ['queries_total', 'Queries that have ended', 'queries'],
  ['assignments_total', 'Times that a client got a server connection', 'assignments'],
  [
    'transaction_seconds_total',
    'Time that server connections spent in transactions; its rate is how many are busy',
    'transactionSeconds',
  ],
  ['wait_seconds_total', 'Time that clients waited for a server connection', 'waitSeconds'],
];

const states: readonly (keyof Servers)[] = [
  'active',
  'idle',
  'used',
  'tested',
  'login',
  'cancelled',
];

/** One scrape takes less than that; milliseconds. */
const SCRAPE_MS = 200;

/** Conditions worth an alert. */
const conditions = ['Ready', 'WithinBudget', 'Saturated', 'Starving'] as const;

/** `now` in milliseconds since 1970. */
export function registerPoolMetrics(
  metrics: Metrics,
  world: Pick<World, 'pools'>,
  health: Health,
  now: () => number,
): void {
  let last = { at: Number.NEGATIVE_INFINITY, views: [] as View[] };
  // Every metric of a scrape asks.
  const views = () => {
    const at = now();
    if (at < last.at || at - last.at > SCRAPE_MS) {
      const all = [...health.records].flatMap(([key, one]) => viewOf(key, one, world, at / 1000));
      last = { at, views: all };
    }
    return last.views;
  };
  const labelNames = ['namespace', 'pool'] as const;
  for (const [name, help, value] of gauges) {
    metrics.collected('gauge', { name: `spillway_pool_${name}`, help, labelNames }, () =>
      views().flatMap((view): Sample<Labels>[] => {
        const sample = value(view);
        return sample === undefined ? [] : [{ labels: view.labels, value: sample }];
      }),
    );
  }
  for (const [name, help, field] of counters) {
    metrics.collected('counter', { name: `spillway_pool_${name}`, help, labelNames }, () =>
      views().map(({ labels, counted }) => ({ labels, value: counted[field] })),
    );
  }
  const byState = [...labelNames, 'state'] as const;
  metrics.collected(
    'gauge',
    {
      name: 'spillway_pool_clients',
      help: 'Client connections: active (with a server connection, or idle) and waiting for one',
      labelNames: byState,
    },
    () =>
      views().flatMap(({ labels, seen }) => [
        { labels: { ...labels, state: 'active' }, value: sum(seen, (s) => s.look.clientsActive) },
        { labels: { ...labels, state: 'waiting' }, value: sum(seen, (s) => s.look.clientsWaiting) },
      ]),
  );
  metrics.collected(
    'gauge',
    {
      name: 'spillway_pool_server_connections',
      help: 'Server connections by what they do',
      labelNames: byState,
    },
    () =>
      views().flatMap(({ labels, seen }) =>
        states.map((state) => ({
          labels: { ...labels, state },
          value: sum(seen, (s) => s.look.servers[state]),
        })),
      ),
  );
  metrics.collected(
    'gauge',
    {
      name: 'spillway_pool_condition',
      help: '1 while the condition of the pool is True, else 0',
      labelNames: [...labelNames, 'condition'] as const,
    },
    () =>
      views().flatMap(({ labels, status }) =>
        conditions.flatMap((condition) => {
          const found = status.conditions?.find(({ type }) => type === condition);
          return found === undefined
            ? []
            : [{ labels: { ...labels, condition }, value: found.status === 'True' ? 1 : 0 }];
        }),
      ),
  );
}

function viewOf(key: string, record: PoolRecord, world: Pick<World, 'pools'>, now: number): View[] {
  const object = world.pools.getKey(key);
  if (object === undefined) return [];
  const status = statusOf(object);
  const seen = freshOf(record, now);
  const intervals = seen.flatMap(({ interval }) => (interval === undefined ? [] : [interval]));
  return [
    {
      labels: { namespace: object.metadata.namespace ?? '', pool: object.metadata.name },
      seen,
      podsSeen: podsSeen(record, seen),
      counted: record.counted,
      status,
      rates: ratesOf(intervals, inReach(status)),
    },
  ];
}

function podsSeen({ processes }: PoolRecord, seen: readonly Seen[]): number {
  const fresh = new Set(seen);
  const podOf = (id: string) => id.split('/')[0];
  const pods = new Set([...processes.keys()].map(podOf));
  for (const [id, one] of processes) if (!fresh.has(one)) pods.delete(podOf(id));
  return pods.size;
}

function granted({ grants = [] }: ConnectionPoolStatus): number {
  return grants.reduce((total, grant) => total + grant.connections, 0);
}

/** Of a grant that is for more pods than run, what those that run can open. */
function inReach({ grants = [], replicas = 0 }: ConnectionPoolStatus): number {
  return grants.reduce((total, { connections, pods }) => {
    const part = pods === undefined || pods === 0 ? 1 : Math.min(1, replicas / pods);
    return total + connections * part;
  }, 0);
}

function sum(seen: readonly Seen[], of: (seen: Seen) => number): number {
  return seen.reduce((total, one) => total + of(one), 0);
}
