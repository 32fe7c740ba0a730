// The operator's process: wiring, signals, exit codes.
import { randomUUID } from 'node:crypto';
import { clientPort } from './engines/pgbouncer/client-port.ts';
import { console as pgbouncerConsole } from './engines/pgbouncer/console.ts';
import { pgbouncer } from './engines/pgbouncer/index.ts';
import { Client } from './kube/client.ts';
import { connectionSource, loadKubeConfig } from './kube/config.ts';
import type { ConnectionSource } from './kube/connections.ts';
import { EventRecorder } from './kube/events.ts';
import { Lease } from './kube/lease.ts';
import { Transport } from './kube/transport.ts';
import { createOperator } from './reconcile/operator.ts';
import { HttpServer } from './runtime/http.ts';
import { createLog } from './runtime/log.ts';
import { Manager } from './runtime/manager.ts';
import { Metrics } from './runtime/metrics.ts';
import { readSettings, type Settings } from './settings.ts';

process.exitCode = await main();

async function main(): Promise<number> {
  let settings: Settings;
  let connections: ConnectionSource;
  try {
    settings = readSettings(process.env);
    connections = connectionSource(loadKubeConfig(settings.kubeconfig));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  }
  return run(settings, connections);
}

async function run(settings: Settings, connections: ConnectionSource): Promise<number> {
  const log = createLog(settings.logLevel);
  const metrics = new Metrics();
  const transport = new Transport(connections, {
    maxInFlight: settings.maxRequests,
    onCall: (call) => metrics.observeCall(call),
  });
  const client = new Client(transport);
  const identity = `${settings.podName}-${randomUUID().slice(0, 8)}`;
  const events = new EventRecorder({
    client,
    component: 'spillway',
    instance: settings.podName,
    onDropped: (why, err) => log.debug({ why, err }, 'an event was not written'),
  });
  const operator = createOperator({
    client,
    engine: pgbouncer,
    console: pgbouncerConsole,
    clientPort,
    events,
    log,
    metrics,
    settings: {
      poolerImage: settings.poolerImage,
      clusterDomain: settings.clusterDomain,
      operatorNamespace: settings.namespace,
    },
    watchNamespaces: settings.watchNamespaces,
    workers: settings.workers,
    askSeconds: settings.askSeconds,
  });
  const lease = new Lease({
    client,
    namespace: settings.namespace,
    name: settings.leaseName,
    identity,
    onError: (err) => log.warn({ err }, 'the lease could not be read or written'),
    onHolder: (holder) => log.info({ holder }, 'the lease is held'),
  });
  const manager = new Manager({
    log,
    http: new HttpServer({ port: settings.httpPort, registry: metrics.registry }),
    sources: operator.sources,
    controllers: operator.controllers,
    ...(settings.leaderElection ? { leadership: lease } : {}),
    setLeader: (leading) => metrics.setLeader(leading),
    onClose: async () => {
      await events.close();
      await transport.close();
    },
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => manager.stop(signal));
  }
  return manager.run();
}
