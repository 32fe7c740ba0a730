// Whether the host of an endpoint resolves: asked anew after a while, sooner after a failure, and never of an address.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Hosts } from '../../operator/reconcile/hosts.ts';

interface Nameserver {
  readonly hosts: Hosts;
  /** What was looked up so far. */
  readonly asked: string[];
  /** Answers from now on; a code is a failure. */
  say(code?: string): void;
  wait(seconds: number): void;
}

function nameserver(): Nameserver {
  const asked: string[] = [];
  let now = 0;
  let code: string | undefined;
  const resolve = async (host: string) => {
    asked.push(host);
    if (code !== undefined) throw Object.assign(new Error(`${code} ${host}`), { code });
    return { address: '192.0.2.1', family: 4 };
  };
  return {
    hosts: new Hosts(resolve, () => now),
    asked,
    say: (next) => {
      code = next;
    },
    wait: (seconds) => {
      now += seconds * 1000;
    },
  };
}

const host = 'db.example.com';

test('a name that does not resolve is a fault that names it, the code and the field', async () => {
  const { hosts, say } = nameserver();
  say('ENOTFOUND');
  const fault = await hosts.faultOf(host);
  assert.equal(fault?.reason, 'HostDoesNotResolve');
  for (const part of ['spec.postgres.endpoint.host', host, 'ENOTFOUND', 'DNS record'])
    assert.ok(fault.message.includes(part), fault.message);
  say('EAI_AGAIN');
  assert.match((await hosts.faultOf('other.example.com'))?.message ?? '', /EAI_AGAIN/);
});

test('a failure holds for ten seconds, and then the name may resolve', async () => {
  const { hosts, asked, say, wait } = nameserver();
  say('ENOTFOUND');
  const fault = await hosts.faultOf(host);
  assert.ok(fault);
  say();
  wait(9.9);
  assert.equal(await hosts.faultOf(host), fault);
  assert.equal(asked.length, 1, 'it is not asked again by every look at the pool');
  wait(0.1);
  assert.equal(await hosts.faultOf(host), undefined);
  assert.equal(asked.length, 2);
});

test('a good answer holds for five minutes, and then a failure is seen', async () => {
  const { hosts, asked, say, wait } = nameserver();
  assert.equal(await hosts.faultOf(host), undefined);
  say('ENOTFOUND');
  wait(299.9);
  assert.equal(await hosts.faultOf(host), undefined);
  assert.equal(asked.length, 1);
  wait(0.1);
  assert.equal((await hosts.faultOf(host))?.reason, 'HostDoesNotResolve');
  say();
  wait(10);
  assert.equal(await hosts.faultOf(host), undefined);
  assert.equal(asked.length, 3);
});

test('each host has an answer of its own', async () => {
  const { hosts, asked, say } = nameserver();
  assert.equal(await hosts.faultOf(host), undefined);
  say('ENOTFOUND');
  assert.ok(await hosts.faultOf('other.example.com'));
  assert.equal(await hosts.faultOf(host), undefined);
  assert.deepEqual(asked, [host, 'other.example.com']);
});

test('an address is not looked up', async () => {
  const { hosts, asked, say } = nameserver();
  say('ENOTFOUND');
  for (const address of ['10.0.0.1', '2001:db8::1', '::ffff:a00:1'])
    assert.equal(await hosts.faultOf(address), undefined);
  assert.deepEqual(asked, []);
});

test("the machine's own resolver answers too", async () => {
  const hosts = new Hosts();
  assert.equal(await hosts.faultOf('localhost'), undefined);
  assert.equal((await hosts.faultOf('no-such-host.invalid'))?.reason, 'HostDoesNotResolve');
});
