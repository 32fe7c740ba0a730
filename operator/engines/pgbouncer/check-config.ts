/**
 * Everything that a holder's file must not say, checked again where it is written, whatever was
 * checked at admission: PgBouncer stops at the first line that it refuses, and a value that ends its
 * line could be another line.
 */
import { EngineError, type HolderConfig } from '../engine.ts';
import { checkParameter } from './check-parameter.ts';
import { capsAreExact } from './exactness.ts';
import {
  checkDatabaseName,
  checkHost,
  checkPath,
  checkRawValue,
  checkServerDatabaseName,
  checkUserName,
  insist,
} from './quote.ts';

/** In the abstract namespace, with the port it stays under the 108 bytes of an address. */
const socketName = /^@[a-z0-9-]{1,63}$/;

/** Throws `EngineError` that names the field. */
export function checkConfig(config: HolderConfig): void {
  const refuse = (field: string, message: string) => {
    throw new EngineError('ConfigInvalid', field, message);
  };
  const whole = (field: string, value: number, min: number, max: number) => {
    if (!Number.isSafeInteger(value) || value < min || value > max) {
      refuse(field, `${value} is not a whole number from ${min} to ${max}`);
    }
  };
  whole('generation', config.generation, 0, Number.MAX_SAFE_INTEGER);
  whole('listenPort', config.listenPort, 1, 65_535);
  whole('target.port', config.target.port, 1, 65_535);
  whole('maxClientConnections', config.maxClientConnections, 1, 1_000_000);
  whole('sharers', config.sharers ?? 1, 1, 1_000_000);
  whole('peerId', config.peerId ?? 1, 1, 16_383);
  insist('ValueCannotBeWritten', 'target.host', checkHost(config.target.host));
  insist('ValueCannotBeWritten', 'authFile', checkPath(config.authFile));
  if (config.socket !== undefined && !socketName.test(config.socket)) {
    refuse('socket', 'must be "@" and a name of lower-case letters, digits and "-"');
  }
  checkEntries(config);
  checkCaps(config);
  checkTls(config);
  const ids = new Set<number>();
  config.peers.forEach((peer, index) => {
    whole(`peers[${index}].id`, peer.id, 1, 16_383);
    whole(`peers[${index}].port`, peer.port, 1, 65_535);
    if (!socketName.test(peer.host)) {
      insist('ValueCannotBeWritten', `peers[${index}].host`, checkHost(peer.host));
    }
    if (ids.has(peer.id)) refuse(`peers[${index}].id`, `${peer.id} is there twice`);
    ids.add(peer.id);
  });
  for (const [field, name] of Object.entries(config.admin)) {
    // Both stand in comma lists, without quotes.
    if (!/^[a-z][a-z0-9-]{0,62}$/.test(name)) {
      refuse(`admin.${field}`, 'must be lower-case letters, digits and "-"');
    }
  }
  if (config.admin.adminUser === config.admin.statsUser) {
    refuse('admin.statsUser', 'must not be the admin user');
  }
  for (const [name, value] of Object.entries(config.parameters)) {
    insist('ParameterRefused', `parameters.${name}`, checkParameter(name, value));
  }
}

function checkEntries(config: HolderConfig): void {
  const { databases, users, lookup } = config;
  unique('users', users);
  users.forEach((user, index) => {
    insist('NameCannotBeWritten', `users[${index}].name`, checkUserName(user.name));
  });
  if (databases !== 'any') {
    unique('databases', databases);
    databases.forEach((database, index) => {
      const field = `databases[${index}]`;
      insist('NameCannotBeWritten', `${field}.name`, checkDatabaseName(database.name));
      if (database.dbname !== undefined) {
        insist('NameCannotBeWritten', `${field}.dbname`, checkServerDatabaseName(database.dbname));
      }
      if (database.user !== undefined) {
        insist('NameCannotBeWritten', `${field}.user`, checkUserName(database.user));
      }
    });
  }
  if (lookup === undefined) return;
  insist('NameCannotBeWritten', 'lookup.user', checkUserName(lookup.user));
  insist('ValueCannotBeWritten', 'lookup.user', checkRawValue('the user', lookup.user));
  if (lookup.query !== undefined) {
    insist('ValueCannotBeWritten', 'lookup.query', checkRawValue('the query', lookup.query));
  }
  if (lookup.database !== undefined) {
    insist('NameCannotBeWritten', 'lookup.database', checkDatabaseName(lookup.database));
    insist('ValueCannotBeWritten', 'lookup.database', checkRawValue('the name', lookup.database));
  }
}

function checkCaps(config: HolderConfig): void {
  const { databases, users, lookup, axis, caps } = config;
  const exact = capsAreExact(databases, users, lookup);
  if ('refusal' in exact)
    throw new EngineError('ConfigInvalid', 'databases', exact.refusal.message);
  if (exact.axis !== axis) {
    throw new EngineError('CapInvalid', 'axis', `these databases are counted by ${exact.axis}`);
  }
  unique('caps', caps);
  const known = new Set((databases === 'any' ? users : databases).map(({ name }) => name));
  caps.forEach(({ name, connections }, index) => {
    const field = `caps[${index}]`;
    if (!known.has(name)) {
      throw new EngineError('CapInvalid', `${field}.name`, `no such ${axis}: ${name}`);
    }
    // 0 would be "unlimited".
    if (!Number.isSafeInteger(connections) || connections < 1 || connections > 1_000_000) {
      throw new EngineError(
        'CapInvalid',
        `${field}.connections`,
        `${connections} is not a whole number from 1 to 1000000: leave out what may open none`,
      );
    }
  });
}

function checkTls({ serverTls, clientTls }: HolderConfig): void {
  const files = {
    'serverTls.caFile': serverTls.caFile,
    'serverTls.certFile': serverTls.certFile,
    'serverTls.keyFile': serverTls.keyFile,
    'clientTls.certFile': clientTls?.certFile,
    'clientTls.keyFile': clientTls?.keyFile,
    'clientTls.caFile': clientTls?.caFile,
  };
  for (const [field, path] of Object.entries(files)) {
    if (path !== undefined) insist('ValueCannotBeWritten', field, checkPath(path));
  }
  const refuse = (field: string, message: string) => {
    throw new EngineError('ConfigInvalid', field, message);
  };
  if (!/^[-.\w]{1,64}$/.test(serverTls.caVersion ?? '-')) {
    refuse('serverTls.caVersion', 'is no version: letters, digits, "-", "_" and "."');
  }
  if (serverTls.mode.startsWith('verify-') && serverTls.caFile === undefined) {
    refuse('serverTls.caFile', `is needed for ${serverTls.mode}`);
  }
  if ((serverTls.certFile === undefined) !== (serverTls.keyFile === undefined)) {
    refuse('serverTls.certFile', 'goes with a key file: give both or none');
  }
  if (clientTls?.mode.startsWith('verify-') && clientTls.caFile === undefined) {
    refuse('clientTls.caFile', `is needed for ${clientTls.mode}`);
  }
}

function unique(field: string, entries: readonly { readonly name: string }[]): void {
  const seen = new Set<string>();
  entries.forEach(({ name }, index) => {
    if (seen.has(name)) {
      throw new EngineError('ConfigInvalid', `${field}[${index}].name`, `${name} is there twice`);
    }
    seen.add(name);
  });
}
