// The environment of the operator: what is wrong is said by the name of its variable, before anything starts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSettings } from '../../operator/settings.ts';

test('without an environment there are defaults, and an empty variable counts as not set', () => {
  const { clusterDomain, leaseName } = readSettings({ SPILLWAY_CLUSTER_DOMAIN: '' });
  assert.deepEqual([clusterDomain, leaseName], ['cluster.local', 'spillway']);
});

test('what every pool would suffer from later is refused at the start', () => {
  const wrong = { SPILLWAY_CLUSTER_DOMAIN: 'clu ster', SPILLWAY_POOLER_IMAGE: 'a b' };
  for (const [name, value] of Object.entries(wrong)) {
    assert.throws(
      () => readSettings({ [name]: value }),
      new RegExp(`^Error: .*\n${name}: must be`),
    );
  }
});
