// Clients that want more than there is: pgbench in a loop for as long as a pool exists, and at rest one client more
// than it may have for each pod, user and database, each of which holds what it gets.
import { randomUUID } from 'node:crypto';
import { POOL_LABEL } from '../../../operator/core/pool/labels.ts';
import { pods as podType } from '../../../operator/kube/types.ts';
import { connectionPools, statusOf } from '../../../operator/reconcile/world.ts';
import { apply, execIn } from '../../cluster/e2e.ts';
import { postgresImage } from '../../cluster/image-names.ts';
import { until } from '../../cluster/run.ts';
import { client } from '../client.ts';
import { appPassword, pg, type Scene } from '../scene.ts';

export interface Doors {
  readonly users: readonly string[];
  readonly databases: readonly string[];
}

const square = 'square';

/**
 * A pod for clients. Beside Postgres they could not be killed: it is the first process of its pod, inherits them, and
 * takes the end of any child by a signal for a crash of its own.
 */
export async function makeSquare(scene: Scene): Promise<void> {
  const { namespace } = scene;
  const securityContext = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };
  const command = ['sh', '-c', 'while :; do sleep 3600 & wait; done'];
  await apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: square, namespace },
    spec: {
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 0,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 999,
        seccompProfile: { type: 'RuntimeDefault' },
      },
      containers: [{ name: 'clients', image: postgresImage, command, securityContext }],
    },
  });
  await until('clients can come', 60, async () => (await inSquare(scene, 'echo yes')) !== '', 250);
}

function inSquare(scene: Scene, shell: string): Promise<string> {
  const environment = ['env', `PGPASSWORD=${appPassword}`];
  return execIn(scene.namespace, square, [...environment, 'sh', '-c', shell]);
}

/** Transactions of 5 to 150 ms; whoever fails, or has worked for some seconds, comes again. */
const script = '\\\\set ms random(5, 150)\\nBEGIN;\\nSELECT pg_sleep(:ms / 1000.0);\\nCOMMIT;\\n';

/** pgbench through a pool's Service as each of the users to each of the databases, until it is stopped. */
export class Crowd {
  readonly #scene: Scene;
  readonly #file = `/tmp/crowd-${randomUUID().slice(0, 8)}`;
  readonly #ended: Promise<unknown>;

  constructor(scene: Scene, pool: string, doors: Doors) {
    this.#scene = scene;
    const loops = doors.users.flatMap((user, i) =>
      doors.databases.map((database, j) => {
        // Some hold their connection for seconds, others come and go.
        const habit = (i + j) % 2 === 0 ? '--time=7' : '--connect --rate=8 --time=7';
        // Who is killed in the middle of a query leaves a session behind.
        return `while [ -e ${this.#file} ]; do timeout --signal=KILL 12 pgbench --no-vacuum --file=${this.#file} --host=${pool} --username=${user} --client=5 ${habit} ${database}; sleep 0.2; done >/dev/null 2>&1 &`;
      }),
    );
    const shell = [`printf '${script}' > ${this.#file}`, ...loops, 'wait'].join('\n');
    this.#ended = inSquare(scene, shell);
    this.#ended.catch(() => undefined);
    scene.onRemove(() => this.stop());
  }

  /** Returns when the last of it has gone. */
  async stop(): Promise<void> {
    await inSquare(this.#scene, `rm -f ${this.#file}`);
    await this.#ended;
  }
}

/** With so many times the clients that can be served at once, each of two processes gets enough of them. */
const LOTS = 4;

/** Longer than PgBouncer refuses others after a login that has failed: the server_login_retry of a pool; milliseconds. */
const AGAIN_MS = 1500;

/** Clients that stay in a transaction until they are told to leave. */
export class Demand {
  readonly #clients = new Set<pg.Client>();
  #left = false;

  /**
   * For each pod of the pool, user and database one more than the pod may open altogether; several times as many where
   * it has several processes, to which the kernel gives them by lot.
   */
  async want(scene: Scene, pool: string, doors: Doors): Promise<void> {
    const { namespace } = scene;
    const object = await client.get(connectionPools, { namespace, name: pool });
    const { grants = [] } = object === undefined ? {} : statusOf(object);
    const labelSelector = `${POOL_LABEL}=${pool}`;
    const { items } = await client.list(podType, { namespace, labelSelector });
    for (const { metadata, status } of items) {
      const { podIP: host } = (status ?? {}) as { podIP?: string };
      const own = grants.filter(({ holder }) => holder.startsWith(`${metadata.name}-`));
      if (host === undefined || own.length === 0) continue;
      const granted = own.reduce((sum, { connections }) => sum + connections, 0);
      const clients = (granted + 1) * (own.length === 1 ? 1 : LOTS);
      for (const user of doors.users)
        for (const database of doors.databases)
          for (let i = 0; i < clients; i++) this.#come(host, user, database);
    }
  }

  #come(host: string, user: string, database: string): void {
    if (this.#left) return;
    const one = new pg.Client({ host, user, database, password: appPassword });
    one.on('error', () => undefined);
    this.#clients.add(one);
    // Some wait for as long as the others stay: that is what they are for. Whoever is refused comes again, as clients
    // do: a login that a RECONNECT has ended is an error for those who wait for it.
    one
      .connect()
      .then(() => one.query('BEGIN'))
      .catch((error: Error) => {
        if (this.#left) return;
        console.log(`a client of ${user} in ${database} comes again: ${error.message}`);
        this.#clients.delete(one);
        setTimeout(() => this.#come(host, user, database), AGAIN_MS).unref();
      });
  }

  leave(): void {
    // Not `end`, which would wait for the answer that those who wait do not get.
    this.#left = true;
    for (const one of this.#clients)
      (
        one as unknown as { connection: { stream: { destroy(): void } } }
      ).connection.stream.destroy();
  }
}
