// Which Postgres a pool or a budget is for: a reference to a cluster object, or a plain endpoint.
import * as z from 'zod';
import { adapters, knownKinds } from '../postgres/table.ts';
import { decimalQuantity, dnsLabel, dnsSubdomain } from './formats.ts';
import { described, fields, patterned, ruled } from './meta.ts';
import { cel, type Rule } from './rules.ts';

/** Kinds that Spillway can read; an unknown one is most often a misspelling. */
const kinds = adapters.map(({ apiGroup, kind }) => `${apiGroup}/${kind}`);

export const clusterRef = ruled(
  fields({
    apiGroup: described(
      patterned(
        253,
        /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/,
        'must be an API group without a version: "apps", "postgresql.cnpg.io"',
      ),
      'API group of the cluster object, without a version: "apps", "postgresql.cnpg.io".',
    ),
    kind: described(
      patterned(63, /^[A-Za-z]+$/, 'must be a kind, in CamelCase and singular: "StatefulSet"'),
      'Kind of the cluster object: "StatefulSet", "Cluster".',
    ),
    name: described(dnsSubdomain(), 'Name of the cluster object.'),
    namespace: described(
      dnsLabel().optional(),
      "Namespace of the cluster object, when it is not the pool's own. Its ConnectionBudget must let the pool's namespace attach.",
    ),
  }),
  {
    cel: `(self.apiGroup + '/' + self.kind) in ${cel(kinds)}`,
    holds: (ref) => kinds.includes(`${ref.apiGroup}/${ref.kind}`),
    message: `postgres.clusterRef: this apiGroup and kind is no Postgres cluster that Spillway knows: use ${knownKinds()}, or postgres.endpoint`,
  },
);
export type ClusterRef = z.infer<typeof clusterRef>;

const octet = '(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])';
const ipv4 = `(${octet}\\.){3}${octet}`;
const group = '[0-9A-Fa-f]{1,4}';
/** Every way to leave out the longest run of zeros, RFC 4291 section 2.2. */
const ipv6 = [
  `(${group}:){7}${group}`,
  `(${group}:){1,7}:`,
  ...[1, 2, 3, 4, 5, 6].map((n) => `(${group}:){1,${7 - n}}(:${group}){1,${n}}`),
  `:(:${group}){1,7}`,
].join('|');
const hostLabel = '[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?';
/** The last part of a name has a letter, or it would be a broken IPv4 address. */
const topLabel = '([0-9][-0-9]*)?[A-Za-z]([-A-Za-z0-9]*[A-Za-z0-9])?';
const host = new RegExp(`^((${hostLabel}\\.)*${topLabel}\\.?|${ipv4}|${ipv6})$`);

/** 127.0.0.0/8 and 0.0.0.0 as IPv4-mapped addresses (RFC 4291 section 2.5.5.2), in every spelling. */
const mapped =
  '0*(:0*)*:ffff:(7f[0-9a-f]{2}:[0-9a-f]{1,4}|0+:0+)|(0+:){5}ffff:(7f[0-9a-f]{2}::|0+::|:)';
/** Addresses that mean "this very pod" in the pooler's pod. */
const loopback = new RegExp(
  `^(localhost|.*\\.localhost|127\\..*|0\\.0\\.0\\.0|::|::1|0*(:0*)*:0*1?|${mapped})\\.?$`,
);

/** PostgreSQL's own defaults, where neither the owner nor the server itself says. */
export const DEFAULT_MAX_CONNECTIONS = 100;
export const DEFAULT_RESERVED = 3;

/** What the server is, which may change under its name (an instance that was made larger). */
const endpointFacts: Rule<{
  maxConnections?: number | undefined;
  reservedConnections?: number | undefined;
}> = {
  cel: `(has(self.reservedConnections) ? self.reservedConnections : ${DEFAULT_RESERVED}) < (has(self.maxConnections) ? self.maxConnections : 262143)`,
  holds: (e) => (e.reservedConnections ?? DEFAULT_RESERVED) < (e.maxConnections ?? 262143),
  message:
    'postgres.endpoint.reservedConnections must be less than maxConnections, or nothing is left for pools: lower it, or correct maxConnections',
  at: '.reservedConnections',
};

export const endpoint = ruled(
  fields({
    host: described(
      ruled(
        patterned(
          253,
          host,
          'must be one DNS name or IP address, without a port, a scheme or a path: the port goes into postgres.endpoint.port',
        ),
        {
          cel: `!self.lowerAscii().matches(${cel(loopback.source)})`,
          holds: (name) => !loopback.test(name.toLowerCase()),
          message:
            'must not be a loopback address, which in a pooler pod is the pod itself: name the server as the pods can reach it',
        },
      ),
      'DNS name or IP address of the server, as the pooler pods reach it.',
    ),
    port: described(z.int().min(1).max(65535).default(5432), 'TCP port of the server.'),
    cores: described(
      decimalQuantity(),
      'CPU cores of the server, as a quantity: 8, "8", "2500m". Sizes are computed from it.',
    ),
    maxConnections: described(
      z.int().min(1).max(262143).optional(),
      "The server's max_connections. Without it the server is asked, and until it has answered PostgreSQL's own default counts, 100.",
    ),
    reservedConnections: described(
      z.int().min(0).max(262143).optional(),
      "The server's superuser_reserved_connections + reserved_connections. Without it the server is asked; until then 3, PostgreSQL's own default.",
    ),
  }),
  endpointFacts,
);
export type Endpoint = z.infer<typeof endpoint>;

/** As far as a pool's and a budget's spec.postgres agree. */
interface Target {
  readonly clusterRef?: ClusterRef | undefined;
  readonly endpoint?: Endpoint | undefined;
}

export const clusterRefField = described(
  clusterRef.optional(),
  'The object that stands for the Postgres cluster; its cores, replicas and max_connections are read from it.',
);
export const endpointField = described(
  endpoint.optional(),
  'A server outside of Kubernetes, or one that no cluster object stands for: RDS, Cloud SQL, a VM.',
);

export const exactlyOneTarget: Rule<Target> = {
  cel: 'has(self.clusterRef) != has(self.endpoint)',
  holds: (self) => (self.clusterRef === undefined) !== (self.endpoint === undefined),
  message:
    'postgres must name exactly one of clusterRef (an object in the cluster) and endpoint (host, port and cores): set one of them and remove the other',
};

/**
 * The Postgres stays the same; what is known of an endpoint (cores, maxConnections) may change, because
 * servers are made larger under their names.
 */
export const sameTarget = (message: string): Rule<Target> => ({
  cel: [
    'has(self.clusterRef) == has(oldSelf.clusterRef)',
    'has(self.endpoint) == has(oldSelf.endpoint)',
    '(!has(self.clusterRef) || self.clusterRef == oldSelf.clusterRef)',
    '(!has(self.endpoint) || (self.endpoint.host == oldSelf.endpoint.host && self.endpoint.port == oldSelf.endpoint.port))',
  ].join(' && '),
  message,
});
