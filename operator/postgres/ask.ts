// What a server is asked about itself, in words that every user of it may say, and how the answer is read. Pure: who
// asks, and by which way, is for others.

/** One row, all values text or null. Names are qualified, because a search_path can lead to functions of anybody. */
export const LIMITS_STATEMENT = `SELECT
  pg_catalog.current_setting('server_version') AS version,
  pg_catalog.current_setting('max_connections') AS max_connections,
  pg_catalog.current_setting('superuser_reserved_connections') AS superuser_reserved,
  pg_catalog.current_setting('reserved_connections', true) AS reserved,
  pg_catalog.pg_is_in_recovery()::text AS in_recovery,
  pg_catalog.host(pg_catalog.inet_server_addr()) AS address,
  pg_catalog.inet_server_port()::text AS port,
  pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')::text AS may_identify`;

/** Only to be said by a user who may: PostgreSQL lets everybody, and an owner may have revoked it. */
export const IDENTITY_STATEMENT =
  'SELECT system_identifier::text AS system_identifier FROM pg_catalog.pg_control_system()';

export type Row = Readonly<Record<string, string | null>>;

/** What a server said of itself. */
export interface ServerAnswer {
  readonly version: string;
  readonly maxConnections: number;
  readonly superuserReserved: number;
  /** 0 where the version has no such setting. */
  readonly reserved: number;
  readonly inRecovery: boolean;
  readonly systemIdentifier?: string;
  /** `address:port` as the server itself has it; absent where that says nothing (a local socket, loopback). */
  readonly address?: string;
}

export function mayIdentify(limits: Row | undefined): boolean {
  return limits?.may_identify === 'true';
}

/** Undefined when the answer is not one that PostgreSQL gives: whatever was reached, it is no server to size by. */
export function readAnswer(limits: Row | undefined, identity?: Row): ServerAnswer | undefined {
  const maxConnections = count(limits?.max_connections);
  const superuserReserved = count(limits?.superuser_reserved);
  const reserved = limits?.reserved == null ? 0 : count(limits.reserved);
  const recovery = limits?.in_recovery;
  const version = /^[\x20-\x7e]{1,200}$/.exec(limits?.version ?? '')?.[0].slice(0, 63);
  if (maxConnections === undefined || maxConnections < 1 || version === undefined) return undefined;
  if (superuserReserved === undefined || reserved === undefined) return undefined;
  if (recovery !== 'true' && recovery !== 'false') return undefined;
  const address = addressOf(limits?.address, limits?.port);
  const identifier = /^[0-9]{1,20}$/.exec(identity?.system_identifier ?? '')?.[0];
  return {
    version,
    maxConnections,
    superuserReserved,
    reserved,
    inRecovery: recovery === 'true',
    ...(identifier === undefined ? {} : { systemIdentifier: identifier }),
    ...(address === undefined ? {} : { address }),
  };
}

/** A loopback or link-local address is the same on every machine, as behind a pooler that runs beside its server. */
function addressOf(address: string | null | undefined, port: string | null | undefined) {
  if (address == null || !/^[0-9a-f.:]{2,45}$/i.test(address)) return undefined;
  if (/^(127\.|0\.|169\.254\.|::1$|fe[89ab])/i.test(address)) return undefined;
  const number = count(port);
  return number === undefined ? undefined : `${address}:${number}`;
}

/** The most that PostgreSQL takes for any of these. */
const MOST = 262143;

function count(text: string | null | undefined): number | undefined {
  const number = /^[0-9]{1,6}$/.test(text ?? '') ? Number(text) : undefined;
  return number === undefined || number > MOST ? undefined : number;
}
