// An observation of a process that does nothing, with parts replaced.

import type { Observation } from '../../operator/engines/engine.ts';

export function observation(parts: Partial<Observation>): Observation {
  return {
    version: '1.25.2',
    mark: undefined,
    userMarks: [],
    parameters: { admin_users: 'adm', stats_users: 'sts' },
    databases: [],
    users: [],
    pools: [],
    sessions: { total: 0, cancelling: 0, byDatabase: {}, byUser: {} },
    clients: { active: 0, waiting: 0 },
    maxWaitSeconds: 0,
    paused: false,
    totals: [],
    ...parts,
  };
}
