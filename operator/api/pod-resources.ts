// Resource requirements of the pooler container, as in a pod, judged where Kubernetes would refuse the
// pods later, or run them in a way that nobody means.
import * as z from 'zod';
import { resourceNames } from './formats.ts';
import { described, fields, mapOf, ruled } from './meta.ts';
import { compareQuantities } from './quantity.ts';

const quantityForm = 'must be a quantity: 1, "500m", "256Mi"';
const quantity = z
  .union(
    [
      z.int().min(0),
      z
        .string()
        .max(32, { error: quantityForm, abort: true })
        .regex(
          /^([0-9]{1,18}(\.[0-9]{1,9})?|\.[0-9]{1,9})(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$/,
          quantityForm,
        ),
    ],
    { error: quantityForm },
  )
  .meta({ 'x-kubernetes-int-or-string': true });
type Quantities = Record<string, string | number>;

/** Container runtimes refuse to start a process in less; PgBouncer itself starts with about 3 MiB. */
const leastMemory = '16Mi';

const limits = ruled(mapOf(quantity, 16), resourceNames('pooler.resources.limits'), {
  cel: `!('memory' in self) || quantity(string(self['memory'])).compareTo(quantity('${leastMemory}')) >= 0`,
  holds: (map: Quantities) =>
    map.memory === undefined || compareQuantities(map.memory, leastMemory) >= 0,
  message: `pooler.resources.limits.memory must be at least ${leastMemory}: write mebibytes as "256Mi" ("256m" is a quarter of a byte)`,
});

export const resources = ruled(
  fields({
    limits: described(limits.optional(), 'The most that the container may use, by resource.'),
    requests: described(
      ruled(mapOf(quantity, 16), resourceNames('pooler.resources.requests')).optional(),
      'What the scheduler sets aside for the container, by resource.',
    ),
  }),
  {
    cel: '!has(self.limits) || !has(self.requests) || self.requests.all(k, !(k in self.limits) || quantity(string(self.requests[k])).compareTo(quantity(string(self.limits[k]))) <= 0)',
    holds: ({ limits, requests }) =>
      Object.entries(requests ?? {}).every(([name, request]) => {
        const limit = limits?.[name];
        return limit === undefined || compareQuantities(request, limit) <= 0;
      }),
    message:
      'pooler.resources: no request may be more than its limit: lower the request or raise the limit',
  },
);
