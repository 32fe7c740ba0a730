// A real server is asked about itself through a real pooler, as an application would.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type ClientAddress, ConsoleError } from '../../operator/engines/engine.ts';
import { clientPort } from '../../operator/engines/pgbouncer/client-port.ts';
import {
  IDENTITY_STATEMENT,
  LIMITS_STATEMENT,
  mayIdentify,
  readAnswer,
} from '../../operator/postgres/ask.ts';
import { type Postgres, startPostgres } from '../cluster/processes.ts';
import {
  backends,
  eventually,
  holderConfig,
  type Pooler,
  startLoad,
  startPooler,
} from './pooler.ts';

const app = { name: 'app', secret: 'app-3f1d-secret' };
let postgres: Postgres;
before(async () => {
  postgres = await startPostgres({
    maxConnections: 77,
    settings: { superuser_reserved_connections: 6 },
    users: [{ name: app.name, password: app.secret }],
    databases: ['a'],
  });
});
after(() => postgres?.stop());

function addressOf(pooler: Pooler, more: Partial<ClientAddress> = {}): ClientAddress {
  const { host, port, timeoutMs } = pooler.address;
  return { host, port, timeoutMs, user: app.name, password: app.secret, database: 'a', ...more };
}

function answerOf(address: ClientAddress) {
  return clientPort.ask(address, async (ask) => {
    const [limits] = await ask(LIMITS_STATEMENT);
    const [identity] = mayIdentify(limits) ? await ask(IDENTITY_STATEMENT) : [];
    return readAnswer(limits, identity);
  });
}

const modes = ['transaction', 'statement', 'session'] as const;
describe('an ordinary user', () => {
  for (const mode of modes) {
    test(`learns the limits and the identity in ${mode} mode, and leaves at once`, async () => {
      const pooler = await startPooler(
        holderConfig(postgres, {
          mode,
          databases: [{ name: 'a' }],
          caps: [{ name: 'a', connections: 1 }],
        }),
        [app],
      );
      try {
        const answer = await answerOf(addressOf(pooler));
        const [control] = await postgres.query(
          'select system_identifier::text as id from pg_control_system()',
        );
        assert.match(answer?.version ?? '', /^1[0-9]/);
        assert.equal(answer?.maxConnections, 77);
        assert.equal(answer?.superuserReserved, 6);
        assert.equal(answer?.inRecovery, false);
        assert.equal(answer?.systemIdentifier, control?.id);
        // The test's server is on loopback, which tells nobody apart.
        assert.equal(answer?.address, undefined);
        await eventually(
          'no client is left, and the connection is free',
          () => pooler.observe(),
          (seen) => seen.clients.active === 0 && seen.pools.every((p) => p.serversActive === 0),
        );
        // In session mode with one connection, a client that stayed would keep this one waiting for ever.
        assert.equal((await answerOf(addressOf(pooler)))?.maxConnections, 77);
        assert.deepEqual(await backends(postgres, 'datname'), { a: 1 });
      } finally {
        await pooler.stop();
      }
    });
  }

  test('who may not call pg_control_system still learns the limits, without an error on the server', async () => {
    await postgres.query('revoke execute on function pg_control_system() from public', []);
    // The grant is of the database that it was revoked in.
    const pooler = await startPooler(
      holderConfig(postgres, {
        databases: [{ name: 'postgres' }],
        caps: [{ name: 'postgres', connections: 1 }],
      }),
      [app],
    );
    try {
      const before = postgres.log().match(/permission denied/g)?.length ?? 0;
      const answer = await answerOf(addressOf(pooler, { database: 'postgres' }));
      assert.equal(answer?.maxConnections, 77);
      assert.equal(answer?.systemIdentifier, undefined);
      assert.equal(postgres.log().match(/permission denied/g)?.length ?? 0, before);
    } finally {
      await pooler.stop();
      await postgres.query('grant execute on function pg_control_system() to public');
    }
  });
});

describe('who is not let in', () => {
  const faults: readonly (readonly [string, Partial<ClientAddress>])[] = [
    ['a wrong password', { password: 'wrong-9a77-secret' }],
    ['a database that the pool does not list', { database: 'other' }],
    ['a user whom nobody knows', { user: 'nobody' }],
  ];
  for (const [what, more] of faults) {
    test(`${what} is an error without a password in it`, async () => {
      const pooler = await startPooler(
        holderConfig(postgres, {
          databases: [{ name: 'a' }],
          caps: [{ name: 'a', connections: 1 }],
        }),
        [app],
      );
      try {
        const error = await answerOf(addressOf(pooler, more)).then(
          () => assert.fail('it was let in'),
          (one: unknown) => one,
        );
        assert.ok(error instanceof ConsoleError, String(error));
        assert.doesNotMatch(error.message, /secret/);
      } finally {
        await pooler.stop();
      }
    });
  }
});

test('a question beside clients who have all connections waits its turn, and opens none', async () => {
  const pooler = await startPooler(
    holderConfig(postgres, {
      databases: [{ name: 'a' }],
      caps: [{ name: 'a', connections: 2 }],
    }),
    [app],
  );
  const load = await startLoad({ port: pooler.port, user: app, databases: ['a'], clients: 20 });
  try {
    await eventually(
      'the load runs',
      async () => load.done(),
      (done) => done > 20,
    );
    assert.equal((await answerOf(addressOf(pooler)))?.maxConnections, 77);
    assert.deepEqual(await backends(postgres, 'datname'), { a: 2 });
  } finally {
    await load.stop();
    await pooler.stop();
  }
  assert.deepEqual(load.errors, []);
});
