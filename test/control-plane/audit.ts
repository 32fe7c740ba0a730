// Who wrote what to the API server, as it has itself written down.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Written {
  readonly user: string;
  readonly verb: 'create' | 'update' | 'patch' | 'delete';
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  readonly status: number;
  /** When the request came in and when it was answered, in milliseconds since 1970. */
  readonly from: number;
  readonly to: number;
  /** resourceVersion in the body. */
  readonly version: string | undefined;
}

interface Event {
  user: { username: string };
  verb: Written['verb'];
  objectRef?: { resource?: string; subresource?: string; namespace?: string; name?: string };
  responseStatus?: { code?: number };
  requestReceivedTimestamp: string;
  stageTimestamp: string;
  requestObject?: { metadata?: { resourceVersion?: string } };
}

const policy = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [
    { level: 'None', verbs: ['get', 'list', 'watch'] },
    { level: 'None', resources: [{ group: '', resources: ['events'] }] },
    { level: 'Request' },
  ],
};

export class Audit {
  readonly #folder = mkdtempSync(join(tmpdir(), 'spillway-audit-'));
  readonly #log = join(this.#folder, 'log');

  /** For `apiServerFlags` of the control plane. */
  readonly flags: readonly string[];

  constructor() {
    const file = join(this.#folder, 'policy.json');
    writeFileSync(file, JSON.stringify(policy));
    this.flags = [`--audit-policy-file=${file}`, `--audit-log-path=${this.#log}`];
  }

  /** All writes but those of events, in the order in which they were answered. */
  writes(): Written[] {
    const lines = readFileSync(this.#log, 'utf8').split('\n');
    // The last line may be half written.
    return lines.slice(0, -1).map((line) => {
      const event = JSON.parse(line) as Event;
      return {
        user: event.user.username,
        verb: event.verb,
        resource: event.objectRef?.resource ?? '',
        subresource: event.objectRef?.subresource ?? '',
        namespace: event.objectRef?.namespace ?? '',
        name: event.objectRef?.name ?? '',
        status: event.responseStatus?.code ?? 0,
        from: Date.parse(event.requestReceivedTimestamp),
        to: Date.parse(event.stageTimestamp),
        version: event.requestObject?.metadata?.resourceVersion,
      };
    });
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
