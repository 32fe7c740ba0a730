// The objects of a pool: what they mean, and what holds for every view.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { makeGrant } from '../../../operator/core/ledger/grant.ts';
import { holderIdentity } from '../../../operator/core/pool/holder-config.ts';
import { SERVING_LABEL, selectorOf } from '../../../operator/core/pool/labels.ts';
import type { Manifest } from '../../../operator/core/pool/manifest.ts';
import { MAX_POOL_NAME } from '../../../operator/core/pool/names.ts';
import { readConsoleSecret } from '../../../operator/core/pool/objects/console-secret.ts';
import { type Rendered, type RenderedId, renderPool } from '../../../operator/core/pool/render.ts';
import type { PoolView } from '../../../operator/core/pool/view.ts';
import { pgbouncer } from '../../../operator/engines/pgbouncer/index.ts';
import { at } from '../../../operator/postgres/raw.ts';
import { CONSOLE_PASSWORD, MARK_SECRET, PASSWORD, type ViewOptions, view } from './fixture.ts';

function render(input: PoolView): readonly Rendered[] {
  const result = renderPool(input, pgbouncer);
  assert.ok(result.ok, result.ok ? '' : result.fault.message);
  return result.objects;
}

function one(id: RenderedId, options: ViewOptions = {}): Manifest {
  const found = render(view(options)).find((object) => object.id === id);
  assert.ok(found);
  return found.manifest;
}

function podSpec(options: ViewOptions = {}): unknown {
  return at(one('statefulSet', options), 'spec', 'template', 'spec');
}

function container(options: ViewOptions = {}): unknown {
  return (at(podSpec(options), 'containers') as unknown[])[0];
}

function decoded(secret: Manifest, key: string): string {
  return Buffer.from(String(at(secret, 'data', key)), 'base64').toString();
}

test('what a pod needs comes before it, and what may open connections is marked', () => {
  const objects = render(view());
  assert.equal(objects.at(-1)?.id, 'statefulSet');
  assert.deepEqual(
    objects.filter((object) => object.capacity).map((object) => object.id),
    ['configMap', 'statefulSet'],
  );
  const ids = objects.map((object) => object.id);
  assert.ok(ids.indexOf('configMap') < ids.indexOf('userListSecret'), 'caps before users');
});

test('every object belongs to the pool, so that its deletion takes all of them', () => {
  for (const { manifest } of render(view())) {
    assert.equal(manifest.metadata.namespace, 'shop');
    const [owner] = manifest.metadata.ownerReferences as { uid: string; controller: boolean }[];
    assert.equal(owner?.uid, view().identity.uid);
    assert.equal(owner?.controller, true);
  }
});

test('Services, disruption budget, policy and workload select the same pods, those of the template', () => {
  const selector = selectorOf(view().identity);
  // Clients alone are led away from a pod that is drained.
  const clients = { ...selector, [SERVING_LABEL]: 'true' };
  assert.deepEqual(at(one('service'), 'spec', 'selector'), clients);
  assert.deepEqual(at(one('statefulSet'), 'spec', 'selector', 'matchLabels'), selector);
  assert.deepEqual(at(one('headlessService'), 'spec', 'selector'), selector);
  assert.deepEqual(at(one('disruptionBudget'), 'spec', 'selector', 'matchLabels'), selector);
  assert.deepEqual(at(one('networkPolicy'), 'spec', 'podSelector', 'matchLabels'), selector);
  const labels = at(one('statefulSet'), 'spec', 'template', 'metadata', 'labels') as object;
  assert.deepEqual({ ...labels, ...clients }, labels);
  const other = view({ view: { identity: { ...view().identity, uid: 'another' } } });
  assert.notDeepEqual(selectorOf(other.identity), selector, 'a pool that is re-created is another');
});

test('labels of a user never replace those that the selector needs', () => {
  // The API refuses such labels; an older one may not have.
  const { spec } = view();
  const podLabels = { 'spillway.dev/pool-uid': 'mine', team: 'web' };
  const pooler = { ...spec.pooler, podLabels };
  const workload = one('statefulSet', { view: { spec: { ...spec, pooler } } });
  const labels = at(workload, 'spec', 'template', 'metadata', 'labels');
  assert.equal(at(labels, 'spillway.dev/pool-uid'), view().identity.uid);
  assert.equal(at(labels, 'team'), 'web');
});

test('the pods meet Pod Security "restricted"', () => {
  const pod = podSpec();
  assert.equal(at(pod, 'securityContext', 'runAsNonRoot'), true);
  assert.notEqual(at(pod, 'securityContext', 'runAsUser'), 0);
  assert.equal(at(pod, 'securityContext', 'seccompProfile', 'type'), 'RuntimeDefault');
  assert.equal(at(container(), 'securityContext', 'allowPrivilegeEscalation'), false);
  assert.deepEqual(at(container(), 'securityContext', 'capabilities'), { drop: ['ALL'] });
  assert.equal(at(container(), 'securityContext', 'readOnlyRootFilesystem'), true);
  assert.equal(at(pod, 'automountServiceAccountToken'), false);
  assert.equal(one('serviceAccount').automountServiceAccountToken, false);
});

test('the process is started with its own file, of its very pool, in the epoch of the template', () => {
  const { uid } = view().identity;
  const args = at(container({ view: { epoch: 7 } }), 'args');
  assert.deepEqual(args, [`/etc/spillway/config/$(POD_NAME)-0.${uid}.7.ini`]);
  assert.deepEqual(Object.keys(at(one('configMap', { view: { epoch: 7 } }), 'data') as object), [
    `shop-pooler-0-0.${uid}.7.ini`,
    `shop-pooler-1-0.${uid}.7.ini`,
  ]);
});

test('a pod that was started in an older epoch finds the same file under its own key', () => {
  const base = view({ view: { epoch: 7 } });
  const key = (epoch: number) => `shop-pooler-0-0.${base.identity.uid}.${epoch}.ini`;
  const holders = base.holders.map((holder) => ({ ...holder, olderEpochs: [3, 5] }));
  const data = at(one('configMap', { view: { epoch: 7, holders } }), 'data');
  const text = at(data, key(7));
  assert.equal(Object.keys(data as object).length, 6);
  assert.equal(at(data, key(3)), text);
  assert.equal(at(data, key(5)), text);
});

test('a file says what its grant says, and is read back as that', () => {
  const caps = [[{ name: 'shop', connections: 5 }], [{ name: 'shop', connections: 4 }]];
  const data = at(one('configMap', { caps }), 'data') as Record<string, string>;
  const total = Object.values(data).map((text) => {
    const read = pgbouncer.readHolderFile(text);
    assert.ok(!('error' in read));
    return read.connections;
  });
  assert.deepEqual(total, [5, 4]);
});

test('the peers are all pods that there are or that are asked for, each under its own id', () => {
  const spec = { pooler: { replicas: 3 } };
  const [text = ''] = Object.values(at(one('configMap', { spec }), 'data') as object) as string[];
  const peers = [...text.matchAll(/^([0-9]+) = host=(\S+)/gm)].map(([, id, host]) => [id, host]);
  assert.deepEqual(peers, [
    ['1', 'shop-pooler-0.shop-pooler.shop.svc.cluster.local'],
    ['2', 'shop-pooler-1.shop-pooler.shop.svc.cluster.local'],
    ['3', 'shop-pooler-2.shop-pooler.shop.svc.cluster.local'],
  ]);
});

/** Two pods with two processes, as the ledger has them in the end, or with the files of some only. */
function twoProcesses(places = ['0 0', '0 1', '1 0', '1 1'], processes = 2): ViewOptions {
  const holders = places.map((place) => {
    const [ordinal = 0, process = 0] = place.split(' ').map(Number);
    const grant = makeGrant([{ name: 'shop', connections: 2 }], 1);
    return { ...holderIdentity('shop', ordinal, process), grant, olderEpochs: [] };
  });
  return { spec: { pooler: { processes: 2 } }, view: { holders, processes, replicas: 2 } };
}

function fileIn(options: ViewOptions, holder: string): string {
  const found = Object.entries(at(one('configMap', options), 'data') as Record<string, string>);
  const [, text] = found.find(([key]) => key.startsWith(`${holder}.`)) ?? [];
  assert.ok(text !== undefined, holder);
  return text;
}

test('each process is a container with its own file, on one port that has its name once', () => {
  const { uid } = view().identity;
  const containers = at(podSpec(twoProcesses()), 'containers') as Record<string, unknown>[];
  assert.deepEqual(
    containers.map(({ name, args }) => [name, args]),
    [
      ['pgbouncer', [`/etc/spillway/config/$(POD_NAME)-0.${uid}.1.ini`]],
      ['pgbouncer-1', [`/etc/spillway/config/$(POD_NAME)-1.${uid}.1.ini`]],
    ],
  );
  assert.deepEqual(
    containers.map(({ ports }) => ports !== undefined),
    [true, false],
  );
  const [first = {}, second = {}] = containers;
  const same = ({ name: _n, args: _a, ports: _p, ...rest }: Record<string, unknown>) => rest;
  const probes = ['livenessProbe', 'readinessProbe', 'startupProbe'];
  const without = (c: Record<string, unknown>) =>
    Object.entries(same(c)).filter(([key]) => !probes.includes(key));
  assert.deepEqual(without(second), without(first));
  // The name of the port is the first container's.
  for (const probe of probes) assert.equal(at(second[probe], 'tcpSocket', 'port'), 5432);
});

test('siblings are peers by their sockets, processes of other pods by the name of the pod', () => {
  const text = fileIn(twoProcesses(), 'shop-pooler-1-0');
  const peers = [...text.matchAll(/^([0-9]+) = host=(\S+)/gm)].map(([, id, host]) => [id, host]);
  const other = 'shop-pooler-0.shop-pooler.shop.svc.cluster.local';
  const own = 'shop-pooler-1.shop-pooler.shop.svc.cluster.local';
  assert.deepEqual(peers, [
    ['1', other],
    ['2', own],
    ['101', other],
    ['102', '@spillway-1'],
  ]);
  assert.match(text, /^peer_id = 2$/m);
  assert.match(text, /^so_reuseport = 1$/m);
  assert.match(text, /^unix_socket_dir = @spillway-0$/m);
  assert.match(text, /^max_client_conn = 564$/m);
  assert.match(fileIn(twoProcesses(), 'shop-pooler-1-1'), /^unix_socket_dir = @spillway-1$/m);
});

test('a process shares its port as long as a sibling has a file, whatever the template says', () => {
  // On the way from two to one: the pod of ordinal 1 is replaced, that of 0 is not yet.
  const half = twoProcesses(['0 0', '0 1', '1 0'], 1);
  assert.match(fileIn(half, 'shop-pooler-0-0'), /^so_reuseport = 1$/m);
  assert.doesNotMatch(fileIn(half, 'shop-pooler-1-0'), /so_reuseport/);
  assert.match(fileIn(half, 'shop-pooler-1-0'), /^unix_socket_dir =$/m);
});

test('a user whom a pod does not bound cannot log in anywhere', () => {
  const users = [
    { name: 'batch', password: 'b' },
    { name: 'shop', password: PASSWORD },
  ];
  const capped = (...names: string[]) => names.map((name) => ({ name, connections: 2 }));
  const spec = { users: users.map(({ name }) => ({ name, secretRef: { name: 's' } })) };
  const list = (caps: NonNullable<ViewOptions['caps']>) =>
    decoded(one('userListSecret', { spec, caps, view: { users } }), 'userlist.txt');
  assert.match(list([capped('batch', 'shop'), capped('batch', 'shop')]), /^"batch"/m);
  assert.doesNotMatch(list([capped('batch', 'shop'), capped('shop')]), /^"batch"/m);
  assert.doesNotMatch(list([]), /^"(batch|shop)"/m);
});

test('where databases are listed, every user may log in', () => {
  const spec = { databases: [{ name: 'app' }] };
  const caps = [[{ name: 'app', connections: 4 }]];
  const secret = one('userListSecret', { spec, caps, view: { axis: 'database' as const } });
  assert.match(decoded(secret, 'userlist.txt'), /^"shop" "pass-word-of-shop"$/m);
});

test('a revoked user stays in the list with a secret that nobody has', () => {
  const secret = one('userListSecret', { view: { revoked: ['gone'] } });
  const [, word] = /^"gone" "(.+)"$/m.exec(decoded(secret, 'userlist.txt')) ?? [];
  assert.ok(word !== undefined && word.length >= 32);
});

test('the credentials of the console come back from their Secret', () => {
  const secret = one('consoleSecret');
  assert.deepEqual(readConsoleSecret(secret.data as Record<string, string>), view().console);
  assert.equal(readConsoleSecret({}), undefined);
  assert.equal(readConsoleSecret(undefined), undefined);
});

test('no secret value is in any object but the Secrets, and there only encoded', () => {
  const databases = [{ name: 'app' }, { name: 'stock', dbname: 'stock2' }];
  const caps = [databases.map(({ name }) => ({ name, connections: 2 }))];
  for (const input of [view(), view({ spec: { databases }, caps, view: { axis: 'database' } })]) {
    for (const { manifest } of render(input)) {
      const text = JSON.stringify(manifest);
      for (const word of [PASSWORD, CONSOLE_PASSWORD, MARK_SECRET]) {
        assert.ok(!text.includes(word), `${manifest.kind} ${manifest.metadata.name}`);
        if (manifest.kind !== 'Secret') {
          assert.ok(!text.includes(Buffer.from(word).toString('base64').slice(0, -2)));
        }
      }
    }
  }
});

test('certificates are mounted where the configuration looks for them', () => {
  const spec = {
    tls: {
      server: { mode: 'verify-full' as const, caRef: { name: 'ca', key: 'root.pem' } },
      client: { secretRef: { name: 'cert' } },
    },
  };
  const volumes = at(podSpec({ spec }), 'volumes') as { name: string; secret?: object }[];
  const mounts = at(container({ spec }), 'volumeMounts') as { name: string; mountPath: string }[];
  const [text = ''] = Object.values(at(one('configMap', { spec }), 'data') as object) as string[];
  for (const [, file = ''] of text.matchAll(/^\w+_tls_(?:ca|cert|key)_file = (.+)$/gm)) {
    const mount = mounts.find((mount) => file.startsWith(`${mount.mountPath}/`));
    const volume = volumes.find((volume) => volume.name === mount?.name);
    const items = at(volume, 'secret', 'items') as { path: string }[];
    const name = file.slice((mount?.mountPath.length ?? 0) + 1);
    assert.ok(
      items.some((item) => item.path === name),
      file,
    );
  }
  assert.match(text, /^server_tls_ca_file = /m);
  assert.match(text, /^client_tls_key_file = /m);
  assert.deepEqual(
    (at(podSpec(), 'volumes') as { name: string }[]).map((volume) => volume.name).sort(),
    ['config', 'users'],
    'nothing is mounted that nobody asked for',
  );
});

test('the way out leads to Postgres in its own namespace, or by port where no label tells it', () => {
  const rules = (options?: ViewOptions) =>
    at(one('networkPolicy', options), 'spec', 'egress') as { ports: object[]; to?: object[] }[];
  const elsewhere = {
    postgres: {
      clusterRef: { apiGroup: 'apps', kind: 'StatefulSet', name: 'db', namespace: 'data' },
    },
  };
  assert.deepEqual(rules({ spec: elsewhere })[1]?.to, [
    {
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'data' } },
      podSelector: { matchLabels: { app: 'shop-db' } },
    },
  ]);
  const { podSelector: _, ...outside } = view().server;
  const behind = { ...view().server, port: 5433, podPorts: [5432, 7433] };
  assert.deepEqual(
    rules({ view: { server: behind } })[1]?.ports,
    [5432, 7433].map((port) => ({ protocol: 'TCP', port })),
  );
  const rule = rules({ view: { server: { ...outside, port: 6432 } } })[1];
  assert.deepEqual(rule, { ports: [{ protocol: 'TCP', port: 6432 }] });
});

test('one replica can be drained: the disruption budget never asks for all to stay', () => {
  const spec = at(one('disruptionBudget', { spec: { pooler: { replicas: 1 } } }), 'spec');
  assert.equal(at(spec, 'maxUnavailable'), 1);
  assert.equal(at(spec, 'minAvailable'), undefined);
});

test('what a user passes on arrives in the pod', () => {
  const pooler = {
    image: 'my/pgbouncer:2',
    imagePullPolicy: 'Always' as const,
    imagePullSecrets: [{ name: 'pull' }],
    nodeSelector: { disk: 'ssd' },
    tolerations: [{ key: 'a', operator: 'Exists' }],
    affinity: { nodeAffinity: {} },
    priorityClassName: 'high',
    podAnnotations: { note: 'x' },
    resources: { limits: { cpu: '1' } },
    terminationGracePeriodSeconds: 60,
  };
  const pod = podSpec({ spec: { pooler } });
  assert.equal(at(container({ spec: { pooler } }), 'image'), 'my/pgbouncer:2');
  assert.equal(at(container({ spec: { pooler } }), 'imagePullPolicy'), 'Always');
  assert.deepEqual(at(container({ spec: { pooler } }), 'resources'), pooler.resources);
  for (const field of [
    'imagePullSecrets',
    'nodeSelector',
    'tolerations',
    'affinity',
    'priorityClassName',
    'terminationGracePeriodSeconds',
  ]) {
    assert.deepEqual(at(pod, field), at(pooler, field), field);
  }
  const plain = podSpec();
  assert.equal(at(plain, 'nodeSelector'), undefined, 'what is not said is not owned');
  assert.equal(at(container(), 'imagePullPolicy'), undefined);
});

test('what PgBouncer would refuse stops all objects, and the fault names the field', () => {
  const result = renderPool(
    view({ view: { users: [{ name: 'shop', password: 'a\nb' }] } }),
    pgbouncer,
  );
  assert.ok(!result.ok);
  assert.equal(result.fault.reason, 'ValueCannotBeWritten');
  assert.match(result.fault.message, /^users\[shop\]: /);
  assert.ok(!result.fault.message.includes('a\nb'));
});

test('a configuration that no ConfigMap could hold is refused', () => {
  const databases = Array.from({ length: 64 }, (_, i) => ({ name: `${'d'.repeat(60)}${i}` }));
  const caps = Array.from({ length: 100 }, () =>
    databases.map(({ name }) => ({ name, connections: 1 })),
  );
  const big = view({ spec: { databases }, caps, view: { axis: 'database' } });
  const result = renderPool(big, pgbouncer);
  assert.ok(!result.ok);
  assert.equal(result.fault.reason, 'ConfigTooLarge');
});

const names = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,8}$/), { minLength: 1, maxLength: 5 });
const labels = fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), fc.stringMatching(/^[a-z]{1,5}$/));

test('the same pool gives the same bytes, in whatever order lists and maps come', () => {
  fc.assert(
    fc.property(names, labels, fc.boolean(), (users, extra, byDatabase) => {
      const build = (list: readonly string[], map: Record<string, string>) =>
        render(
          view({
            spec: {
              users: list.map((name) => ({ name, secretRef: { name: 's' } })),
              databases: byDatabase ? list.map((name) => ({ name })) : [{ name: '*' }],
              pooler: { podLabels: map, podAnnotations: map, nodeSelector: map },
              parameters: Object.fromEntries(
                Object.entries({ query_timeout: '3', query_wait_timeout: '9' }).sort(() =>
                  list === users ? -1 : 1,
                ),
              ),
            },
            caps: [list.map((name) => ({ name, connections: 2 }))],
            view: {
              axis: byDatabase ? 'database' : 'user',
              users: list.map((name) => ({ name, password: name })),
            },
          }),
        );
      const turned = Object.fromEntries(Object.entries(extra).reverse());
      assert.equal(
        JSON.stringify(build(users, extra)),
        JSON.stringify(build([...users].reverse(), turned)),
      );
    }),
    { numRuns: 50 },
  );
});

test('no object has a null, an undefined or a NaN, which server-side apply would take as a claim', () => {
  const check = (value: unknown, path: string): void => {
    assert.ok(value !== null && value !== undefined && !Number.isNaN(value), path);
    if (typeof value === 'object') {
      for (const [key, inner] of Object.entries(value)) check(inner, `${path}.${key}`);
    }
  };
  for (const { id, manifest } of render(view({ name: 'p'.repeat(MAX_POOL_NAME) }))) {
    check(manifest, id);
  }
});

test('a hash changes with any part of the object, and with nothing else', () => {
  const hashes = (options: ViewOptions) => render(view(options)).map(({ hash }) => hash);
  assert.deepEqual(hashes({}), hashes({}));
  const changed = render(view({ view: { replicas: 1 } }))
    .filter(({ hash }, i) => hash !== hashes({})[i])
    .map(({ id }) => id);
  assert.deepEqual(changed, ['statefulSet']);
});

test('an autoscaler scales the pool and not the workload; without one it is unwanted', () => {
  const autoscaling = { minReplicas: 3, maxReplicas: 9, targetCPUUtilizationPercentage: 60 };
  const made = one('autoscaler', { spec: { pooler: { autoscaling } } });
  assert.deepEqual(at(made, 'spec', 'scaleTargetRef'), {
    apiVersion: 'spillway.dev/v1alpha1',
    kind: 'ConnectionPool',
    name: 'shop',
  });
  assert.equal(at(made, 'spec', 'minReplicas'), 3);
  assert.equal(at(made, 'spec', 'maxReplicas'), 9);
  assert.ok(JSON.stringify(at(made, 'spec', 'metrics')).includes('"averageUtilization":60'));
  assert.equal(at(made, 'spec', 'behavior', 'scaleDown', 'stabilizationWindowSeconds'), 300);

  const { name, namespace } = made.metadata;
  const without = renderPool(view(), pgbouncer);
  const withOne = renderPool(view({ spec: { pooler: { autoscaling } } }), pgbouncer);
  assert.ok(without.ok && withOne.ok);
  assert.deepEqual(without.unwanted, [{ id: 'autoscaler', kind: made.kind, namespace, name }]);
  assert.ok(without.objects.every((object) => object.manifest.kind !== made.kind));
  assert.deepEqual(withOne.unwanted, []);
});

test('no pod of a paused pool may be evicted', () => {
  assert.equal(at(one('disruptionBudget'), 'spec', 'maxUnavailable'), 1);
  const paused = one('disruptionBudget', { view: { paused: true } });
  assert.equal(at(paused, 'spec', 'maxUnavailable'), 0);
});
