// Credentials from a kubeconfig or from the pod's service account, read by the official client. Its
// config module alone is imported: its index would load every model of the API.
import type { RequestOptions } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import type { ConnectionSource, Credentials, TlsOptions } from './connections.ts';

/**
 * Loads `path`; without it the default chain of KubeConfig: KUBECONFIG, ~/.kube/config, the pod's
 * service account. `context` picks another than the current one. Throws an Error of one line.
 */
export function loadKubeConfig(path?: string, context?: string): KubeConfig {
  const config = new KubeConfig();
  try {
    if (path === undefined) config.loadFromDefault();
    else config.loadFromFile(path);
  } catch (error) {
    // The lines after the first show the file, and with it tokens and keys.
    const [reason = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    const what = path === undefined ? 'the kubeconfig' : `the kubeconfig ${path}`;
    throw new Error(`${what} cannot be used (${reason}): correct it, or the path in KUBECONFIG`);
  }
  if (context !== undefined) {
    if (config.getContextObject(context) === null) {
      throw new Error(
        `context ${context} is not in the kubeconfig; see kubectl config get-contexts`,
      );
    }
    config.setCurrentContext(context);
  }
  return config;
}

/** The namespace of the current context; in a pod, the pod's own. */
export function currentNamespace(config: KubeConfig): string {
  const context = config.getContextObject(config.getCurrentContext());
  return context?.namespace?.trim() || 'default';
}

/** Reads files and tokens anew on each call, as KubeConfig does. */
export function connectionSource(config: KubeConfig): ConnectionSource {
  return async () => {
    const cluster = config.getCurrentCluster();
    if (cluster === null) throw new Error('the kubeconfig has no current context with a cluster');
    const options: RequestOptions = {};
    await config.applyToHTTPSOptions(options);
    // Refuses what KubeConfig refuses, for example http without insecure-skip-tls-verify.
    const kind = config.createDispatcherOptions(cluster, {}).type;
    if (kind === 'socks') throw new Error('proxy-url: SOCKS is not supported; use an HTTP proxy');
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(options.headers ?? {})) {
      if (typeof value === 'string') headers[name.toLowerCase()] = value.trim();
    }
    if (typeof options.auth === 'string') {
      headers.authorization = `Basic ${Buffer.from(options.auth).toString('base64')}`;
    }
    const credentials: Credentials = {
      server: cluster.server,
      proxy: cluster.proxyUrl,
      tls: tlsOf(options),
      headers,
    };
    return credentials;
  };
}

function tlsOf(options: RequestOptions): TlsOptions {
  return {
    ca: text(options.ca),
    cert: text(options.cert),
    key: text(options.key),
    passphrase: options.passphrase,
    servername: options.servername,
    rejectUnauthorized: options.rejectUnauthorized,
  };
}

/** PEM as text, so that two readings can be compared. */
function text(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return Buffer.isBuffer(value) ? value.toString('utf8') : undefined;
}
