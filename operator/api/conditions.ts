// Conditions of both resources, as in metav1.Condition.
import * as z from 'zod';
import { described, fields, listMap, text } from './meta.ts';

export const condition = fields({
  type: described(text(316), 'What the condition is about, in CamelCase.'),
  status: described(z.enum(['True', 'False', 'Unknown']), 'Whether it holds.'),
  observedGeneration: described(
    z.int().min(0).optional(),
    'The generation of the spec that was judged.',
  ),
  lastTransitionTime: described(
    z.string().meta({ format: 'date-time' }),
    'When the status last changed.',
  ),
  reason: described(text(1024), 'Why, in one word in CamelCase.'),
  message: described(text(32768, 0), 'Why, in a sentence that names the fix.'),
});
export type Condition = z.infer<typeof condition>;

export const conditions = () =>
  described(
    listMap(condition, ['type'], 32),
    'What holds now and why. Ready, Reconciling and Stalled follow kstatus.',
  );
