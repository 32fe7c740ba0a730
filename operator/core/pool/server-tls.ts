// TLS between the poolers and Postgres: what the spec says, else the most that the cluster's own CA allows.
import type { ConnectionPoolSpec } from '../../api/connection-pool.ts';
import type { ServerTls as EngineTls } from '../../engines/engine.ts';
import type { ServerFacts } from '../../postgres/adapter.ts';

export interface ServerTlsChoice {
  readonly mode: EngineTls['mode'];
  /** Secret of the pool's namespace with the CA certificate. */
  readonly ca?: { readonly name: string; readonly key: string };
  /** The CA is the cluster's own, not one that the spec names. */
  readonly found: boolean;
  /** For status: `TLS verify-full, with the CA in Secret db-ca`. */
  readonly why: string;
}

/**
 * A mode that is written wins. A CA in another namespace cannot be mounted, and is not copied either: then the
 * connection is encrypted and not checked, and status says so.
 */
export function serverTlsOf(
  spec: ConnectionPoolSpec,
  namespace: string,
  { tls, encrypts }: ServerFacts,
): ServerTlsChoice {
  const { mode, caRef } = spec.tls.server;
  if (mode !== undefined) {
    const why = `TLS ${mode}, as spec.tls.server says`;
    return { mode, ...(caRef === undefined ? {} : { ca: caRef }), found: false, why };
  }
  if (tls === undefined && encrypts === true) {
    const why = 'TLS require without a check, as the server has TLS and no CA is known';
    return { mode: 'require', found: false, why };
  }
  if (tls === undefined) {
    return { mode: 'prefer', found: false, why: 'TLS prefer, as no CA is known' };
  }
  if (tls.namespace !== namespace) {
    return {
      mode: 'require',
      found: false,
      why: `TLS require without a check, as the CA is in Secret ${tls.namespace}/${tls.caSecret} and pods can mount Secrets of their own namespace only (copy the CA here, and name it in spec.tls.server)`,
    };
  }
  const checked = tls.namesHost ? 'verify-full' : 'verify-ca';
  return {
    mode: checked,
    ca: { name: tls.caSecret, key: tls.caKey },
    found: true,
    why: `TLS ${checked}, with the CA in Secret ${tls.caSecret}`,
  };
}
