// The operator's settings. This is the only place that reads the environment.
import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import { dnsSubdomain, imageReference } from './api/formats.ts';

const port = z.coerce.number().int().min(0).max(65535);
const count = (min: number, max: number) => z.coerce.number().int().min(min).max(max);

const schema = z.object({
  POD_NAME: z
    .string()
    .min(1)
    .default(`spillway-${randomUUID().slice(0, 8)}`),
  POD_NAMESPACE: z.string().min(1).max(63).default('spillway-system'),
  KUBECONFIG: z.string().min(1).optional(),
  SPILLWAY_POOLER_IMAGE: imageReference().default('localhost/spillway/pgbouncer:dev'),
  SPILLWAY_CLUSTER_DOMAIN: dnsSubdomain().default('cluster.local'),
  SPILLWAY_WATCH_NAMESPACES: z
    .string()
    .default('')
    .transform((list) =>
      list
        .split(',')
        .map((name) => name.trim())
        .filter((name) => name !== ''),
    ),
  SPILLWAY_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
  SPILLWAY_HTTP_PORT: port.default(8080),
  SPILLWAY_LEADER_ELECTION: z.enum(['true', 'false']).default('true'),
  SPILLWAY_LEASE_NAME: z.string().min(1).max(63).default('spillway'),
  SPILLWAY_WORKERS: count(1, 256).default(16),
  SPILLWAY_MAX_REQUESTS: count(1, 1024).default(32),
  SPILLWAY_ASK_SECONDS: count(1, 86_400).default(600),
});

export interface Settings {
  /** Name of this process: of its pod, or made up. */
  readonly podName: string;
  /** Namespace of the operator: its lease, and the budgets of endpoints. */
  readonly namespace: string;
  /** Absent: KUBECONFIG's default chain, in a pod its service account. */
  readonly kubeconfig?: string;
  readonly poolerImage: string;
  readonly clusterDomain: string;
  /** Empty: all namespaces. */
  readonly watchNamespaces: readonly string[];
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';
  readonly httpPort: number;
  readonly leaderElection: boolean;
  readonly leaseName: string;
  /** Reconciles of pools at the same time. */
  readonly workers: number;
  /** Requests to the API server in flight at most. */
  readonly maxRequests: number;
  /** A Postgres server is asked about itself so often, through its pools; seconds. */
  readonly askSeconds: number;
}

/** Throws an Error with one line for each variable that is wrong. An empty variable counts as not set. */
export function readSettings(environment: Readonly<Record<string, string | undefined>>): Settings {
  const set = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const parsed = schema.safeParse(set);
  if (!parsed.success) {
    const lines = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new Error(`the environment cannot be used:\n${lines.join('\n')}`);
  }
  const e = parsed.data;
  return {
    podName: e.POD_NAME,
    namespace: e.POD_NAMESPACE,
    ...(e.KUBECONFIG === undefined ? {} : { kubeconfig: e.KUBECONFIG }),
    poolerImage: e.SPILLWAY_POOLER_IMAGE,
    clusterDomain: e.SPILLWAY_CLUSTER_DOMAIN,
    watchNamespaces: e.SPILLWAY_WATCH_NAMESPACES,
    logLevel: e.SPILLWAY_LOG_LEVEL,
    httpPort: e.SPILLWAY_HTTP_PORT,
    leaderElection: e.SPILLWAY_LEADER_ELECTION === 'true',
    leaseName: e.SPILLWAY_LEASE_NAME,
    workers: e.SPILLWAY_WORKERS,
    maxRequests: e.SPILLWAY_MAX_REQUESTS,
    askSeconds: e.SPILLWAY_ASK_SECONDS,
  };
}
