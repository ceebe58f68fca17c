// The table that the tests of other Delta readers and writers share.
import type { DeltaField } from '../../../src/delta/index.ts'
import { column } from '../../unit/delta/workshop.ts'

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
