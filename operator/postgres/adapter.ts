// What Spillway needs to know of a Postgres cluster, and what an adapter for one kind of cluster is.
// An adapter is pure: it reads raw objects that somebody else has fetched.

/** A number and where it was found, for status and `explain`: `{value: 8, source: "limits.cpu of StatefulSet shop/db"}`. */
export interface Sourced<T> {
  readonly value: T;
  readonly source: string;
  /** Nobody says so: it is a default that somebody may have changed. Then the server's own answer counts. */
  readonly assumed?: true;
}

/** The facts of one role (primary or replicas) of a Postgres cluster. */
export interface ServerFacts {
  /** DNS name that the poolers connect to; a comma-separated list for several hosts. */
  readonly host: string;
  /** TCP port. */
  readonly port: number;
  /** Ports of the Postgres pods behind a Service, where they are not `port`: network policies count those. */
  readonly podPorts?: readonly number[];
  /** Cores of one instance in thousandths (2500 = 2.5 cores); absent when nothing says. */
  readonly milliCores?: Sourced<number>;
  /** Why nothing says how many cores there are, as half a sentence for people: "no pod of it runs on a node yet". */
  readonly coresUnknown?: string;
  /** Postgres instances of the cluster, the primary included. */
  readonly instances: number;
  /** Read replicas. */
  readonly replicas: number;
  readonly maxConnections: Sourced<number>;
  /** superuser_reserved_connections + reserved_connections. */
  readonly reservedConnections: Sourced<number>;
  /** Labels of the Postgres pods, for the poolers' egress rule; absent for a server outside of the cluster. */
  readonly podSelector?: Readonly<Record<string, string>>;
  /** Present when the server has TLS with a certificate that a CA in a Secret vouches for. */
  readonly tls?: ServerTls;
  /** The server has TLS for sure, also where nobody is known to vouch for its certificate. */
  readonly encrypts?: true;
  /** The owner's application users, without superusers; absent or empty when the object names none. */
  readonly users?: readonly ApplicationUser[];
  /** Name of the pod that is the primary, where the object or its pods say. */
  readonly primary?: string;
  /** Of pg_control_system(), where the object says; replicas and clones share it. */
  readonly systemIdentifier?: string;
  /** The facts hold, but the server cannot do the pool's work now: it is stopped, or read-only. */
  readonly warning?: Fault;
}

export interface ServerTls {
  readonly namespace: string;
  /** Secret with the CA certificate, and its key. */
  readonly caSecret: string;
  readonly caKey: string;
  /** The server's certificate carries `host`, so that the name can be checked too. */
  readonly namesHost: boolean;
}

/** A role that applications log in as, and the Secret in which its owner keeps the password. */
export interface ApplicationUser {
  readonly name: string;
  readonly namespace: string;
  readonly secret: string;
  readonly key: string;
}

/** A fault that keeps a pool from its Postgres: a condition's reason (CamelCase) and a message with the fix. */
export interface Fault {
  readonly reason: string;
  readonly message: string;
}

export type Found =
  | { readonly ok: true; readonly facts: ServerFacts }
  | { readonly ok: false; readonly fault: Fault };

export interface PostgresRef {
  readonly apiGroup: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/** Where a raw object is looked up: the store of a watch, or files. */
export type Lookup = (ref: PostgresRef) => RawObject | undefined;

/** The pods of a Postgres cluster, as far as they are known: of kinds whose adapter has `pods`. */
export type PodLookup = (cluster: PostgresRef) => readonly RawObject[];

export interface AdapterContext {
  /** DNS domain of the Kubernetes cluster, usually "cluster.local". */
  readonly clusterDomain: string;
  /** Finds the objects that a cluster refers to, of the kinds in `related`. */
  readonly lookup: Lookup;
  /** Absent where no pod is known, and then nothing is read from any. */
  readonly pods?: PodLookup;
}

export type Role = 'primary' | 'replicas';

/** A kind of object that is watched. */
export interface ObjectKind {
  readonly apiGroup: string;
  readonly kind: string;
  /** Served version that is watched. */
  readonly version: string;
  readonly plural: string;
  /**
   * Everything that an adapter reads of it, as paths of keys, besides name, namespace and uid: the rest is not kept.
   * Absent: it is kept whole, because others read it too.
   */
  readonly reads?: readonly (readonly string[])[];
}

/** How the pods of a kind of Postgres cluster are known. */
export interface PodKind {
  /** Selects them in a watch, as the API server takes it; a few others may come with them. */
  readonly selector: string;
  /** Labels that `clusterOf` reads. */
  readonly labels: readonly string[];
  /** The label in which Patroni says what a pod is. */
  readonly roleLabel?: string;
  /** Name of the pod's cluster, in the pod's namespace; undefined for a pod of none. */
  clusterOf(pod: RawObject): string | undefined;
}

/** One kind of Postgres cluster. */
export interface PostgresAdapter extends ObjectKind {
  /** Further kinds that the facts are read from, always in the cluster's own namespace. */
  readonly related?: readonly ObjectKind[];
  /** Absent for a kind whose facts are never read from its pods. */
  readonly pods?: PodKind;
  /** Reads the facts for a role out of the raw object; total: a malformed object is a fault, never a throw. */
  facts(object: RawObject, role: Role, context: AdapterContext): Found;
}

/** A Kubernetes object as it came over the wire. */
export interface RawObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: {
    readonly name?: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly generation?: number;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly creationTimestamp?: string;
    readonly deletionTimestamp?: string;
    readonly deletionGracePeriodSeconds?: number;
    readonly ownerReferences?: readonly {
      readonly kind?: unknown;
      readonly name?: unknown;
      readonly controller?: unknown;
    }[];
  };
  readonly [key: string]: unknown;
}
