// Where things are inside a pooler pod: ports, mounts and file names that several renderers must agree on.

/** Inside the pod; the client Service may offer another one. */
export const LISTEN_PORT = 5432;
export const PORT_NAME = 'postgres';
const CONTAINER_NAME = 'pgbouncer';

/** Of a process of the pod; the first one's is the pod's default. */
export function containerName(process = 0): string {
  return process === 0 ? CONTAINER_NAME : `${CONTAINER_NAME}-${process}`;
}

/**
 * How long a pod that somebody deletes keeps its listener and its console before PgBouncer is told to stop. Endpoint
 * controllers and kube-proxy take a second or two to lead new clients elsewhere; in the ten seconds after that the
 * operator closes idle clients; the rest is a margin, because an open console would hold up the end. Not longer: a
 * preStop once begun is served to its end even by a pod without clients (Kubernetes 1.34 does not shorten it), so each
 * node drain takes that long. Seconds; part of the grace period, which is at least 30.
 */
export const PRE_STOP_SECONDS = 15;

export const CONFIG_DIRECTORY = '/etc/spillway/config';

/** A Secret's or ConfigMap's folder, never a single file of it: only folders are refreshed live. */
const USERS_DIRECTORY = '/etc/spillway/users';
export const USER_LIST_KEY = 'userlist.txt';
export const USER_LIST_FILE = `${USERS_DIRECTORY}/${USER_LIST_KEY}`;

const SERVER_TLS_DIRECTORY = '/etc/spillway/server-tls';
export const SERVER_CA_KEY = 'ca.crt';
export const SERVER_CA_FILE = `${SERVER_TLS_DIRECTORY}/${SERVER_CA_KEY}`;

const CLIENT_TLS_DIRECTORY = '/etc/spillway/client-tls';
export const CLIENT_CERT_FILE = `${CLIENT_TLS_DIRECTORY}/tls.crt`;
export const CLIENT_KEY_FILE = `${CLIENT_TLS_DIRECTORY}/tls.key`;

export const directories = {
  config: CONFIG_DIRECTORY,
  users: USERS_DIRECTORY,
  serverTls: SERVER_TLS_DIRECTORY,
  clientTls: CLIENT_TLS_DIRECTORY,
} as const;
