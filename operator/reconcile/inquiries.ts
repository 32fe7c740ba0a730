// Asks each server about itself, rarely, one question at a time, and only through the pools' own pods: as one of their
// users, on the port of their clients, within their caps. The operator itself connects to no host that a spec names, so
// nobody can aim it at one.
import type { ConnectionPoolSpec } from '../api/connection-pool.ts';
import { isPending, type ObservedLimits } from '../core/sizing/observed.ts';
import { type ClientPort, ConsoleError } from '../engines/engine.ts';
import {
  IDENTITY_STATEMENT,
  LIMITS_STATEMENT,
  mayIdentify,
  readAnswer,
  type ServerAnswer,
} from '../postgres/ask.ts';
import { after, done, type Outcome, type Run } from '../runtime/controller.ts';
import { type Asker, askersOf, hasPods } from './askers.ts';
import type { Context } from './context.ts';
import { declaredFacts } from './server-facts.ts';

export type ServerRole = ConnectionPoolSpec['postgres']['role'];

/** What the last question came to. */
export type Inquiry =
  | { readonly answer: ServerAnswer; readonly through: string }
  | { readonly failure: string };

export interface InquiriesOptions {
  readonly clientPort: ClientPort;
  /** A server that answers is asked so often; seconds. */
  readonly everySeconds: number;
  /** Called with every answer that says something new, and when there was none. */
  readonly onChange: (budgetKey: string) => void;
  /** From 0 to 1; for the jitter. */
  readonly random?: () => number;
}

interface State {
  inquiry?: Inquiry;
  failures: number;
  /** Not before; milliseconds since 1970. */
  nextAt: number;
}

const ASK_MS = 3000;
/** While the server is expected to change: a parameter that waits for a restart, a standby that is to be promoted. */
const SOON_SECONDS = 60;
/** After the object of the server has changed. */
const CHANGED_SECONDS = 5;
/** While no pool has room for a question. */
const NO_ROOM_SECONDS = 30;
const FIRST_RETRY_SECONDS = 10;
/** Ways that are tried in one run: another database, another user, another pod. */
const MOST_TRIES = 3;

type Ground = Omit<Context, 'inquiries'>;

export class Inquiries {
  readonly #options: InquiriesOptions;
  readonly #states = new Map<string, State>();

  constructor(options: InquiriesOptions) {
    this.#options = options;
  }

  /** What this process has learnt; undefined before its first question. */
  of(budgetKey: string, role: ServerRole): Inquiry | undefined {
    return this.#states.get(inquiryKey(budgetKey, role))?.inquiry;
  }

  /** The object of the server has changed, and so may the server. */
  expect(budgetKey: string, role: ServerRole): void {
    const state = this.#states.get(inquiryKey(budgetKey, role));
    if (state === undefined) return;
    state.nextAt = Math.min(state.nextAt, Date.now() + CHANGED_SECONDS * 1000);
  }

  forget(budgetKey: string): void {
    for (const role of ['primary', 'replicas'] as const) {
      this.#states.delete(inquiryKey(budgetKey, role));
    }
  }

  /** The key is that of `inquiryKey`. */
  async reconcile(context: Ground, key: string, run: Run): Promise<Outcome> {
    const { budgetKey, role } = parseInquiryKey(key);
    const askers = askersOf(context, budgetKey, role);
    // A pod that becomes ready wakes us; that a full pool has room again is told by nobody.
    if (askers.length === 0) {
      return hasPods(context, budgetKey, role) ? after(NO_ROOM_SECONDS) : done;
    }
    const state = this.#states.get(key) ?? { failures: 0, nextAt: 0 };
    this.#states.set(key, state);
    const wait = (state.nextAt - Date.now()) / 1000;
    if (wait > 0) return after(wait);
    const inquiry = await this.#ask(askers, state.failures, run);
    const before = state.inquiry;
    const failed = 'failure' in inquiry;
    state.failures = failed ? state.failures + 1 : 0;
    // One bad moment makes a good answer no worse.
    if (!failed || before === undefined || 'failure' in before) state.inquiry = inquiry;
    const seconds = failed
      ? Math.min(this.#options.everySeconds, FIRST_RETRY_SECONDS * 2 ** (state.failures - 1))
      : this.#pause(context, budgetKey, role, inquiry.answer);
    state.nextAt = Date.now() + seconds * 1000;
    if (failed) run.log.debug({ failure: inquiry.failure }, 'a server could not be asked');
    if (JSON.stringify(before) !== JSON.stringify(state.inquiry)) this.#options.onChange(budgetKey);
    return after(seconds);
  }

  /** Seconds until the next question. */
  #pause(context: Ground, budgetKey: string, role: ServerRole, answer: ServerAnswer): number {
    const { everySeconds, random = Math.random } = this.#options;
    const declared = declaredFacts(context, budgetKey, role);
    const observed: ObservedLimits = answer;
    const changing =
      (declared.ok && isPending(declared.facts, observed)) ||
      (role === 'primary' && answer.inRecovery);
    const seconds = changing ? Math.min(SOON_SECONDS, everySeconds) : everySeconds;
    // Many servers are not asked at the same moment.
    return seconds * (0.9 + 0.2 * random());
  }

  /** One way after the other until one answers; never two connections at a time. */
  async #ask(askers: readonly Asker[], failures: number, run: Run): Promise<Inquiry> {
    let failure = '';
    for (let i = 0; i < Math.min(MOST_TRIES, askers.length); i++) {
      // After failures by others: a pool whose databases do not let its user in must not stand in the way for ever.
      const asker = askers[(failures * MOST_TRIES + i) % askers.length];
      if (asker === undefined) break;
      try {
        const answer = await this.#through(asker, run);
        if (answer !== undefined) return { answer, through: asker.through };
        failure = `${asker.through}: what answers is no PostgreSQL server`;
      } catch (error) {
        if (run.signal.aborted) throw error;
        failure = error instanceof ConsoleError ? error.message : String(error);
      }
    }
    return { failure };
  }

  #through({ address }: Asker, run: Run): Promise<ServerAnswer | undefined> {
    const { clientPort } = this.#options;
    return clientPort.ask({ ...address, timeoutMs: ASK_MS, signal: run.signal }, async (ask) => {
      const [limits] = await ask(LIMITS_STATEMENT);
      const [identity] = mayIdentify(limits) ? await ask(IDENTITY_STATEMENT) : [];
      return readAnswer(limits, identity);
    });
  }
}

/** `namespace/name/role`. */
export function inquiryKey(budgetKey: string, role: ServerRole): string {
  return `${budgetKey}/${role}`;
}

function parseInquiryKey(key: string): { budgetKey: string; role: ServerRole } {
  const at = key.lastIndexOf('/');
  const role = key.slice(at + 1) === 'replicas' ? 'replicas' : 'primary';
  return { budgetKey: key.slice(0, at), role };
}
