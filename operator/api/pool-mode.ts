// When a server connection returns to the pool, in PgBouncer's own words.
import * as z from 'zod';

export const poolMode = z.enum(['transaction', 'session', 'statement']);
export type PoolMode = z.infer<typeof poolMode>;
