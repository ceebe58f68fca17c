// What the requests for decisions are, for programs: an OpenAPI description made of the lakehouse's own fields.
import type { ColumnType } from '../expr/index.ts'
import type { Lakehouse } from '../plan/index.ts'
import { isPlaceApart, type Mapping, type Source } from '../transactions/mapping.ts'
import { shapedRecord } from '../transactions/shaped-record.ts'
import { featureColumns } from './decision.ts'
import { requestedMax } from './decision-requests.ts'
import { keyPattern, keyRememberedMs } from './request-keys.ts'

export type DescribedLakehouse = Pick<
  Lakehouse,
  'names' | 'scored' | 'events' | 'tables' | 'rules' | 'reasons' | 'reading'
>

type Schema = { readonly [name: string]: unknown }

/**
 * An OpenAPI 3.1 document of POST /v1/decisions. A property of a transaction has no type: a value of another
 * type is no wrong request, but a record that is refused.
 */
export function decisionsApi(
  lakehouse: DescribedLakehouse,
  { version, needsToken }: { readonly version: string; readonly needsToken: boolean },
): Schema {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Assay: decisions of transactions',
      version,
      description: 'A transaction is written to the topic of the lakehouse, and answered when it is decided.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    security: needsToken ? [{ token: [] }] : [],
    paths: {
      '/v1/decisions': { post: operation(lakehouse, needsToken) },
      '/v1/decisions/stream': { get: streamOperation(needsToken) },
    },
    components: {
      schemas: schemasOf(lakehouse),
      responses: { Failure: jsonOf('Why there is no decision.', ref('Failure')) },
      ...(needsToken ? { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } } : {}),
    },
  }
}

function operation(lakehouse: DescribedLakehouse, needsToken: boolean): Schema {
  const failure = { $ref: '#/components/responses/Failure' }
  const statuses = ['400', needsToken ? '401' : '403', '413', '415', '422', '500', '503', '504']
  return {
    operationId: 'decide',
    summary: 'Decides one transaction, or a list of them',
    parameters: [
      {
        ...{ name: 'dry_run', in: 'query', required: false },
        description: 'true decides without writing anything, and forgets it.',
        schema: { type: 'string', enum: ['true', 'false'], default: 'false' },
      },
      {
        ...{ name: 'Idempotency-Key', in: 'header', required: false },
        description:
          `For ${keyRememberedMs / 3_600_000} hours a request that is repeated under its key is answered with the ` +
          'decisions of the first, and not written again; one with another body is 422. Of no meaning to a dry run.',
        schema: { type: 'string', pattern: keyPattern },
      },
    ],
    requestBody: {
      required: true,
      content: {
        'application/json': {
          schema: {
            oneOf: [
              ref('Transaction'),
              { type: 'array', items: ref('Transaction'), minItems: 1, maxItems: requestedMax },
            ],
          },
          ...examplesOf(lakehouse),
        },
      },
    },
    responses: {
      '200': jsonOf('The decision; of a list all of them, in its order.', {
        oneOf: [ref('Scored'), ref('Refused'), ref('Decisions')],
      }),
      ...Object.fromEntries(statuses.map((status) => [status, failure])),
    },
  }
}

function streamOperation(needsToken: boolean): Schema {
  const failure = { $ref: '#/components/responses/Failure' }
  return {
    operationId: 'follow',
    summary: 'All decisions from now on, as server-sent events',
    description:
      'Events `decision` have a decision as data, and the place of its record as id. An event `missed` has ' +
      '`{"count": ..}` of decisions that came faster than the client read.',
    responses: {
      '200': {
        description: 'It goes on until one of the two ends it.',
        content: { 'text/event-stream': { schema: { type: 'string' } } },
      },
      ...Object.fromEntries([needsToken ? '401' : '403', '503'].map((status) => [status, failure])),
    },
  }
}

function schemasOf(lakehouse: DescribedLakehouse): Schema {
  const place = {
    topic: { type: 'string' },
    partition: { type: 'integer' },
    offset: { type: 'string', description: 'Of the record in its partition; a whole number of 64 bits.' },
  }
  const reasons = Object.keys(lakehouse.reasons)
  const version = {
    type: 'string',
    description: 'The definitions and settings that decided, as a short hash',
  }
  return {
    Transaction: transactionSchema(lakehouse),
    Scored: objectOf({
      ...place,
      decision: { const: 'scored' },
      id: { type: 'string', description: `${lakehouse.names.event.column} of the transaction` },
      fraud_score: { type: 'integer' },
      risk_level: { type: 'string' },
      requires_review: { type: 'boolean' },
      rules: {
        ...{ type: 'array', description: 'Rules that fire, in their order.' },
        items: objectOf({
          name: { type: 'string', examples: lakehouse.rules.map(({ name }) => name) },
          points: { type: ['integer', 'null'] },
          says: { type: 'string' },
        }),
      },
      features: objectOf(featureSchemas(lakehouse)),
      version,
    }),
    Refused: objectOf({
      ...place,
      decision: { const: 'refused' },
      id: { type: 'string', description: 'Of the record: topic/partition/offset' },
      reasons: {
        type: 'array',
        items: objectOf({ name: { type: 'string', examples: reasons }, meaning: { type: 'string' } }),
      },
      version,
    }),
    Decisions: objectOf({
      decisions: { type: 'array', items: { oneOf: [ref('Scored'), ref('Refused')] } },
    }),
    Failure: objectOf({ error: objectOf({ code: { type: 'string' }, message: { type: 'string' } }) }),
  }
}

function featureSchemas(lakehouse: DescribedLakehouse): Schema {
  if (lakehouse.scored === null) return {}
  const features = Object.entries(featureColumns(lakehouse, lakehouse.scored.path))
  return Object.fromEntries(features.map(([name, type]) => [name, cellSchema(type)]))
}

/** As decisions have the values of columns. */
function cellSchema(type: ColumnType): Schema {
  if (type === 'boolean') return { type: ['boolean', 'null'] }
  if (type === 'int') return { type: ['integer', 'null'] }
  if (type === 'double') return { type: ['number', 'null'] }
  if (type === 'array<string>') return { type: ['array', 'null'], items: { type: 'string' } }
  return { type: ['string', 'null'], description: `${type}, as text` }
}

const readings: Readonly<Record<string, string>> = {
  text: 'a text',
  string: 'a text',
  boolean: 'true or false',
  number: 'a number',
  int: 'a whole number of 32 bits',
  long: 'a whole number of 64 bits',
  whole: 'a whole number of 64 bits',
  cents: 'a number, rounded to cents',
  decimal_text: 'a decimal number as text',
  minor_units: 'a whole number of the smallest unit of the currency',
  iso: 'an instant as text, ISO 8601',
  epoch_s: 'a whole number of seconds since 1970',
  epoch_ms: 'a whole number of milliseconds since 1970',
  epoch_us: 'a whole number of microseconds since 1970',
}

function transactionSchema({ reading }: DescribedLakehouse): Schema {
  const root: Branch = { names: new Map() }
  // Where a lakehouse has transactions, it says by which mapping they are read.
  if (reading !== undefined) {
    for (const [column, { path, as }] of sourcesOf(reading.mapping as Mapping))
      describe(root, path, `${readings[as] ?? as}: column ${column}`)
  }
  const description = 'Other names are kept as they are. What cannot be read is decided as refused.'
  return { type: 'object', description, ...branchSchema(root) }
}

const exampleRecord = {
  transaction_id: 'x-1',
  user_id: 7,
  amount: 9000,
  timestamp: '2026-10-01T00:05:00Z',
  merchant: 'Amazon',
  payment_method: 'crypto',
  location: 'Lagos, Nigeria',
  device_id: 'd-1',
} as const

/** A transaction as records of this lakehouse look; null where it does not say how they do. */
export function exampleTransaction(
  { reading }: Pick<DescribedLakehouse, 'reading'>,
  timestamp: string = exampleRecord.timestamp,
): unknown {
  if (reading === undefined) return null
  return shapedRecord(reading.mapping as Mapping, reading.samples ?? {}, { ...exampleRecord, timestamp }, 0)
}

function examplesOf(lakehouse: DescribedLakehouse): Schema {
  const value = exampleTransaction(lakehouse)
  return value === null ? {} : { examples: { one: { value }, list: { value: [value] } } }
}

function sourcesOf(mapping: Mapping): [string, Source][] {
  const { location, extra, ...others } = mapping
  const places = isPlaceApart(location) ? Object.entries(location) : [['location', location] as const]
  return [...Object.entries(others), ...places, ...Object.entries(extra)].flatMap(([column, source]) =>
    source === null || source === undefined ? [] : [[column, source] as [string, Source]],
  )
}

type Branch = { description?: string; readonly names: Map<string, Branch> }

function describe(root: Branch, path: readonly string[], description: string): void {
  let branch = root
  for (const name of path) {
    const next = branch.names.get(name) ?? { names: new Map<string, Branch>() }
    branch.names.set(name, next)
    branch = next
  }
  branch.description =
    branch.description === undefined ? description : `${branch.description}; ${description}`
}

function branchSchema({ description, names }: Branch): Schema {
  const properties = Object.fromEntries([...names].map(([name, branch]) => [name, branchSchema(branch)]))
  return {
    ...(description === undefined ? {} : { description }),
    ...(names.size === 0 ? {} : { properties }),
  }
}

/** All of its properties are there, and no other. */
function objectOf(properties: Schema): Schema {
  return { type: 'object', properties, required: Object.keys(properties), additionalProperties: false }
}

function ref(name: string): Schema {
  return { $ref: `#/components/schemas/${name}` }
}

function jsonOf(description: string, schema: Schema): Schema {
  return { description, content: { 'application/json': { schema } } }
}
