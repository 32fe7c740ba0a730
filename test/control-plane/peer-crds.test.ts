// The real definitions of the kinds that adapters read, in a real API server: it takes the real samples and our own
// objects with every field checked, and what it gives back says the same as what was sent.
//
// The definitions are their projects' and are not kept here: SPILLWAY_PEER_CRDS names the folder that has them, as YAML,
// and samples of their objects in the folder `samples` in it.
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { loadAll } from 'js-yaml';
import { Client } from '../../operator/kube/client.ts';
import { connectionSource, loadKubeConfig } from '../../operator/kube/config.ts';
import { ApiError } from '../../operator/kube/errors.ts';
import { Transport } from '../../operator/kube/transport.ts';
import {
  customResourceDefinitions,
  type KubeObject,
  namespaces,
  pathOf,
  type ResourceType,
} from '../../operator/kube/types.ts';
import type { Found, ObjectKind, RawObject, Role } from '../../operator/postgres/adapter.ts';
import { keepRead } from '../../operator/postgres/keep.ts';
import { adapterFor, readKinds } from '../../operator/postgres/table.ts';
import { type ControlPlane, startControlPlane } from '../cluster/control-plane.ts';
import { repository } from '../cluster/paths.ts';
import { until } from '../cluster/run.ts';
import { change, find } from '../postgres/help.ts';
import { samples } from '../postgres/objects.ts';

const beside = join(repository, '..', 'shared', 'peer-crds');
const folder = process.env.SPILLWAY_PEER_CRDS ?? (existsSync(beside) ? beside : undefined);
const skip =
  folder === undefined
    ? 'no real definitions: SPILLWAY_PEER_CRDS names no folder with them'
    : false;
const roles: readonly Role[] = ['primary', 'replicas'];

let plane: ControlPlane | undefined;
let transport: Transport | undefined;
let client: Client;
before(async () => {
  if (folder === undefined) return;
  plane = await startControlPlane();
  transport = new Transport(connectionSource(loadKubeConfig(plane.kubeconfig)));
  client = new Client(transport, 'tester');
  await makeNamespace('data');
});
after(async () => {
  await transport?.close();
  await plane?.stop();
});

async function makeNamespace(name: string): Promise<void> {
  await client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
}

function read(pattern: string): KubeObject[] {
  const files = globSync(join(folder ?? '', pattern)).sort();
  return files.flatMap((file) => loadAll(readFileSync(file, 'utf8')) as KubeObject[]);
}

/** Without the words for people, which are more than half of it: etcd takes 1.5 MiB. */
function undescribed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(undescribed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      // A field of an object may have that name too: then it is a schema.
      .filter(([name, inner]) => name !== 'description' || typeof inner !== 'string')
      .map(([name, inner]) => [name, undescribed(inner)]),
  );
}

function typeOf({ apiVersion = '', kind = '' }: RawObject): ResourceType {
  const [group = '', version = ''] = apiVersion.split('/');
  const known = readKinds().find((one) => one.apiGroup === group && one.kind === kind);
  assert.ok(known !== undefined, `${kind} of ${group} is a kind that is read`);
  return { group, version, plural: known.plural, kind, namespaced: true };
}

/** As an adapter asks for it: in the version that it knows. */
function typeRead({ apiGroup, kind, version, plural }: ObjectKind): ResourceType {
  return { group: apiGroup, version, plural, kind, namespaced: true };
}

/** With every field checked: one that the definition does not have is an error, and not left out in silence. */
async function send(
  method: 'POST' | 'PUT',
  type: ResourceType,
  object: RawObject,
  subresource?: string,
): Promise<KubeObject> {
  assert.ok(transport !== undefined);
  const { name, namespace } = object.metadata ?? {};
  const path = pathOf(type, namespace, method === 'POST' ? undefined : name, subresource);
  return (await transport.send({
    method,
    path: `${path}?fieldValidation=Strict`,
    resource: type.plural,
    body: JSON.stringify(object),
    contentType: 'application/json',
  })) as KubeObject;
}

/** Whether the type has a status that is written apart. */
const withStatus = new Set<string>();

/** Made, with its status, and read back as adapters read it. Undefined: it lacks what the server insists on. */
async function throughServer(object: RawObject): Promise<RawObject | undefined> {
  const type = typeOf(object);
  let live: KubeObject;
  try {
    live = await send('POST', type, object);
  } catch (error) {
    if (error instanceof ApiError && /: Required value/.test(error.message)) return undefined;
    throw error;
  }
  if (object.status !== undefined && withStatus.has(type.plural)) {
    await send('PUT', type, { ...live, status: object.status }, 'status');
  }
  const kind = readKinds().find((one) => one.plural === type.plural && one.apiGroup === type.group);
  assert.ok(kind !== undefined);
  return await client.get(typeRead(kind), {
    namespace: live.metadata.namespace,
    name: live.metadata.name,
  });
}

async function remove({ metadata, ...object }: RawObject): Promise<void> {
  const { namespace, name = '' } = metadata ?? {};
  const type = typeOf(object);
  await client.delete(type, { namespace, name });
  assert.equal(await client.get(type, { namespace, name }), undefined, 'nothing holds it');
}

/** What the API server adds to an object that does not say it, of all that adapters read. */
function completed(object: RawObject): RawObject {
  const { kind, spec } = object as { kind?: string; spec?: { postgres?: { ssl?: unknown } } };
  if (kind !== 'SGCluster') return object;
  const ssl = { enabled: true, ...(spec?.postgres?.ssl as object | undefined) };
  return change(object, ['spec', 'postgres', 'ssl'], ssl);
}

function factsOf(object: RawObject, role: Role, related: readonly RawObject[]): Found {
  const { apiVersion = '', kind = '' } = object;
  const adapter = adapterFor(apiVersion.split('/')[0] ?? '', kind);
  assert.ok(adapter !== undefined, kind);
  const found = find(adapter, object, role, related);
  // As the operator's store keeps it.
  assert.deepEqual(find(adapter, keepRead(adapter, object), role, related), found);
  return found;
}

test('the API server takes the definitions, and serves the versions that adapters read', {
  skip,
}, async () => {
  const definitions = read('*.yaml').map((one) => undescribed(one) as KubeObject);
  const names = new Set(definitions.map(({ metadata }) => metadata.name));
  // Both sides of the test have to be there.
  const kinds = readKinds().filter(({ apiGroup }) => apiGroup !== 'apps');
  for (const { plural, apiGroup } of kinds) assert.ok(names.has(`${plural}.${apiGroup}`), plural);
  for (const definition of definitions) {
    await client.create(customResourceDefinitions, definition, { deadlineSeconds: 120 });
  }
  for (const kind of kinds) {
    await until(`${kind.plural} are served`, 120, async () => {
      return (await client.listPage(typeRead(kind)).catch(() => undefined)) !== undefined;
    });
    const definition = definitions.find(
      ({ metadata }) => metadata.name === `${kind.plural}.${kind.apiGroup}`,
    );
    const { versions = [] } = (definition?.spec ?? {}) as {
      versions?: { name: string; subresources?: { status?: object } }[];
    };
    const version = versions.find(({ name }) => name === kind.version);
    if (version?.subresources?.status !== undefined) withStatus.add(kind.plural);
  }
});

test('the samples of their projects say the same in files and in the server', {
  skip,
}, async (t) => {
  const objects = read('samples/*.yaml');
  const isCluster = ({ apiVersion, kind }: RawObject) =>
    adapterFor(apiVersion?.split('/')[0] ?? '', kind ?? '') !== undefined;
  assert.ok(objects.filter(isCluster).length >= 4, 'there are samples');
  const homes = new Set(objects.map(({ metadata }) => metadata.namespace ?? 'data'));
  for (const home of homes) if (home !== 'data') await makeNamespace(home);
  const sent = objects.map(
    (one): RawObject => ({
      ...one,
      metadata: { ...one.metadata, namespace: one.metadata.namespace ?? 'data' },
    }),
  );
  const live: RawObject[] = [];
  for (const one of sent) {
    const got = await throughServer(one).catch(async (error: Error) => {
      const [, field = assert.fail(error.message)] =
        /strict decoding error: unknown field "([\w.]+)"$/.exec(error.message) ?? [];
      // A sample may be older than its definition, in what nobody here reads.
      const reads = readKinds().flatMap((kind) =>
        kind.kind === one.kind ? (kind.reads ?? []) : [],
      );
      assert.ok(!reads.some((path) => `${path.join('.')}.`.startsWith(`${field}.`)), field);
      t.diagnostic(`${one.kind} ${one.metadata?.name}: its definition does not have ${field}`);
      return await throughServer(change(one, field.split('.')));
    });
    assert.ok(got !== undefined, `the server takes the sample ${one.kind}`);
    live.push(got);
  }
  for (const [i, one] of sent.entries()) {
    if (!isCluster(one)) continue;
    const got = live[i];
    assert.ok(got !== undefined);
    for (const role of roles) {
      const expected = factsOf(completed(one), role, sent);
      assert.deepEqual(factsOf(got, role, live), expected, `${one.kind}, ${role}`);
      if (role === 'primary') assert.ok(expected.ok, JSON.stringify(expected));
    }
  }
  for (const one of sent) await remove(one);
});

/** Of what adapters read, what an object cannot be without. */
const insistedOn: Readonly<Record<string, readonly string[]>> = {
  postgresql: ['spec numberOfInstances'],
  PostgresCluster: ['spec instances'],
  PerconaPGCluster: ['spec instances'],
  SGCluster: ['spec instances'],
};

for (const [adapter, { bare, full, related }] of samples) {
  test(`${adapter.kind}: with and without each field that is read, the server has what was sent`, {
    skip,
  }, async () => {
    const lookedUp: RawObject[] = [];
    for (const one of related) {
      const got = await throughServer(one);
      assert.ok(got !== undefined, `the server takes the ${one.kind}`);
      lookedUp.push(got);
    }
    /** Whether the server took it; if so, it says what was sent. */
    const isSame = async (object: RawObject, what: string): Promise<boolean> => {
      const got = await throughServer(object);
      if (got === undefined) return false;
      for (const role of roles) {
        const expected = factsOf(completed(object), role, related);
        assert.deepEqual(factsOf(got, role, lookedUp), expected, `${what}, ${role}`);
      }
      await remove(object);
      return true;
    };
    assert.ok(await isSame(bare, 'what it must have'), 'the server takes the bare object');
    assert.ok(await isSame(full, 'everything'), 'the server takes the full object');
    const required: string[] = [];
    for (const path of adapter.reads ?? []) {
      const name = path.join(' ');
      if (!(await isSame(change(full, path), `without ${name}`))) required.push(name);
    }
    assert.deepEqual(required, insistedOn[adapter.kind] ?? [], 'fields that must be there');
    for (const one of related) await remove(one);
  });
}
