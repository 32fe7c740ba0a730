// The reference pages: every field with its type, default, bounds and rules, from the schema of the CRD.
import { parameters } from '../../engines/pgbouncer/parameters.ts';
import { parameterForm, refusalOf } from '../parameters.ts';
import { GROUP, VERSION } from '../resources.ts';
import { type Resource, schemaOf } from './crd.ts';
import type { StructuralSchema } from './structural.ts';

const notice = '<!-- Generated from operator/api by `npm run generate`. Do not edit. -->\n\n';

/** The page of one resource. */
export function referencePage(resource: Resource): string {
  const { kind, shortNames, plural, columns, texts } = resource;
  const schema = schemaOf(resource);
  const { spec, status } = schema.properties ?? {};
  const wide = (priority?: 1) =>
    columns
      .filter((column) => column.priority === priority)
      .map((column) => `- **${column.name}**: ${column.description}`)
      .join('\n');
  return [
    `${notice}# ${kind}`,
    texts.object,
    `\`apiVersion: ${GROUP}/${VERSION}\`, \`kind: ${kind}\`, namespaced. \`kubectl get ${plural}\`, short \`${shortNames.join('`, `')}\`.`,
    'Under each table stand the rules: the API server refuses an object that breaks one of them, with that message.',
    rulesOf({ ...schema, properties: {} }, ''),
    ...sections('spec', spec),
    ...sections('status', status),
    `## Columns of \`kubectl get\`\n\n${wide()}\n\nWith \`-o wide\` also:\n\n${wide(1)}`,
  ]
    .join('\n\n')
    .concat('\n');
}

/** One section for each object of fields, outermost first. */
function sections(path: string, schema: StructuralSchema | undefined): string[] {
  if (schema?.properties === undefined) return [];
  const rows = Object.entries(schema.properties).map(([name, child]) => {
    const required = schema.required?.includes(name) === true && child.default === undefined;
    return `| \`${name}\` | ${typeOf(child)} | ${required ? '**required**' : defaultOf(child)} | ${cell(child.description ?? '')}${boundsOf(child)} |`;
  });
  const heading = path.includes('.') || path.includes('[') ? '###' : '##';
  return [
    `${heading} ${path}`,
    cell(schema.description ?? ''),
    ['| Field | Type | Default | Meaning |', '| --- | --- | --- | --- |', ...rows].join('\n'),
    rulesOf(schema, path),
    ...Object.entries(schema.properties).flatMap(([name, child]) => [
      ...sections(`${path}.${name}`, child),
      ...sections(
        `${path}.${name}[]`,
        child.items && { ...child.items, description: `An entry of \`${path}.${name}\`.` },
      ),
    ]),
  ].filter((part) => part !== '');
}

function typeOf(schema: StructuralSchema): string {
  if (schema['x-kubernetes-int-or-string'] === true) return 'integer or string';
  if (schema.items !== undefined) return `list of ${typeOf(schema.items)}`;
  if (schema.additionalProperties !== undefined) {
    return `map of ${typeOf(schema.additionalProperties)}`;
  }
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${value}\``).join(', ');
  return schema.type ?? '';
}

function defaultOf({ default: value, properties }: StructuralSchema): string {
  if (value === undefined) return '';
  if (typeof value !== 'object') return `\`${value}\``;
  // Made of the defaults of its fields, which stand at each of them.
  const ofFields = Object.entries(properties ?? {}).filter(
    ([, child]) => child.default !== undefined,
  );
  const composed = JSON.stringify(
    Object.fromEntries(ofFields.map(([k, child]) => [k, child.default])),
  );
  const text = JSON.stringify(value);
  return properties !== undefined && text === composed ? '' : `\`${text}\``;
}

function boundsOf(schema: StructuralSchema): string {
  const { minimum, maximum, maxLength, maxItems, maxProperties } = schema;
  const words = [
    ...(minimum !== undefined && maximum !== undefined ? [`From ${minimum} to ${maximum}.`] : []),
    ...(minimum !== undefined && maximum === undefined && minimum > 0
      ? [`At least ${minimum}.`]
      : []),
    ...(maxLength !== undefined && schema['x-kubernetes-int-or-string'] !== true
      ? [`At most ${maxLength} characters.`]
      : []),
    ...(maxItems !== undefined ? [`At most ${maxItems} entries.`] : []),
    ...(maxProperties !== undefined ? [`At most ${maxProperties} entries.`] : []),
  ];
  return words.map((word) => ` ${word}`).join('');
}

/** The rules of an object, and those of its fields that have no section of their own. */
function rulesOf(schema: StructuralSchema, path: string): string {
  const found: string[] = [];
  const visit = (node: StructuralSchema | undefined, at: string): void => {
    for (const rule of node?.['x-kubernetes-validations'] ?? []) {
      const { message } = rule as { message: string };
      const line = at === path ? `- ${cell(message)}` : `- \`${at}\`: ${cell(message)}`;
      if (!found.includes(line)) found.push(line);
    }
  };
  visit(schema, path);
  for (const [name, child] of Object.entries(schema.properties ?? {})) {
    if (child.properties !== undefined) continue;
    visit(child, name);
    visit(child.additionalProperties, `${name}.*`);
    if (child.items?.properties === undefined) visit(child.items, `${name}[]`);
  }
  return found.join('\n');
}

/** The page of `spec.parameters`. */
export function parametersPage(): string {
  const known = [...parameters].sort((a, b) => (a.name < b.name ? -1 : 1));
  const allowed = known
    .filter((p) => refusalOf(p) === undefined)
    .map(
      (p) =>
        `| \`${p.name}\` | ${cell(parameterForm(p) ?? 'any text of one line')} | ${p.applies === 'reload' ? 'at once' : 'pods are replaced, one at a time'} |`,
    );
  const refused = known.flatMap((p) => {
    const message = refusalOf(p);
    return message === undefined ? [] : [`- ${cell(message)}`];
  });
  return [
    `${notice}# spec.parameters`,
    "PgBouncer's own settings, by its own names, as strings:",
    '```yaml\nspec:\n  parameters:\n    query_wait_timeout: "30"\n```',
    '## Settings that may be set',
    ['| Setting | Value | Takes effect |', '| --- | --- | --- |', ...allowed].join('\n'),
    '## Settings that are refused',
    refused.join('\n'),
  ]
    .join('\n\n')
    .concat('\n');
}

/** Text in a table: a bar would end the cell, an angle bracket would begin a tag. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}
