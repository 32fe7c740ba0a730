// The command line of `spillway`: what may be said, and the help that says so.
import { parseArgs } from 'node:util';
import { dnsLabel, dnsSubdomain, type Form, formFault, imageReference } from '../api/patterns.ts';

export const help = `spillway: right-sized connection poolers in front of Postgres on Kubernetes

Usage:
  spillway plan -f FILE [-f FILE ...] [options]
  spillway explain -f FILE [-f FILE ...] [--pool NAMESPACE/NAME] [options]
  spillway explain NAME [-n NAMESPACE] [options]

Plan reads ConnectionPools, ConnectionBudgets and the Postgres objects and Secrets that they name,
and prints what the operator would make of them: the sizes, why, and the manifests. It needs no cluster.

Explain says of a pool where each number comes from, how the connections of its Postgres are shared, what
its applications can open, and how their own connection pools are to be set: HikariCP, SQLAlchemy, Django,
pgxpool, psycopg_pool, node-postgres. With files it needs no cluster; with a NAME it asks the one of the
kubeconfig, and reads no Secret.

Options:
  -f, --filename FILE       YAML or JSON file, a folder of them, or - for standard input; may be repeated
  -n, --namespace NAME      namespace of objects that name none (default "default")
  -o, --output FORMAT       table (default), yaml (the manifests), or json (a list of
                            {namespace, name, sizing, objects}; explain: sizing, clients, shares, settings)
      --pool NAMESPACE/NAME explain this pool of the files alone
      --kubeconfig FILE     of the cluster to ask (default KUBECONFIG, then ~/.kube/config)
      --context NAME        of the kubeconfig, instead of its current one
      --show-secrets        print passwords; without it, every value of a Secret is <redacted>
      --pooler-image IMAGE  image of pools that name none
      --cluster-domain NAME DNS domain of the cluster (default "cluster.local")
      --operator-namespace NAME
                            namespace of the operator, where budgets of endpoints live
                            (default "spillway-system")
  -h, --help                this text
      --version             the version

Exit codes: 0 all is well, 1 the input is invalid (one line for each fault, on standard error),
2 the command line is.
`;

export type Output = 'table' | 'yaml' | 'json';

export interface PlanArguments {
  readonly files: readonly string[];
  readonly namespace: string;
  readonly output: Output;
  readonly showSecrets: boolean;
  readonly poolerImage: string;
  readonly clusterDomain: string;
  readonly operatorNamespace: string;
}

export interface ExplainArguments extends Omit<PlanArguments, 'namespace' | 'showSecrets'> {
  /** Of objects that name none, or of the pool that is asked for in a cluster. */
  readonly namespace: string | undefined;
  readonly output: 'table' | 'json';
  /** `namespace/name` of the one pool of the files that is meant. */
  readonly pool?: string;
  /** Name of a pool in a cluster, instead of files. */
  readonly name?: string;
  readonly kubeconfig?: string;
  readonly context?: string;
}

export type Command =
  | { readonly name: 'plan'; readonly arguments: PlanArguments }
  | { readonly name: 'explain'; readonly arguments: ExplainArguments }
  | { readonly name: 'help' | 'version' };

/** A command line that cannot be understood; the message says what and how. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Throws UsageError. `words` is what follows the program's name. */
export function parseCommand(words: readonly string[]): Command {
  const { values, positionals } = parse(words);
  if (values.help === true || words.length === 0) return { name: 'help' };
  if (values.version === true) return { name: 'version' };
  judge(values);
  const [command, ...rest] = positionals;
  if (command === 'help') return { name: 'help' };
  if (command === 'version') return { name: 'version' };
  if (command === 'explain') return explainCommand(values, rest);
  if (command !== 'plan') {
    throw new UsageError(
      command === undefined ? 'no command: try "spillway plan -f FILE"' : `no command "${command}"`,
    );
  }
  const [surplus] = rest;
  if (surplus !== undefined) {
    throw new UsageError(`plan takes no word "${surplus}": name files with -f ${surplus}`);
  }
  for (const word of ['pool', 'kubeconfig', 'context'] as const) {
    if (values[word] !== undefined) throw new UsageError(`--${word} is for explain`);
  }
  if ((values.filename ?? []).length === 0) {
    throw new UsageError('plan needs -f FILE (or -f - for standard input)');
  }
  const output = values.output ?? 'table';
  if (output !== 'table' && output !== 'yaml' && output !== 'json') {
    throw new UsageError(`-o ${output}: use table, yaml or json`);
  }
  return {
    name: 'plan',
    arguments: {
      ...common(values),
      namespace: values.namespace ?? 'default',
      output,
      showSecrets: values['show-secrets'] ?? false,
    },
  };
}

type Values = ReturnType<typeof parse>['values'];

/** Words that go into what is planned: a wrong one would be a fault of fields that nobody has written. */
const forms: Readonly<Record<string, Form>> = {
  namespace: dnsLabel,
  'operator-namespace': dnsLabel,
  'cluster-domain': dnsSubdomain,
  'pooler-image': imageReference,
};

function judge(values: Values): void {
  if (values.filename?.includes('') === true) {
    throw new UsageError('-f "": name a file, a folder, or - for standard input');
  }
  for (const [word, form] of Object.entries(forms)) {
    const value = values[word as keyof Values];
    const fault = typeof value === 'string' ? formFault(value, form) : undefined;
    if (fault !== undefined) throw new UsageError(`--${word} ${JSON.stringify(value)}: ${fault}`);
  }
  if (values.pool !== undefined && !/^[^/]+\/[^/]+$/.test(values.pool)) {
    throw new UsageError(`--pool ${JSON.stringify(values.pool)}: write it as NAMESPACE/NAME`);
  }
}

function common(values: Values) {
  return {
    // A file that is named twice is still one file.
    files: [...new Set(values.filename ?? [])],
    poolerImage: values['pooler-image'] ?? DEFAULT_POOLER_IMAGE,
    clusterDomain: values['cluster-domain'] ?? 'cluster.local',
    operatorNamespace: values['operator-namespace'] ?? 'spillway-system',
  };
}

function explainCommand(values: Values, [name, surplus]: readonly string[]): Command {
  if (surplus !== undefined) throw new UsageError(`explain takes one name, not "${surplus}" too`);
  const fromFiles = (values.filename ?? []).length > 0;
  if (fromFiles === (name !== undefined)) {
    throw new UsageError(
      'explain needs either files (-f FILE) or the name of a pool in a cluster (NAME -n NAMESPACE)',
    );
  }
  for (const word of ['kubeconfig', 'context'] as const) {
    if (fromFiles && values[word] !== undefined) {
      throw new UsageError(`--${word} is for a pool in a cluster: leave out -f, and give its name`);
    }
  }
  if (!fromFiles && values.pool !== undefined) {
    throw new UsageError('--pool is for files: give the name alone, with -n NAMESPACE');
  }
  const output = values.output ?? 'table';
  if (output !== 'table' && output !== 'json')
    throw new UsageError(`-o ${output}: use table or json`);
  const { pool, kubeconfig, context } = values;
  return {
    name: 'explain',
    arguments: {
      ...common(values),
      namespace: values.namespace,
      output,
      ...(pool === undefined ? {} : { pool }),
      ...(name === undefined ? {} : { name }),
      ...(kubeconfig === undefined ? {} : { kubeconfig }),
      ...(context === undefined ? {} : { context }),
    },
  };
}

/** As in the operator's settings, which this process does not have. */
const DEFAULT_POOLER_IMAGE = 'localhost/spillway/pgbouncer:dev';

function parse(words: readonly string[]) {
  try {
    return parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        filename: { type: 'string', short: 'f', multiple: true },
        namespace: { type: 'string', short: 'n' },
        output: { type: 'string', short: 'o' },
        'show-secrets': { type: 'boolean' },
        pool: { type: 'string' },
        kubeconfig: { type: 'string' },
        context: { type: 'string' },
        'pooler-image': { type: 'string' },
        'cluster-domain': { type: 'string' },
        'operator-namespace': { type: 'string' },
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean' },
      },
    });
  } catch (error) {
    // parseArgs' own words are good; they end with advice about `--` that fits no option of ours.
    const message = error instanceof Error ? error.message : String(error);
    throw new UsageError(message.split('. To specify')[0] ?? message);
  }
}
