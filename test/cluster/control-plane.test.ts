// What a test may rely on when it starts a real API server.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { serviceAccount, startControlPlane } from './control-plane.ts';
import { bin } from './paths.ts';
import { attempt, until } from './run.ts';

const kubectl = (kubeconfig: string, ...args: string[]) =>
  attempt([`${bin}/kubectl`, `--kubeconfig=${kubeconfig}`, ...args]);

test('Two control planes at once know nothing of each other, and stop without a trace', async () => {
  const [one, other] = await Promise.all([startControlPlane(), startControlPlane()]);
  const pid = one.apiServerPid();
  try {
    assert.equal((await kubectl(one.kubeconfig, 'create', 'namespace', 'shop')).code, 0);
    assert.equal((await kubectl(one.kubeconfig, 'get', 'namespace', 'shop')).code, 0);
    const missing = await kubectl(other.kubeconfig, 'get', 'namespace', 'shop');
    assert.match(missing.stderr, /namespaces "shop" not found/);
  } finally {
    await Promise.all([one.stop(), other.stop()]);
  }
  assert.equal(existsSync(`/proc/${pid}`), false);
});

test('A service account has the rights of RBAC alone', async () => {
  const plane = await startControlPlane();
  try {
    const kubeconfig = await plane.kubeconfigFor(...serviceAccount('default', 'reader'));
    const refused = await kubectl(kubeconfig, 'get', 'secrets');
    assert.match(refused.stderr, /"system:serviceaccount:default:reader" cannot list resource/);
    const grant = ['create', 'rolebinding', 'reader', '--clusterrole=cluster-admin'];
    await kubectl(plane.kubeconfig, ...grant, '--serviceaccount=default:reader');
    await until('the grant holds', 10, async () => {
      return (await kubectl(kubeconfig, 'get', 'secrets')).code === 0;
    });
  } finally {
    await plane.stop();
  }
});

test('An API server that was gone comes back with what it had', async () => {
  const plane = await startControlPlane();
  try {
    await kubectl(plane.kubeconfig, 'create', 'namespace', 'shop');
    await plane.stopApiServer();
    assert.match((await kubectl(plane.kubeconfig, 'get', 'namespaces')).stderr, /refused/);
    await plane.startApiServer();
    assert.equal((await kubectl(plane.kubeconfig, 'get', 'namespace', 'shop')).code, 0);
  } finally {
    await plane.stop();
  }
});

test('With controllers, what is owned goes with its owner', async () => {
  const plane = await startControlPlane({ withControllers: true });
  try {
    await kubectl(plane.kubeconfig, 'create', 'configmap', 'owner');
    const { stdout: uid } = await kubectl(
      ...([plane.kubeconfig, 'get', 'configmap', 'owner', '-o=jsonpath={.metadata.uid}'] as const),
    );
    const owned = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: {
        name: 'owned',
        ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid }],
      },
    };
    const created = await attempt(
      [`${bin}/kubectl`, `--kubeconfig=${plane.kubeconfig}`, 'create', '-f', '-'],
      { input: JSON.stringify(owned) },
    );
    assert.equal(created.code, 0, created.stderr);
    await kubectl(plane.kubeconfig, 'delete', 'configmap', 'owner');
    await until('the owned object is gone', 60, async () => {
      return /not found/.test(
        (await kubectl(plane.kubeconfig, 'get', 'configmap', 'owned')).stderr,
      );
    });
  } finally {
    await plane.stop();
  }
});
