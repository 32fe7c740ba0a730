// The two CustomResourceDefinitions as objects: names, columns, subresources, and the schema made from zod.
import * as z from 'zod';
import { connectionBudgetSpec, connectionBudgetStatus } from '../connection-budget.ts';
import { connectionPoolSpec, connectionPoolStatus } from '../connection-pool.ts';
import {
  budgetNameSchema,
  budgetRules,
  budgetTexts,
  poolNameSchema,
  poolRules,
  poolTexts,
} from '../manifests.ts';
import { GROUP, VERSION } from '../resources.ts';
import { celRule, type Rule } from '../rules.ts';
import { type JsonSchema, type StructuralSchema, structural } from './structural.ts';

export interface PrinterColumn {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'date';
  readonly description: string;
  /** Relative to the object, with a leading dot. */
  readonly jsonPath: string;
  /** 1: only with `kubectl get -o wide`. */
  readonly priority?: 1;
}

export interface Resource {
  readonly kind: string;
  readonly singular: string;
  readonly plural: string;
  readonly shortNames: readonly string[];
  /** For `kubectl explain` and the reference page: of the whole and of its halves. */
  readonly texts: { readonly object: string; readonly spec: string; readonly status: string };
  readonly spec: z.ZodType;
  readonly status: z.ZodType;
  /** Schema of metadata.name. */
  readonly name: StructuralSchema;
  /** Rules over the whole object. */
  readonly rules: readonly Rule<never>[];
  readonly columns: readonly PrinterColumn[];
  readonly scale?: object;
}

const condition = (type: string, field: string) =>
  `.status.conditions[?(@.type=="${type}")].${field}`;
const readyColumns: readonly PrinterColumn[] = [
  {
    name: 'Ready',
    type: 'string',
    description: 'Whether all is as the spec says.',
    jsonPath: condition('Ready', 'status'),
  },
  {
    name: 'Reason',
    type: 'string',
    description: 'Why it is ready or not, in one word.',
    jsonPath: condition('Ready', 'reason'),
  },
];
const age: PrinterColumn = {
  name: 'Age',
  type: 'date',
  description: 'Time since it was created.',
  jsonPath: '.metadata.creationTimestamp',
};

const pool: Resource = {
  kind: 'ConnectionPool',
  singular: 'connectionpool',
  plural: 'connectionpools',
  shortNames: ['cpool'],
  texts: poolTexts,
  spec: connectionPoolSpec,
  status: connectionPoolStatus,
  name: poolNameSchema,
  rules: poolRules,
  columns: [
    {
      name: 'Mode',
      type: 'string',
      description: 'When a server connection returns to the pool.',
      jsonPath: '.spec.mode',
    },
    {
      name: 'Pods',
      type: 'integer',
      description: 'Pods that serve clients.',
      jsonPath: '.status.readyReplicas',
    },
    {
      name: 'Connections',
      type: 'integer',
      description: "The pool's part of the budget: server connections that its pods may open.",
      jsonPath: '.status.sizing.share',
    },
    {
      name: 'Budget',
      type: 'integer',
      description: 'Server connections that all pools of the same Postgres may open together.',
      jsonPath: '.status.sizing.budget',
    },
    ...readyColumns,
    {
      name: 'Cores',
      type: 'string',
      description: 'Cores of one Postgres instance.',
      jsonPath: '.status.sizing.cores',
      priority: 1,
    },
    {
      name: 'Per-Pod',
      type: 'string',
      description: 'Server connections of each pod.',
      jsonPath: '.status.sizing.perPod',
      priority: 1,
    },
    {
      name: 'Confirmed',
      type: 'string',
      description: 'Pods whose running process has confirmed its configuration.',
      jsonPath: '.status.confirmed',
      priority: 1,
    },
    {
      name: 'Paused',
      type: 'string',
      description:
        'Whether clients wait because spec.pause says so; empty for a pool that never was paused.',
      jsonPath: condition('Paused', 'status'),
      priority: 1,
    },
    {
      name: 'Address',
      type: 'string',
      description: 'What applications connect to.',
      jsonPath: '.status.address',
      priority: 1,
    },
    {
      name: 'Why',
      type: 'string',
      description: 'How the connections came about.',
      jsonPath: '.status.sizing.explanation',
      priority: 1,
    },
    age,
  ],
  scale: {
    specReplicasPath: '.spec.pooler.replicas',
    statusReplicasPath: '.status.replicas',
    labelSelectorPath: '.status.selector',
  },
};

const server = (field: string) => `.status.servers[?(@.name=="primary")].${field}`;
const budget: Resource = {
  kind: 'ConnectionBudget',
  singular: 'connectionbudget',
  plural: 'connectionbudgets',
  shortNames: ['cbudget'],
  texts: budgetTexts,
  spec: connectionBudgetSpec,
  status: connectionBudgetStatus,
  name: budgetNameSchema,
  rules: budgetRules,
  columns: [
    {
      name: 'Budget',
      type: 'integer',
      description: 'Server connections that all pools may open together to the primary.',
      jsonPath: server('budget'),
    },
    {
      name: 'Allotted',
      type: 'integer',
      description: 'Server connections to the primary that pools hold now.',
      jsonPath: server('allotted'),
    },
    {
      name: 'Free',
      type: 'integer',
      description: 'Server connections to the primary that no pool holds.',
      jsonPath: server('free'),
    },
    ...readyColumns,
    {
      name: 'Total',
      type: 'integer',
      description: "The owner's own number, where there is one.",
      jsonPath: '.spec.total',
      priority: 1,
    },
    {
      name: 'Share',
      type: 'integer',
      description: "The owner's part of max_connections in percent, where he says one.",
      jsonPath: '.spec.share',
      priority: 1,
    },
    {
      name: 'Cluster',
      type: 'string',
      description: 'Name of the Postgres cluster.',
      jsonPath: '.spec.postgres.clusterRef.name',
      priority: 1,
    },
    {
      name: 'Host',
      type: 'string',
      description: 'Host of a Postgres that no cluster object stands for.',
      jsonPath: '.spec.postgres.endpoint.host',
      priority: 1,
    },
    age,
  ],
};

export const resources: readonly Resource[] = [pool, budget];

/** The schema of one half (spec or status) as a CRD takes it. */
function half(schema: z.ZodType, name: 'spec' | 'status', description: string): StructuralSchema {
  // The input side: a field with a default need not be given.
  const json = z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'input' }) as JsonSchema;
  return structural({ ...json, description }, name);
}

/** The schema of a whole object. */
export function schemaOf(resource: Resource): StructuralSchema {
  return {
    description: resource.texts.object,
    type: 'object',
    required: ['spec'],
    properties: {
      apiVersion: {
        description: `Always ${GROUP}/${VERSION}.`,
        type: 'string',
      },
      kind: { description: `Always ${resource.kind}.`, type: 'string' },
      metadata: { type: 'object', properties: { name: resource.name } },
      spec: half(resource.spec, 'spec', resource.texts.spec),
      status: half(resource.status, 'status', resource.texts.status),
    },
    'x-kubernetes-validations': resource.rules.map(celRule),
  };
}

/** The CustomResourceDefinition; its keys are in the order in which they are written. */
export function customResourceDefinition(
  resource: Resource,
  annotations: Readonly<Record<string, string>> = {},
): object {
  const { kind, singular, plural, shortNames, columns, scale } = resource;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${plural}.${GROUP}`,
      ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
      labels: { 'app.kubernetes.io/name': 'spillway', 'app.kubernetes.io/part-of': 'spillway' },
    },
    spec: {
      group: GROUP,
      scope: 'Namespaced',
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular,
        shortNames,
        categories: ['spillway'],
      },
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          additionalPrinterColumns: columns,
          schema: { openAPIV3Schema: schemaOf(resource) },
          subresources: { status: {}, ...(scale === undefined ? {} : { scale }) },
        },
      ],
    },
  };
}
