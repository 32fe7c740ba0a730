// Each path that an adapter says it reads, and the facts that depend on it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Found, PostgresAdapter, Role } from '../../operator/postgres/adapter.ts';
import { cloudNativePg } from '../../operator/postgres/cloudnativepg.ts';
import { crunchy, percona } from '../../operator/postgres/crunchy.ts';
import { stackGres } from '../../operator/postgres/stackgres.ts';
import { zalando } from '../../operator/postgres/zalando.ts';
import { change, find } from './help.ts';
import {
  cloudNativePgSample,
  crunchySample,
  perconaSample,
  type Sample,
  stackGresSample,
  zalandoSample,
} from './objects.ts';

const roles: readonly Role[] = ['primary', 'replicas'];

/** Which facts, or the answer as a whole, change when a path that is read is not there: of the full sample. */
const depends: readonly (readonly [PostgresAdapter, Sample, Readonly<Record<string, string>>])[] = [
  [
    cloudNativePg,
    cloudNativePgSample,
    {
      'metadata annotations cnpg.io/hibernation': 'warning',
      // Behind the hibernation, which is said first.
      'metadata annotations cnpg.io/fencedInstances': '',
      'spec instances': 'fault',
      'spec postgresql parameters': 'maxConnections reservedConnections',
      'spec resources': 'coresUnknown milliCores',
      // Behind the replica, which has no user of its own.
      'spec bootstrap': '',
      'spec replica': 'users',
      'spec certificates': 'tls',
      'spec managed services': 'host',
      // Behind the replica, too.
      'spec managed roles': '',
      'status writeService': 'host tls',
      // Behind the CA that the spec names.
      'status certificates serverCASecret': '',
      'status certificates serverAltDNSNames': 'tls',
      'status currentPrimary': 'primary',
      'status systemID': 'systemIdentifier',
    },
  ],
  [
    zalando,
    zalandoSample,
    {
      'spec numberOfInstances': 'fault',
      'spec postgresql parameters': 'maxConnections reservedConnections',
      'spec resources': 'milliCores',
      'spec users': 'users',
      'spec usersWithSecretRotation': 'users',
      'spec preparedDatabases': 'users',
      'spec standby': 'warning',
      'spec tls': 'tls',
    },
  ],
  [
    crunchy,
    crunchySample,
    {
      'spec instances': 'fault',
      'spec port': 'port',
      'spec config parameters': 'maxConnections',
      'spec patroni dynamicConfiguration postgresql parameters': 'reservedConnections',
      'spec users': 'users',
      // Behind the shutdown, which is said first.
      'spec standby': '',
      'status patroni systemIdentifier': 'systemIdentifier',
      'spec customTLSSecret': 'tls',
      'spec shutdown': 'warning',
    },
  ],
  [
    percona,
    perconaSample,
    {
      'spec instances': 'fault',
      'spec port': 'port',
      'spec config parameters': 'reservedConnections',
      'spec patroni dynamicConfiguration postgresql parameters': 'maxConnections',
      'spec users': 'users',
      'spec standby': '',
      'status patroni status systemIdentifier': 'systemIdentifier',
      'spec secrets customTLSSecret': 'tls',
      'spec pause': 'warning',
    },
  ],
  [
    stackGres,
    stackGresSample,
    {
      'spec instances': 'fault',
      'spec sgInstanceProfile': 'milliCores',
      'spec configurations sgPostgresConfig': 'maxConnections reservedConnections',
      'spec configurations postgres postgresql.conf': 'reservedConnections',
      'spec configurations binding': 'users',
      'spec pods disableConnectionPooling': 'podPorts port',
      'spec postgres ssl enabled': 'encrypts',
      'spec postgresServices primary enabled': 'fault',
      // It says what is the default.
      'spec postgresServices replicas enabled': '',
      // Behind the Service that is switched off.
      'spec replicateFrom': '',
      // Behind the configuration that the spec names.
      'status sgPostgresConfig': '',
      'status labelPrefix': 'podSelector',
      'status podStatuses': 'primary',
    },
  ],
];

function namesOf(found: Found): Readonly<Record<string, unknown>> {
  return found.ok ? { ...found.facts } : { fault: found.fault.reason };
}

test('without a field that is read, only the facts from it change', () => {
  for (const [adapter, { full, related }, table] of depends) {
    const paths = (adapter.reads ?? []).map((path) => path.join(' '));
    assert.deepEqual(paths, Object.keys(table), `${adapter.kind}: the table has every path`);
    for (const path of adapter.reads ?? []) {
      const without = change(full, path);
      const changed = new Set<string>();
      for (const role of roles) {
        const before = namesOf(find(adapter, full, role, related));
        const after = namesOf(find(adapter, without, role, related));
        if ('fault' in before !== 'fault' in after) changed.add('fault');
        else {
          for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
            const same = JSON.stringify(before[name]) === JSON.stringify(after[name]);
            if (!same) changed.add(name);
          }
        }
      }
      const expected = table[path.join(' ')] ?? '';
      const text = [...changed].sort().join(' ');
      // A role that is no fault any more may also show other facts of the other role.
      assert.ok(
        expected === 'fault' ? changed.has('fault') : text === expected,
        `${adapter.kind} without ${path.join('.')}: ${text} changed, not ${expected}`,
      );
    }
  }
});
