// Values in the wire format of a schema registry, through all tables: as the same transactions in JSON, also
// when they are carried again without the registry.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import avsc from 'avsc'
import protobufjs from 'protobufjs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { SourceNotice } from '../../../src/batches/notice.ts'
import type { RecordChunk } from '../../../src/batches/source.ts'
import { Decider } from '../../../src/decisions/decider.ts'
import { findErasable } from '../../../src/engines/erase.ts'
import { SchemaRegistry } from '../../../src/registry/registry.ts'
import { verifyLakehouse } from '../../../src/verify/verify.ts'
import type { RawRecord } from '../../oracle/rows.ts'
import { failedChecks, verifyOptions } from '../verify/damaged-lakehouse.ts'
import { memorySource } from './memory-source.ts'
import { type Lakehouse, newLakehouse, runOnce, testOptions } from './pipeline.ts'
import { RegistryServer } from './registry-server.ts'
import { restoreTable, rowsOfTable } from './written-tables.ts'

let lakehouse: Lakehouse
let server: RegistryServer
let url: string

beforeEach(async () => {
  lakehouse = await newLakehouse()
  server = new RegistryServer()
  url = await server.listen()
})
afterEach(async () => {
  await lakehouse.remove()
  await server.close()
})

const guid = '6f9619ff-8b86-d011-b42d-00c04fc964ff'
const avro = (...fields: object[]) => ({ type: 'record', name: 'Transaction', namespace: 'shop', fields })
const field = (name: string, type: unknown) => ({ name, type })
const cents = { type: 'bytes', logicalType: 'decimal', precision: 12, scale: 2 }
const millis = { type: 'long', logicalType: 'timestamp-millis' }
const first = avro(
  field('transaction_id', 'string'),
  field('user_id', 'int'),
  field('amount', cents),
  field('merchant', ['null', 'string']),
  field('timestamp', millis),
)
/** Other fields in another order, one of a type of its own that is referred to, and one that nobody reads. */
const second = avro(
  field('more', { type: 'map', values: 'double' }),
  field('timestamp', { type: 'long', logicalType: 'timestamp-micros' }),
  field('payment_method', 'shop.Method'),
  field('user_id', 'long'),
  field('amount', 'double'),
  field('transaction_id', 'string'),
  field('merchant', 'string'),
)
const method = { type: 'enum', name: 'Method', namespace: 'shop', symbols: ['card', 'crypto'] }
const proto = `syntax = "proto3"; package shop; import "google/protobuf/timestamp.proto";
  import "method.proto";
  message Other { string x = 1; }
  message Transaction { string transaction_id = 1; int64 user_id = 2; double amount = 3; string merchant = 4;
    google.protobuf.Timestamp timestamp = 5; Method payment_method = 6; }`
const protoMethod = 'syntax = "proto3"; package shop; enum Method { card = 0; crypto = 1; }'

function fill(of: RegistryServer): void {
  const reference = (name: string) => ({ name, subject: name, version: 1 })
  of.schemas.set('1', { schema: JSON.stringify(first) })
  of.schemas.set('2', { schema: JSON.stringify(second), references: [reference('shop.Method')] })
  of.schemas.set('70000', {
    schema: proto,
    schemaType: 'PROTOBUF',
    references: [reference('method.proto')],
  })
  of.schemas.set('4', { schema: '{"type":"object"}', schemaType: 'JSON' })
  of.schemas.set(guid, { schema: JSON.stringify(first) })
  of.subjects.set('shop.Method 1', { schema: JSON.stringify(method) })
  of.subjects.set('method.proto 1', { schema: protoMethod, schemaType: 'PROTOBUF' })
}

const firstType = avsc.Type.forSchema(first as avsc.Schema)
const registryOfTypes = {}
avsc.Type.forSchema(method as avsc.Schema, { registry: registryOfTypes })
const secondType = avsc.Type.forSchema(second as avsc.Schema, { registry: registryOfTypes })
const protoRoot = protobufjs.parse(
  `${proto.replace('import "method.proto";', '')} enum Method { card = 0; crypto = 1; }`,
  {
    keepCase: true,
  },
).root
protoRoot.addJSON(protobufjs.common.get('google/protobuf/timestamp.proto')!.nested!)
const protoType = protoRoot.lookupType('shop.Transaction')

function wire(id: number, body: Uint8Array, indexes: readonly number[] = []): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(id, 1)
  return Buffer.concat([head, Buffer.from(indexes), body])
}

type Made = { readonly json: Buffer; readonly value: Buffer; readonly headers: RawRecord['headers'] }

/** The same transaction in JSON and in one of the formats. */
function made(index: number): Made {
  const id = `t${index}`
  const amount = (index % 50) * 250 + 1.25
  const ms = Date.UTC(2026, 9, 1, 10) + index * 1000
  const facts = { transaction_id: id, user_id: index % 9, amount, timestamp: new Date(ms).toISOString() }
  const payment_method = index % 2 === 0 ? 'card' : 'crypto'
  const merchant = `Shop "${index % 3}" ü`
  const unscaled = Buffer.alloc(4)
  unscaled.writeInt32BE(Math.round(amount * 100))
  const ofFirst = { ...facts, amount: unscaled, merchant: index % 7 === 0 ? null : merchant, timestamp: ms }
  const jsonOfFirst = { ...facts, merchant: ofFirst.merchant }
  const json = (of: object) => Buffer.from(JSON.stringify(of))
  switch (index % 6) {
    case 0:
      return {
        json: json(jsonOfFirst),
        value: json(jsonOfFirst),
        headers: [{ key: 'trace', value: Buffer.from('x') }],
      }
    case 1:
      return { json: json(jsonOfFirst), value: wire(1, firstType.toBuffer(ofFirst)), headers: null }
    case 2: {
      const of = { ...facts, more: { a: 1 }, payment_method, merchant, timestamp: ms * 1000 }
      return {
        json: json({ ...facts, payment_method, merchant }),
        value: wire(2, secondType.toBuffer(of)),
        headers: [],
      }
    }
    case 3: {
      const timestamp = { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1_000_000 }
      const of = protoType.fromObject({ ...facts, merchant, payment_method, timestamp })
      const value = wire(70000, protoType.encode(of).finish(), [2, 2])
      return { json: json({ ...facts, merchant, payment_method }), value, headers: null }
    }
    case 4:
      return { json: json(jsonOfFirst), value: wire(4, json(jsonOfFirst)), headers: null }
    default: {
      const name = Buffer.concat([Buffer.from([1]), Buffer.from(guid.replaceAll('-', ''), 'hex')])
      const headers = [{ key: '__value_schema_id', value: name }]
      return { json: json(jsonOfFirst), value: firstType.toBuffer(ofFirst), headers }
    }
  }
}

function recordsOf(
  values: readonly { readonly value: Uint8Array; readonly headers: RawRecord['headers'] }[],
) {
  return values.map(({ value, headers }, index): RawRecord => {
    const timestampMs = Date.UTC(2026, 9, 1, 12) + index
    return {
      topic: 't',
      partition: 0,
      offset: BigInt(index),
      key: null,
      value,
      headers,
      timestampMs,
    } as RawRecord
  })
}

function client(
  onNotice: (notice: SourceNotice) => void = () => undefined,
  giveUpAfterMs?: number,
): SchemaRegistry {
  const connection = { urls: [url], login: { kind: 'none' }, tls: {} } as const
  return new SchemaRegistry({
    connection,
    onNotice,
    ...(giveUpAfterMs === undefined ? {} : { giveUpAfterMs }),
  })
}

const recordsPerBatchMax = 60
const columns = '* EXCLUDE (processing_time, processing_date)'
const silverOf = (of: Lakehouse) => rowsOfTable(join(of.base, 'silver/transactions'), columns)
const reasonsOf = (of: Lakehouse) => rowsOfTable(join(of.base, 'silver/quarantine'), 'reasons')

test('every format is as the JSON of the same, now and carried again without the registry', async () => {
  fill(server)
  const all = Array.from({ length: 180 }, (_, index) => made(index))
  const plain = await newLakehouse()
  try {
    const asJson = memorySource(recordsOf(all.map(({ json }) => ({ value: json, headers: null }))))
    await runOnce(plain, { recordsPerBatchMax }, asJson)
    const source = memorySource(recordsOf(all))
    await runOnce(lakehouse, { recordsPerBatchMax, registry: client() }, source)
    const expected = await silverOf(plain)
    expect(expected).toHaveLength(180)
    expect(await silverOf(lakehouse)).toEqual(expected)
    expect(server.asked.toSorted()).toEqual([
      `/schemas/guids/${guid}`,
      ...['1', '2', '4', '70000'].map((id) => `/schemas/ids/${id}`),
      '/subjects/method.proto/versions/1',
      '/subjects/shop.Method/versions/1',
    ])
    expect(failedChecks(await verifyLakehouse(verifyOptions(lakehouse.base), null))).toEqual([])
    await restoreTable(lakehouse.base, 'silver/transactions', 1n)
    await runOnce(lakehouse, { recordsPerBatchMax }, source)
    expect(await silverOf(lakehouse)).toEqual(expected)
    expect(failedChecks(await verifyLakehouse(verifyOptions(lakehouse.base), null))).toEqual([])
  } finally {
    await plain.remove()
  }
})

test('what is unknown or damaged is refused with its reason, and stays so when the schema comes later', async () => {
  fill(server)
  const good = made(1)
  const bad = [
    wire(99, Buffer.from('x')),
    good.value.subarray(0, 9),
    wire(4, Buffer.from('{"a":')),
    wire(3, Buffer.alloc(9)),
  ]
  server.schemas.set('3', { schema: 'no schema' })
  const values = [good.value, ...bad, Buffer.from([0, 1])].map((value) => ({ value, headers: null }))
  const odd = { value: good.value, headers: [{ key: '__value_schema_id', value: Buffer.from('??') }] }
  const codes: string[] = []
  const source = memorySource(recordsOf([...values, odd]))
  await runOnce(
    lakehouse,
    { recordsPerBatchMax, registry: client(), onNotice: ({ code }) => codes.push(code) },
    source,
  )
  expect(await silverOf(lakehouse)).toHaveLength(1)
  const reasons = ['malformed', 'malformed', 'schema_unknown', 'undecodable', 'undecodable', 'undecodable']
  expect(await reasonsOf(lakehouse)).toEqual(reasons.map((reason) => ({ reasons: [reason] })))
  expect(codes).toEqual(expect.arrayContaining(['SCHEMA_UNKNOWN', 'SCHEMA_UNREADABLE']))
  server.schemas.set('99', { schema: JSON.stringify(first) })
  const later = recordsOf([...values, odd, { value: wire(99, good.value.subarray(5)), headers: null }])
  await runOnce(lakehouse, { recordsPerBatchMax, registry: client() }, memorySource(later))
  expect(failedChecks(await verifyLakehouse(verifyOptions(lakehouse.base), null))).toEqual([])
  const again = reasons.map((reason) => ({ reasons: [reason] }))
  expect(await reasonsOf(lakehouse)).toEqual([{ reasons: ['duplicate'] }, ...again])
})

test('a refused record is found by the person whom its schema tells', async () => {
  fill(server)
  const twice = [made(1), made(1), made(2)]
  await runOnce(lakehouse, { recordsPerBatchMax, registry: client() }, memorySource(recordsOf(twice)))
  expect(await reasonsOf(lakehouse)).toEqual([{ reasons: ['duplicate'] }])
  const options = { ...testOptions, deltaBasePath: lakehouse.base, pauseMaxMs: 0 }
  expect(await findErasable(options, [1n])).toMatchObject({ records: 2n })
  expect(await findErasable(options, [2n])).toMatchObject({ records: 1n })
})

test('without a registry such values are no JSON, and the run says why', async () => {
  const codes: string[] = []
  const source = memorySource(recordsOf([made(1), made(5), made(0)]))
  await runOnce(lakehouse, { recordsPerBatchMax, onNotice: ({ code }) => codes.push(code) }, source)
  expect(await reasonsOf(lakehouse)).toEqual([{ reasons: ['malformed'] }, { reasons: ['malformed'] }])
  expect(codes).toContain('SCHEMA_REGISTRY_UNSET')
  // With one that does not have it, a later batch knows why.
  const later = memorySource(recordsOf([made(1), made(5), made(0), made(7)]))
  await runOnce(lakehouse, { recordsPerBatchMax, registry: client() }, later)
  const all = await reasonsOf(lakehouse)
  expect(all.map(({ reasons }) => String(reasons)).sort()).toEqual([
    'malformed',
    'malformed',
    'schema_unknown',
  ])
  expect(failedChecks(await verifyLakehouse(verifyOptions(lakehouse.base), null))).toEqual([])
})

test('a registry that is away is waited for, and nothing is refused meanwhile', async () => {
  fill(server)
  server.failing = { status: 503, body: '' }
  const codes: string[] = []
  const hear = ({ code }: SourceNotice) => void codes.push(code)
  const running = runOnce(
    lakehouse,
    { recordsPerBatchMax, registry: client(hear) },
    memorySource(recordsOf([made(1)])),
  )
  while (server.asked.length < 3) await sleep(5)
  server.failing = null
  await running
  expect(await silverOf(lakehouse)).toHaveLength(1)
  expect(codes).toEqual(['SCHEMA_REGISTRY_UNREACHABLE', 'SCHEMA_REGISTRY_BACK'])
})

test.each([
  [{ status: 404, body: '<html>not found</html>' }, 'SCHEMA_REGISTRY_REFUSED'],
  [{ status: 401, body: '{"error_code":40101,"message":"no"}' }, 'SCHEMA_REGISTRY_REFUSED'],
  [{ status: 301, body: '' }, 'SCHEMA_REGISTRY_REFUSED'],
  [{ status: 500, body: '' }, 'SCHEMA_REGISTRY_UNREACHABLE'],
])('an answer %o ends a run with an end, and refuses no record', async (failing, code) => {
  server.failing = failing
  const source = memorySource(recordsOf([made(1)]))
  const run = runOnce(lakehouse, { recordsPerBatchMax, registry: client(undefined, 1) }, source)
  await expect(run).rejects.toMatchObject({ code })
  await expect(reasonsOf(lakehouse)).resolves.toEqual([])
})

test('it is asked with the login, which is in no message', async () => {
  fill(server)
  const login = { kind: 'basic', username: 'u', password: 'pass-word' } as const
  const registry = new SchemaRegistry({ connection: { urls: [url], login, tls: {} } })
  expect(await registry.schema('4', AbortSignal.timeout(5_000))).toMatchObject({ type: 'JSON' })
  expect(server.authorizations).toEqual(new Set([`Basic ${Buffer.from('u:pass-word').toString('base64')}`]))
  server.failing = { status: 403, body: '' }
  const failure = await registry.schema('4', AbortSignal.timeout(5_000)).catch((error: Error) => error)
  expect(String(failure)).toMatch(/login/)
  expect(String(failure)).not.toMatch(/pass-word/)
  registry.close()
})

test('values are decided as the same transactions in JSON, by schemas that no run has met', async () => {
  fill(server)
  const registry = client()
  const options = { ...testOptions, deltaBasePath: lakehouse.base, registry, stateBytesMax: 2 ** 30 }
  const decider = await Decider.open(options)
  const records = Array.from({ length: 120 }, (_, index) => made(index))
  const chunkOf = (values: readonly Buffer[], headers: RecordChunk['headers']): RecordChunk => ({
    ...{ topic: 't', partition: 0, count: values.length, timestampsMs: null },
    offsets: BigInt64Array.from(values, (_, index) => BigInt(index)),
    keys: values.map(() => null),
    ...{ values, headers },
  })
  const wired = chunkOf(
    records.map(({ value }) => value),
    records.map(({ headers }) => headers),
  )
  const asJson = chunkOf(
    records.map(({ json }) => json),
    records.map(() => null),
  )
  const nowMicros = BigInt(Date.UTC(2026, 9, 1, 12)) * 1000n
  await decider.prepare([wired], nowMicros, new AbortController().signal)
  const decisions = decider.tryOut(wired, nowMicros)
  expect(decisions.filter(({ decision }) => decision === 'scored').length).toBeGreaterThan(100)
  expect(decisions).toEqual(decider.tryOut(asJson, nowMicros))
  await decider.close()
  registry.close()
})
