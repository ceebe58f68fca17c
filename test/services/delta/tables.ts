// The table that the tests of other Delta readers and writers share.
import type { Rows } from '../../../src/columns/column.ts'
import { type DeltaField, DeltaTable, deltaField, deltaType } from '../../../src/delta/index.ts'
import { column } from '../../unit/delta/workshop.ts'
import { columnOf, rowsOf, type StoredType } from '../../unit/parquet/rows.ts'

/** Every type that a table may have, one row per partition. */
export const everyType: readonly DeltaField[] = [
  column('id', 'long', false),
  column('part', 'string'),
  column('day', 'date'),
  column('text', 'string'),
  column('int', 'integer'),
  column('short', 'short'),
  column('byte', 'byte'),
  column('float', 'float'),
  column('double', 'double'),
  column('boolean', 'boolean'),
  column('binary', 'binary'),
  column('amount', 'decimal(18,2)'),
  column('big', 'decimal(38,10)'),
  column('at', 'timestamp'),
  column('list', { type: 'array', elementType: 'string', containsNull: true }),
  column('struct', { type: 'struct', fields: [column('a', 'integer'), column('b', 'timestamp')] }),
  column('map', { type: 'map', keyType: 'string', valueType: 'long', valueContainsNull: true }),
]

export const oddTexts = [
  'plain',
  '../b/=%"\'',
  'a b+c',
  '__HIVE_DEFAULT_PARTITION__',
  'é😀',
  '#?&:;*[x]',
  '%2F',
  'A',
]

/** Rows with ids from `first` on, one per odd partition text and one where everything but the id is null. */
export function everyTypeQuery(first: number): string {
  const texts = oddTexts.map((text) => `'${text.replaceAll("'", "''")}'`).join(', ')
  return `
    SELECT ${first} + i AS id, list_extract([${texts}], i + 1) AS part, DATE '2024-01-01' + i::INTEGER AS day,
      'text ' || i || chr(10) || '"' || repeat('ü', 40) AS "text",
      i * 1000 AS int, i AS short, i - 4 AS byte, i / 3.0 AS float,
      i * 1e100 AS double, i % 2 = 0 AS boolean, ('\\x00\\xFF'::BLOB) AS binary, i * 1.25 AS amount,
      CAST('12345678901234567890.0123456789' AS DECIMAL(38,10)) + i::DECIMAL(28,0) AS big,
      TIMESTAMP '2024-01-01 00:00:00.123456' + to_hours(i) AS at, ['x', NULL, 'y' || i] AS list,
      {'a': i, 'b': TIMESTAMP '1969-12-31 23:59:59.999999'} AS struct, map {'k': i, 'none': NULL} AS map
    FROM range(${oddTexts.length}) r(i)
    UNION ALL SELECT ${first + oddTexts.length}${', NULL'.repeat(everyType.length - 1)}`
}

/** A table of rows that were in memory: 300 in each of two commits, and some nulls in every column. */
export async function tableOfRows(directory: string): Promise<DeltaTable> {
  const types: Readonly<Record<string, StoredType>> = {
    id: 'long',
    part: 'string',
    text: 'string',
    unique: 'string',
    int: 'int',
    double: 'double',
    boolean: 'boolean',
    binary: 'binary',
    amount: 'decimal(18,2)',
    big: 'decimal(28,2)',
    at: 'timestamp',
    day: 'date',
    list: 'array<string>',
    headers: 'headers',
  }
  const fields = Object.entries(types).map(([name, type]) => deltaField(name, deltaType(type)))
  const table = await DeltaTable.createOrEvolve(directory, { fields, partitionColumns: ['part'] })
  for (const first of [0, 1000]) {
    await table.commit(await table.stageRows(rowsFrom(first, types)), {
      appId: 'rows',
      version: BigInt(first),
    })
  }
  return table
}

export const rowsPerStaging = 300

function rowsFrom(first: number, types: Readonly<Record<string, StoredType>>): Rows {
  const row = (id: number): Readonly<Record<string, unknown>> => ({
    part: oddTexts[id % oddTexts.length],
    text: `text ${id % 7}`,
    unique: `${id} ${'é😀'.repeat(20)}`,
    int: id - 2 ** 31,
    double: id / 3,
    boolean: id % 2 === 0,
    binary: Buffer.from([0, id % 256, 255]),
    amount: id * 125 - 1,
    big: 10n ** 27n + BigInt(id),
    at: id * 3_600_000_000 - 1,
    day: id - 1,
    list: [`x${id}`, null, ''].slice(0, id % 4),
    headers: [{ key: 'k', value: id % 2 === 0 ? null : Buffer.from([id % 256]) }],
  })
  const ids = Array.from({ length: rowsPerStaging }, (_, index) => first + index)
  const columns = Object.entries(types).map(([name, type]) => {
    const values = ids.map((id) => (name === 'id' ? id : id % 10 === 9 ? null : row(id)[name]))
    return [name, columnOf(type, values)]
  })
  return rowsOf(Object.fromEntries(columns))
}
