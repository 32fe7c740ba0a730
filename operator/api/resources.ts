// The two resources as whole objects, with the names that Kubernetes knows them by.
import type { ConnectionBudgetSpec, ConnectionBudgetStatus } from './connection-budget.ts';
import type { ConnectionPoolSpec, ConnectionPoolStatus } from './connection-pool.ts';

export const GROUP = 'spillway.dev';
export const VERSION = 'v1alpha1';
export const API_VERSION = `${GROUP}/${VERSION}`;
/** Field manager of every server-side apply, and the prefix of our labels. It must never change. */
export const FIELD_MANAGER = 'spillway';

export interface ObjectMeta {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly generation: number;
  /** RFC 3339; absent before an API server has it. */
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly finalizers?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface ConnectionPool {
  readonly metadata: ObjectMeta;
  readonly spec: ConnectionPoolSpec;
  readonly status: ConnectionPoolStatus;
}

export interface ConnectionBudget {
  readonly metadata: ObjectMeta;
  readonly spec: ConnectionBudgetSpec;
  readonly status: ConnectionBudgetStatus;
}
