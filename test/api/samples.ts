// One accepted and one refused object for each rule of the CRDs. The refused one differs in what the rule
// is about and in nothing else. Read by the tests of parsePool and by those against a real API server.
import { accessSamples, ownSecretSamples, sizingSamples } from './samples/access.ts';
import { budgetSamples } from './samples/budget.ts';
import { clientSamples } from './samples/clients.ts';
import { parameterSamples, textSamples } from './samples/parameters.ts';
import { poolerSamples } from './samples/pooler.ts';
import { nameSamples, postgresSamples } from './samples/postgres.ts';
import type { Sample } from './samples/sample.ts';

export { schemaSamples } from './samples/schema.ts';

/** Rules in CEL with their halves in TypeScript. */
export const ruleSamples: readonly Sample[] = [
  ...nameSamples,
  ...postgresSamples,
  ...accessSamples,
  ...ownSecretSamples,
  ...sizingSamples,
  ...clientSamples,
  ...poolerSamples,
  ...parameterSamples,
  ...textSamples,
  ...budgetSamples,
];
