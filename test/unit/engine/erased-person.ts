// A topic in which one person (42) left records of every fate among those of others, and ways to look for
// traces of the person in what lies on the disk.
import { glob, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { DeltaTable, scanSql } from '../../../src/delta/index.ts'
import { quoteText } from '../../../src/delta/sql.ts'
import type { EraseOptions } from '../../../src/engines/erase.ts'
import { importLabels } from '../../../src/labels/import-labels.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { labelsPath } from '../../../src/ops/labels.ts'
import type { RawRecord } from '../../oracle/rows.ts'
import { testOptions } from './pipeline.ts'

export const person = 42
/** In the text values of all of the person's records that have a value, and of nobody else's. */
export const trace = 'Zacharias'
export const recordTables = [
  'bronze/transactions',
  'silver/transactions',
  'silver/quarantine',
  'fraud_detection',
]

export const eraseOptions: Omit<EraseOptions, 'deltaBasePath'> = { ...testOptions, pauseMaxMs: 60_000 }

const startMs = Date.UTC(2026, 9, 1, 10)
const topic = 'payments'

function record(
  offset: number,
  key: string | null,
  value: string | Buffer | null,
  minute: number,
): RawRecord {
  return {
    topic,
    partition: offset % 2,
    offset: BigInt(offset >> 1),
    key: key === null ? null : Buffer.from(key),
    value: typeof value === 'string' ? Buffer.from(value) : value,
    headers: null,
    timestampMs: startMs + minute * 60_000,
  }
}

function payment(user: number, id: string, minute: number, more: object = {}): string {
  return JSON.stringify({
    transaction_id: id,
    user_id: user,
    amount: 10 + (minute % 90),
    merchant: user === person ? `${trace} & Sons` : `Shop ${minute % 3}`,
    payment_method: ['crypto', 'credit_card'][minute % 2],
    location: ['Lagos, Nigeria', 'Paris, France'][minute % 2],
    device_id: `d${user}`,
    timestamp: new Date(startMs + minute * 60_000).toISOString(),
    ...more,
  })
}

/** Records of the person in which something is wrong; all of them are refused. */
const refusedOfPerson: readonly (readonly [key: string | null, value: string | Buffer | null])[] = [
  [String(person), null],
  [String(person), 'no JSON at all'],
  [null, `{"user_id": ${person}, "transaction_id": "${trace}-cut`],
  [null, `{"user_id": "${person}", "transaction_id": "${trace}-text"}`],
  [null, `{"user_id": ${person}.0, "merchant": "${trace}"}`],
  [
    null,
    Buffer.concat([
      Buffer.from(`{"user_id":${person},"merchant":"${trace}`),
      Buffer.from([0xff, 0x22, 0x7d]),
    ]),
  ],
]
/** Not the person's, although 42 is in them. */
const refusedOfOthers = [
  '{"user_id": 420, "amount": 42}',
  '{"user_id": 142}',
  '{"amount": 42, "user_id": 4.2}',
]

/** Three hours of two partitions. */
export function personRecords(count = 180): RawRecord[] {
  const records: RawRecord[] = []
  const add = (key: string | null, value: string | Buffer | null, minute: number): void => {
    records.push(record(records.length, key, value, minute))
  }
  for (let minute = 0; minute < count; minute++) {
    const user = minute % 5 === 0 ? person : 1 + (minute % 4)
    const id = `t-${minute}`
    add(String(user), payment(user, id, minute), minute)
    // Somebody else's record with the id of the person's is refused because of it.
    if (minute % 50 === 0) add('7', payment(7, id, minute), minute)
    if (minute % 60 === 30) add(String(person), payment(person, `late-${minute}`, minute - 120), minute)
    if (minute % 30 === 20) {
      const [key, value] = refusedOfPerson[Math.floor(minute / 30) % refusedOfPerson.length]!
      add(key, value, minute)
      add('1', refusedOfOthers[Math.floor(minute / 30) % refusedOfOthers.length]!, minute)
    }
  }
  return records
}

/** Whether a record is the person's, by how it was made. */
export function isOfPerson({ key, value }: RawRecord): boolean {
  const text = value?.toString() ?? ''
  if (key?.toString() === '7') return false
  return key?.toString() === String(person) || new RegExp(`"user_id": ?"?${person}[",.]`).test(text)
}

let connected: Promise<DuckDBConnection> | null = null

async function ask(select: string): Promise<unknown[][]> {
  connected ??= DuckDBInstance.create(':memory:', { threads: '1' }).then((instance) => instance.connect())
  return (await (await connected).runAndReadAll(select)).getRowsJS() as unknown[][]
}

/** topic, partition and offset of a table's rows, as texts. */
export async function positionsOf(base: string, path: string): Promise<string[]> {
  const table = await DeltaTable.open(join(base, path))
  const scan = scanSql(await table.snapshot(), table.directory)
  const rows = await ask(`SELECT topic || '-' || partition || '@' || "offset" FROM (${scan}) ORDER BY 1`)
  return rows.map(([text]) => String(text))
}

export function positionText({
  topic,
  partition,
  offset,
}: Pick<RawRecord, 'topic' | 'partition' | 'offset'>): string {
  return `${topic}-${partition}@${offset}`
}

/** Chargebacks of one transaction in three, those of the person with a value of the person. */
export async function chargeBack(base: string): Promise<void> {
  const minutes = Array.from({ length: 50 }, (_, index) => index * 3)
  for (const isOfThePerson of [true, false]) {
    const file = join(base, '..', 'chargebacks.csv')
    const ids = minutes.filter((minute) => (minute % 5 === 0) === isOfThePerson)
    const rows = ids.map((minute) => `t-${minute},2026-10-02\n`)
    await writeFile(file, `transaction_id,known_at\n${rows.join('')}`)
    await importLabels({
      ...{ lakehouse: standardLakehouse, deltaBasePath: base, file, source: 'chargeback', duckdb: {} },
      importedBy: isOfThePerson ? trace : 'somebody',
      nowMicros: BigInt(Date.UTC(2026, 9, 3)) * 1000n,
    })
  }
}

/** Every file under the tables of records and of labels that holds a value of the person. */
export async function tracesOf(base: string): Promise<string[]> {
  const found: string[] = []
  for (const table of [...recordTables, labelsPath]) {
    for await (const name of glob('**/*', { cwd: join(base, table), withFileTypes: true })) {
      if (!name.isFile()) continue
      const path = join(name.parentPath, name.name)
      const bytes = await readFile(path)
      const texts = [bytes.toString('latin1')]
      if (path.endsWith('.parquet')) {
        const rows = await ask(`SELECT to_json(r)::VARCHAR FROM read_parquet(${quoteText(path)}) AS r`)
        texts.push(...rows.map(([text]) => String(text)))
      }
      if (texts.some((text) => text.includes(trace))) found.push(path)
    }
  }
  return found
}
