// The ConfigMap with one file for each holder. It says what may be opened, so it is written by a path of
// its own, against the resourceVersion that was read. It holds no secret.
import { isShared } from '../../../api/workload.ts';
import type { Engine } from '../../../engines/engine.ts';
import { holderConfig } from '../holder-config.ts';
import { EPOCH_ANNOTATION } from '../labels.ts';
import { type Manifest, metadataOf, sortedKeys } from '../manifest.ts';
import { fileKey, namesOf, SHARED_PATH_EPOCH } from '../names.ts';
import { checkSize } from '../size.ts';
import type { PoolView } from '../view.ts';

export function configMap(view: PoolView, engine: Engine): Manifest {
  const { identity, holders, epoch } = view;
  const data = Object.fromEntries(
    holders.flatMap((holder) => {
      const text = engine.renderHolderFile(holderConfig(view, holder));
      const epochs = isShared(view.spec) ? [SHARED_PATH_EPOCH] : [epoch, ...holder.olderEpochs];
      return epochs.map((one) => [fileKey(holder.name, identity.uid, one), text]);
    }),
  );
  checkSize(
    'the configuration of all pods',
    Object.values(data).join(''),
    'list fewer databases or users, or lower pooler.replicas or pooler.processes',
  );
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: metadataOf(identity, namesOf(identity.name).configMap, {
      [EPOCH_ANNOTATION]: String(epoch),
    }),
    data: sortedKeys(data),
  };
}
