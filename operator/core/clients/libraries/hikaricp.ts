// HikariCP with the PostgreSQL JDBC driver. Times of HikariCP are milliseconds, those of the driver seconds.
import type { ApplicationSettings, Library } from '../settings.ts';

export const hikaricp: Library = { name: 'HikariCP', file: 'hikari.properties', render };

/** The driver prepares a statement after 5 uses, by the protocol; 0 turns that off. */
const DEFAULT_PREPARE_THRESHOLD = 5;

function render(s: ApplicationSettings): string {
  const prepareThreshold = s.preparedStatements ? DEFAULT_PREPARE_THRESHOLD : 0;
  return [
    `jdbcUrl=jdbc:postgresql://${s.host}:${s.port}/${encodeURIComponent(s.database)}`,
    `username=${escaped(s.user)}`,
    '# password: from the Secret; set it in code, or as spring.datasource.password',
    `maximumPoolSize=${s.poolSize}`,
    `connectionTimeout=${s.acquireSeconds * 1000}`,
    // Only below maximumPoolSize are idle connections closed at all.
    'minimumIdle=1',
    `idleTimeout=${Math.max(10, s.idleSeconds) * 1000}`,
    `maxLifetime=${s.lifetimeSeconds * 1000}`,
    `dataSource.prepareThreshold=${prepareThreshold}`,
    `dataSource.connectTimeout=${s.connectSeconds}`,
    'dataSource.tcpKeepAlive=true',
    ...(s.tlsRequired ? ['dataSource.sslmode=require'] : []),
  ].join('\n');
}

/** As java.util.Properties reads a value. */
function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\');
}
