// The drivers of Postgres that tests measure, from their own registries. What they need is fetched here, because a test
// runs in the network of a cluster, from where no registry is reached.

import { cpSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { findGo } from './binaries.ts';
import { installSoakPackages } from './packages.ts';
import { cache, repository } from './paths.ts';
import { pipInstall } from './pip.ts';
import { run } from './run.ts';
import { contents, once } from './stamp.ts';

export const clientSources = join(repository, 'test', 'e2e', 'clients');

const built = join(cache, 'clients');

/** Programs of the soak. */
export const pgxProgram = join(built, 'pgx');
export const hikaricpFolder = join(built, 'hikaricp');

/** What Python imports psycopg from. */
export const pythonModules = join(built, 'python');

/** The drivers of the tests that `make test` runs; node-postgres is one of the npm packages. */
export async function makeClients(): Promise<void> {
  const requirements = join(clientSources, 'requirements.txt');
  const version = await run(['python3', '--version']);
  await once({
    name: 'clients-python',
    title: 'Installing psycopg',
    // Its wheels are of one version of Python.
    inputs: [version, readFileSync(requirements, 'utf8')],
    outputs: [pythonModules],
    work: () => pipInstall(requirements, pythonModules),
  });
}

/** The drivers that only the soak measures: they need Go, and a JDK with Maven, which is installed where it is missing. */
export async function makeSoakClients(): Promise<void> {
  const pgx = join(clientSources, 'pgx');
  await once({
    name: 'clients-pgx',
    title: 'Building an application with pgx',
    inputs: contents(pgx),
    outputs: [pgxProgram],
    work: async () => {
      const env = { CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false -mod=readonly' };
      await run([await findGo(), 'build', '-o', pgxProgram, '.'], { cwd: pgx, env });
    },
  });
  const hikaricp = join(clientSources, 'hikaricp');
  await installSoakPackages();
  await once({
    name: 'clients-hikaricp',
    title: 'Building an application with pgjdbc and HikariCP',
    inputs: contents(hikaricp),
    outputs: [join(hikaricpFolder, 'target', 'libraries')],
    work: async () => {
      // Maven writes beside its sources.
      rmSync(hikaricpFolder, { recursive: true, force: true });
      cpSync(hikaricp, hikaricpFolder, { recursive: true });
      await run(['mvn', '--quiet', '--batch-mode', 'package'], { cwd: hikaricpFolder });
    },
  });
}
