// Brief answers against a real API server: it must begin them as kube/brief.ts reads them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Client } from '../../operator/kube/client.ts';
import { connectionSource, loadKubeConfig } from '../../operator/kube/config.ts';
import { isAlreadyExists, isConflict } from '../../operator/kube/errors.ts';
import { Transport } from '../../operator/kube/transport.ts';
import { configMaps, type KubeObject, statefulSets } from '../../operator/kube/types.ts';
import { type ControlPlane, startControlPlane } from '../cluster/control-plane.ts';

let plane: ControlPlane;
let transport: Transport;
let client: Client;

before(async () => {
  plane = await startControlPlane();
  transport = new Transport(connectionSource(loadKubeConfig(plane.kubeconfig)));
  client = new Client(transport);
});
after(async () => {
  await transport?.close();
  await plane?.stop();
});

test('a brief answer to a create and to an update says what a read says', async () => {
  const labels = { app: 'a' };
  const sent: KubeObject = {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { namespace: 'default', name: 'brief', labels },
    spec: {
      serviceName: 'brief',
      replicas: 0,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'a', image: 'a' }] } },
    },
  };
  const made = await client.create(statefulSets, sent, { brief: true });
  const read = async () => {
    const object = await client.get(statefulSets, sent.metadata);
    const { uid, resourceVersion, generation, creationTimestamp } = object?.metadata ?? {};
    return { uid, resourceVersion, generation, creationTimestamp };
  };
  assert.deepEqual(made, { ...sent, metadata: { ...sent.metadata, ...(await read()) } });
  const more = { ...made, spec: { ...(made.spec as object), replicas: 1 } };
  const updated = await client.update(statefulSets, more, { brief: true });
  assert.equal(updated.metadata.generation, 2);
  assert.deepEqual(updated.metadata, { ...sent.metadata, ...(await read()) });
});

test('a refusal of a brief write says why', async () => {
  const object = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { namespace: 'default', name: 'refused' },
  };
  const made = await client.create(configMaps, object, { brief: true });
  await assert.rejects(client.create(configMaps, object, { brief: true }), isAlreadyExists);
  await client.update(configMaps, { ...made, data: { a: '1' } }, { brief: true });
  const stale = client.update(configMaps, { ...made, data: { a: '2' } }, { brief: true });
  await assert.rejects(stale, isConflict);
});
