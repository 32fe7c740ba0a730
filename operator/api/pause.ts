// spec.pause: clients wait and Postgres is left alone, until a time or until it is removed.
import type * as z from 'zod';
import { described, fields, patterned } from './meta.ts';

const day =
  '((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|[12][0-9]))';
const clock = '([01][0-9]|2[0-3]):[0-5][0-9]';

/**
 * RFC 3339. A pattern and not the format date-time, which takes more, and offline other things than the API server. It
 * takes 29 February in every year: in a common year that is 1 March to JavaScript.
 */
const time = patterned(
  40,
  new RegExp(`^20[0-9]{2}-${day}T${clock}:[0-5][0-9]([.][0-9]{1,9})?(Z|[-+]${clock})$`),
  'must be a time with its zone, like "2026-01-31T18:30:00Z"',
);

export const pause = fields({
  until: described(
    time.optional(),
    'When it ends by itself (RFC 3339). Without it, it lasts until `pause` is removed.',
  ),
});
export type Pause = z.output<typeof pause>;
