// What `spillway explain NAME` reads of a cluster: the pool, those that share its Postgres, the Postgres itself and
// the workloads. It asks for no Secret.

import type { ConnectionBudgetStatus } from '../api/connection-budget.ts';
import { API_VERSION } from '../api/resources.ts';
import { budgetName, type PostgresTarget } from '../core/budget-name.ts';
import { type ClientKind, kindsOf } from '../core/clients/count.ts';
import { drawnServers } from '../core/identity/server-id.ts';
import { Client } from '../kube/client.ts';
import { connectionSource, currentNamespace, loadKubeConfig } from '../kube/config.ts';
import { ApiError, isForbidden } from '../kube/errors.ts';
import { Transport } from '../kube/transport.ts';
import {
  type KubeObject,
  keyOf,
  nodes as nodeType,
  pods as podType,
  type ResourceType,
} from '../kube/types.ts';
import type { ObjectKind } from '../postgres/adapter.ts';
import { postgresRef } from '../postgres/find.ts';
import { nodeOf } from '../postgres/pods.ts';
import { adapterFor, podsIn } from '../postgres/table.ts';
import { clientTypes } from '../reconcile/workloads.ts';
import { connectionBudgets, connectionPools } from '../reconcile/world.ts';
import type { ExplainArguments } from './arguments.ts';
import type { Document } from './documents.ts';
import { type Gathered, gather } from './gather.ts';

export type Live =
  | { readonly gathered: Gathered; readonly key: string }
  /** One line, with what to do. */
  | { readonly fault: string };

export async function gatherLive(options: ExplainArguments, name: string): Promise<Live> {
  let transport: Transport | undefined;
  try {
    const config = loadKubeConfig(options.kubeconfig, options.context);
    const namespace = options.namespace ?? currentNamespace(config);
    transport = new Transport(connectionSource(config));
    return await read(new Client(transport, 'spillway-cli'), options, namespace, name);
  } catch (error) {
    return { fault: `the cluster cannot be asked: ${reasonOf(error)}` };
  } finally {
    await transport?.close();
  }
}

async function read(
  client: Client,
  { operatorNamespace }: ExplainArguments,
  namespace: string,
  name: string,
): Promise<Live> {
  const list: List = async (type, where, labelSelector) => {
    const { items } = await client.list(type, {
      ...(where === undefined ? {} : { namespace: where }),
      ...(labelSelector === undefined ? {} : { labelSelector }),
    });
    return items.map((item) => ({ ...item, apiVersion: versionOf(type), kind: type.kind }));
  };
  // Pools of all namespaces may share the server; who may not see them sees his own.
  const pools = await list(connectionPools).catch((error: unknown) => {
    if (!isForbidden(error)) throw error;
    return list(connectionPools, namespace);
  });
  const pool = pools.find((p) => p.metadata.namespace === namespace && p.metadata.name === name);
  if (pool === undefined) {
    return {
      fault: `there is no ConnectionPool ${namespace}/${name}: correct the name, or give its namespace with -n`,
    };
  }
  const targetOf = (object: KubeObject) =>
    budgetName(targetIn(object), object.metadata.namespace ?? '', operatorNamespace);
  const own = keyOf(targetOf(pool));
  // Who may not see the budgets of all namespaces sees this one.
  const budgets = await list(connectionBudgets).catch(async (error: unknown) => {
    if (!isForbidden(error)) throw error;
    const one = await client.get(connectionBudgets, targetOf(pool)).catch(nothingIfForbidden);
    return one === undefined
      ? []
      : [{ ...one, kind: connectionBudgets.kind, apiVersion: API_VERSION }];
  });
  const names = namesOf(own, budgets);
  const sharing = pools.filter((other) => names.has(keyOf(targetOf(other))));
  const clusters = new Map(
    [...sharing, ...budgets.filter(({ metadata }) => names.has(keyOf(metadata)))].map((one) => [
      JSON.stringify(postgresRef(targetIn(one), one.metadata.namespace ?? '')),
      one,
    ]),
  );
  const found: KubeObject[] = [];
  for (const one of clusters.values()) found.push(...(await postgresObjects(one, client, list)));
  found.push(...(await workloadsOf(pool, list)));
  const objects = [
    ...sharing,
    ...budgets.filter(({ metadata }) => names.has(keyOf(metadata))),
    // A StatefulSet may be a Postgres and a workload.
    ...new Map(found.map((one) => [`${one.kind} ${keyOf(one.metadata)}`, one])).values(),
  ];
  return { gathered: gather(objects.map(documentOf), namespace), key: `${namespace}/${name}` };
}

function targetIn(object: KubeObject): PostgresTarget {
  return (object.spec as { postgres: PostgresTarget }).postgres;
}

/** Budgets of the server of one of them, by whatever names, as `namespace/name`; itself included. */
function namesOf(own: string, budgets: readonly KubeObject[]): ReadonlySet<string> {
  const above = (budget: KubeObject) =>
    drawnServers(budget.status as ConnectionBudgetStatus | undefined).map((server) =>
      server.slice(0, server.lastIndexOf('/')),
    );
  const names = new Set([own]);
  for (let before = 0; before < names.size; ) {
    before = names.size;
    for (const budget of budgets) {
      const key = keyOf(budget.metadata);
      const related = above(budget);
      if (names.has(key)) for (const one of related) names.add(one);
      else if (related.some((one) => names.has(one))) names.add(key);
    }
  }
  return names;
}

function nothingIfForbidden(error: unknown): undefined {
  if (!isForbidden(error)) throw error;
  return undefined;
}

type List = (
  type: ResourceType,
  namespace?: string,
  labelSelector?: string,
) => Promise<readonly KubeObject[]>;

/** The object of the cluster, those of its namespace that the adapter reads besides, its pods and their nodes. */
async function postgresObjects(
  pool: KubeObject,
  client: Client,
  list: List,
): Promise<readonly KubeObject[]> {
  const { postgres } = pool.spec as { postgres: Parameters<typeof postgresRef>[0] };
  const ref = postgresRef(postgres, pool.metadata.namespace ?? '');
  const adapter = ref === undefined ? undefined : adapterFor(ref.apiGroup, ref.kind);
  if (ref === undefined || adapter === undefined) return [];
  const kinds: readonly ObjectKind[] = [adapter, ...(adapter.related ?? [])];
  const found = await Promise.all(kinds.map((kind) => list(typeOf(kind), ref.namespace)));
  if (adapter.pods === undefined) return found.flat();
  const all = await ifAllowed(list(podType, ref.namespace, adapter.pods.selector));
  const pods = podsIn(all ?? [], ref) as readonly KubeObject[];
  const names = [...new Set(pods.map(nodeOf))].filter((node) => node !== undefined);
  const nodes = await Promise.all(
    names.map((node) => ifAllowed(client.get(nodeType, { name: node }))),
  );
  return [...found.flat(), ...pods, ...nodes.filter((node) => node !== undefined)];
}

/** Undefined for what is read besides, and is for others to see. */
function ifAllowed<T>(asked: Promise<T>): Promise<T | undefined> {
  return asked.catch((error: unknown) => {
    if (!isForbidden(error)) throw error;
    return undefined;
  });
}

async function workloadsOf(pool: KubeObject, list: List): Promise<readonly KubeObject[]> {
  const { clients } = pool.spec as { clients?: { workloads?: Parameters<typeof kindsOf>[0] } };
  const kinds: readonly ClientKind[] = kindsOf(clients?.workloads ?? []);
  const found = await Promise.all(
    kinds.map((kind) => list(clientTypes[kind], pool.metadata.namespace)),
  );
  return found.flat();
}

function typeOf({ apiGroup, kind, version, plural }: ObjectKind): ResourceType {
  return { group: apiGroup, version, plural, kind, namespaced: true };
}

function versionOf({ group, version }: ResourceType): string {
  return group === '' ? version : `${group}/${version}`;
}

/** As if it stood in a file of its own. A status of ours, of whatever version, says nothing that is computed here. */
function documentOf(object: KubeObject): Document {
  const { status, ...rest } = object;
  const { namespace, name } = object.metadata;
  // What servers said, and which of them are one, is for the controller to find out.
  const { observed, servers } = (status ?? {}) as ConnectionBudgetStatus;
  const ours =
    object.kind === connectionBudgets.kind ? { ...rest, status: { observed, servers } } : rest;
  return {
    file: `${object.kind} ${namespace}/${name}`,
    number: 1,
    value: object.apiVersion === API_VERSION ? ours : object,
    root: [],
    lineOf: () => 1,
  };
}

function reasonOf(error: unknown): string {
  if (error instanceof ApiError) return error.message;
  return error instanceof Error ? error.message : String(error);
}
