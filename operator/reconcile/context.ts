// What every reconcile works with.
import type { RenderSettings } from '../core/pool/view.ts';
import type { Engine } from '../engines/engine.ts';
import type { Client } from '../kube/client.ts';
import type { EventRecorder } from '../kube/events.ts';
import type { FindContext, Lookup } from '../postgres/find.ts';
import type { Consoles } from './consoles.ts';
import type { Drains } from './drains.ts';
import type { Proofs } from './gone.ts';
import type { Health } from './health.ts';
import type { Hosts } from './hosts.ts';
import type { Inquiries } from './inquiries.ts';
import type { Passwords } from './passwords.ts';
import type { Waiting } from './patience.ts';
import type { Renewals } from './renewals.ts';
import type { Servers } from './servers.ts';
import type { Workloads } from './workloads.ts';
import type { World } from './world.ts';
import type { Writer } from './writer.ts';

export interface Context {
  readonly world: World;
  readonly client: Client;
  readonly writer: Writer;
  readonly engine: Engine;
  readonly consoles: Consoles;
  readonly drains: Drains;
  readonly passwords: Passwords;
  readonly hosts: Hosts;
  readonly inquiries: Inquiries;
  readonly workloads: Workloads;
  readonly servers: Servers;
  readonly renewals: Renewals;
  readonly proofs: Proofs;
  readonly waiting: Waiting;
  readonly health: Health;
  readonly events: EventRecorder;
  readonly settings: RenderSettings;
  /** Pools that were seen and have no row in their budget yet: since when, in milliseconds of this process. */
  readonly newcomers: Map<string, number>;
  /** The present time, RFC 3339 in seconds. */
  readonly now: () => string;
}

/** Finds Postgres objects in the stores. */
export function lookupIn(world: World): Lookup {
  return (ref) => world.postgres.get(ref);
}

/** What finding a Postgres needs besides. */
export function findContext({ world, settings }: Pick<Context, 'world' | 'settings'>): FindContext {
  const { clusterDomain } = settings;
  return { clusterDomain, kindFault: (kind) => world.postgres.faultOf(kind) };
}
