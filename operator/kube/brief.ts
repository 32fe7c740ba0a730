// Answers to writes that say only what the writer does not know: uid, version, generation. The rest of an answer
// repeats what was sent and lists whose each field is, and reading it costs more than sending it did.
import type { KubeObject, ObjectMeta } from './types.ts';

/** Asks the API server for the metadata alone. */
export const briefly = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';

/** The metadata begins so, in the order of the fields of the API server's own type. */
const start =
  /^\{"kind":"PartialObjectMetadata","apiVersion":"meta\.k8s\.io\/v1","metadata":\{"name":"[^"\\]*"(?:,"generateName":"[^"\\]*")?(?:,"namespace":"[^"\\]*")?,"uid":"[^"\\]*","resourceVersion":"[^"\\]*"(?:,"generation":[0-9]+)?,"creationTimestamp":"[^"\\]*"/;

/** The parsed answer, or of one that begins as expected only what its beginning says. Throws where it is not JSON. */
export function readBriefly(body: string): unknown {
  const [beginning] = start.exec(body) ?? [];
  // Parsed, not cut out: a string that was cut out keeps the whole body in memory.
  return JSON.parse(beginning === undefined ? body : `${beginning}}}`);
}

/** What was sent, with what the answer adds to it. */
export function answered<T extends KubeObject>(sent: T, answer: { metadata: ObjectMeta }): T {
  const { uid, resourceVersion, generation, creationTimestamp } = answer.metadata;
  return {
    ...sent,
    metadata: {
      ...sent.metadata,
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      ...(generation === undefined ? {} : { generation }),
      ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
    },
  };
}
