// Samples of the rules about PgBouncer's own settings: made from the table of them.
import { parameters, type ValueType } from '../../../operator/engines/pgbouncer/parameters.ts';
import { good, parameter, type Sample } from './sample.ts';

/** A value of a type, and one that it does not take. */
function valuesOf(type: ValueType): { good: string; bad: readonly string[] } {
  switch (type.kind) {
    case 'boolean':
      return { good: '1', bad: ['on', 'true', '2', ''] };
    case 'integer':
      return {
        good: String(type.max),
        bad: [String(type.max + 1), '-1', '010', '1s', '0x10', '', '1.5'],
      };
    case 'duration':
      return { good: `${type.max}.0`, bad: [`${type.max}.1`, '-1', '5s', '1e3', '.5', ''] };
    case 'choice':
      return { good: type.values[0] ?? '', bad: ['', 'nonsense'] };
    case 'choices':
      return { good: type.values.slice(0, 2).join(type.separator), bad: ['', 'x', ',', ':'] };
    case 'names':
      return { good: 'extra_float_digits, search_path', bad: ['a b', 'a,', '1a', 'a;b'] };
    case 'text':
      return { good: 'SELECT 1;', bad: [] };
  }
}
export const parameterSamples: readonly Sample[] = parameters.flatMap((p): Sample[] => {
  const at = `spec.parameters.${p.name}`;
  if (p.managed !== undefined || p.since !== undefined || p.type === undefined) {
    const says = p.managed === undefined ? p.name : `parameters: ${p.name} is set by Spillway`;
    const rule = 'parameters: some are set by Spillway itself';
    return [{ says, rule, at, refused: parameter(p.name, '1'), accepted: good }];
  }
  const { good: fine, bad } = valuesOf(p.type);
  const says = `parameters: ${p.name} must be`;
  const accepted = parameter(p.name, fine);
  const rule = 'parameters: some have a value';
  return bad.map((value) => ({ says, rule, at, refused: parameter(p.name, value), accepted }));
});

/** A wrong name, and what the API server says of it. */
const unknownNames = {
  query_timeot: 'query_timeot: did you mean query_timeout?',
  query_timeout2: 'query_timeout2: did you mean query_timeout?',
  qurey_timeout: 'qurey_timeout: did you mean query_timeout?',
  Query_Timeout: 'Query_Timeout: did you mean query_timeout?',
  server_idel_timeout: 'server_idel_timeout: did you mean server_idle_timeout?',
  max_db_connection: 'max_db_connection: did you mean max_db_connections?',
  work_mem: 'work_mem: remove it, or correct its name',
  'a\nb': 'a?b: remove it, or correct its name',
  '': ': remove it, or correct its name',
  [`${'x'.repeat(300)}`]: `${'x'.repeat(40)}: remove it, or correct its name`,
};
export const textSamples: readonly Sample[] = [
  ...Object.entries(unknownNames).map(([name, says]) => ({
    says: `parameters: PgBouncer has no parameter ${says}`,
    rule: 'parameters has a name that is not known',
    at: /^\w+$/.test(name) ? `spec.parameters.${name}` : `spec.parameters[${JSON.stringify(name)}]`,
    refused: parameter(name, '30'),
    accepted: good,
  })),
  {
    says: 'must not have a newline or another control character',
    at: 'spec.parameters.server_reset_query',
    refused: parameter('server_reset_query', 'DISCARD ALL\n%include /etc/passwd'),
    accepted: parameter('server_reset_query', 'DISCARD ALL'),
  },
  {
    says: 'must not have a newline or another control character',
    at: 'spec.parameters.server_check_query',
    refused: parameter('server_check_query', '\ufeffSELECT 1'),
    accepted: parameter('server_check_query', 'SELECT 1'),
  },
  {
    says: 'parameters: ignore_startup_parameters must be',
    rule: 'parameters: some have a value',
    at: 'spec.parameters.ignore_startup_parameters',
    refused: parameter('ignore_startup_parameters', 'a\u00a0,b'),
    accepted: parameter('ignore_startup_parameters', 'a ,b'),
  },
  {
    says: 'must not begin or end with a blank',
    at: 'spec.parameters.server_check_query',
    refused: parameter('server_check_query', 'SELECT 1 '),
    accepted: parameter('server_check_query', ''),
  },
];
