// spec.pooler.affinity: its fields by name, so that a misspelt one is refused instead of lost on the way to the pods. What
// is inside of a term belongs to Kubernetes.
import { atomicList, described, fields, passedOn } from './meta.ts';

const preferred = described(
  atomicList(passedOn({}), 32).optional(),
  'Terms that a node should meet, each with its weight, as in a pod.',
);
const ofPods = fields({
  requiredDuringSchedulingIgnoredDuringExecution: described(
    atomicList(passedOn({}), 32).optional(),
    'Terms that a node must meet, as in a pod.',
  ),
  preferredDuringSchedulingIgnoredDuringExecution: preferred,
});

export const affinity = fields({
  nodeAffinity: described(
    fields({
      requiredDuringSchedulingIgnoredDuringExecution: described(
        passedOn({}).optional(),
        'What a node must have (nodeSelectorTerms), as in a pod.',
      ),
      preferredDuringSchedulingIgnoredDuringExecution: preferred,
    }).optional(),
    'Which nodes the pods may or should run on, by labels of the nodes.',
  ),
  podAffinity: described(
    ofPods.optional(),
    'Near which other pods they must or should run, by labels of those.',
  ),
  podAntiAffinity: described(
    ofPods.optional(),
    'Away from which other pods they must or should run, by labels of those.',
  ),
});
