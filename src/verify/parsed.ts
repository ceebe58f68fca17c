// What the records of a slice are by their own bytes, as the definition of silver says: what is valid and its
// cells, what is refused and why, what is late, and what repeats a row of silver.

import { assert } from '../errors/errors.ts'
import { boundDuckdb, compileTable, type Dialect } from '../sql/index.ts'
import type { WrittenLakehouse } from './lakehouse.ts'
import { keys, samePosition } from './position.ts'
import { type Slice, sliceOf } from './slice.ts'
import { isStreamedLakehouse } from './streamed.ts'

const silver = 'silver/transactions'

/**
 * `parsed`: every record of the slice with its fields and invalid reasons, and the time of its batch.
 * `expected_silver`: the valid ones as silver's rows.
 */
export function prepareParsed(lakehouse: WrittenLakehouse, slice: Slice): Promise<void> {
  return slice.prepare('parsed', async () => {
    const { connection } = lakehouse
    const bound = boundDuckdb({ watermark: null, ...slice.rules.settings.parameters })
    // All batches of the slice at once: the time of each comes with its rows.
    const dialect: Dialect = {
      ...bound,
      parameter: (name, type) => (name === 'processing_time' ? name : bound.parameter(name, type)),
    }
    const compiled = compileTable(dialect, slice.definition(silver).rows.node)
    const parsed = compiled.shared.find(({ name }) => name === 'parsed_batch')
    assert(parsed, 'silver parses in a relation of its own')
    await connection.run(`CREATE OR REPLACE TEMP VIEW bronze_batch AS SELECT * FROM ${sliceOf.bronze}`)
    // Bytes stay in bronze: they are most of it.
    const rows = `SELECT * EXCLUDE (kafka_key, value, is_late, is_candidate) FROM (${parsed.sql})`
    // The rows of a streaming query have a time of their own, by which they are judged.
    const timed = `SELECT p.* REPLACE (t.batch_time AS processing_time, CAST(t.batch_time AS DATE) AS processing_date)
      FROM (${rows}) AS p JOIN ${sliceOf.bronze} AS t ON ${samePosition('t', 'p')}`
    await connection.run(
      `CREATE OR REPLACE TEMP TABLE parsed AS ${isStreamedLakehouse(lakehouse) ? timed : rows}`,
    )
    // What the definition says of a row that is accepted, without its way to judge late rows and repeats.
    await connection.run(
      `CREATE OR REPLACE TEMP VIEW judged_batch AS SELECT *, NULL::BLOB AS kafka_key, NULL::BLOB AS value,
        false AS is_late, false AS is_candidate, false AS is_duplicate, invalid AS reasons,
        len(invalid) = 0 AS is_accepted FROM parsed`,
    )
    await connection.run(`CREATE OR REPLACE TEMP VIEW expected_silver AS ${compiled.sql}`)
  })
}

/**
 * `refused`: the valid records of the slice that are not in silver, each with what else can have kept it out:
 * `is_late`, by the watermark that its batch began with, and `repeats`, where a row of silver with the id, near
 * enough in time, had arrived.
 */
export function prepareRefused(lakehouse: WrittenLakehouse, slice: Slice): Promise<void> {
  return slice.prepare('refused', async () => {
    await prepareParsed(lakehouse, slice)
    const { connection } = lakehouse
    await connection.run(`CREATE OR REPLACE TEMP TABLE candidates AS
      SELECT ${keys}, p.processing_time, p.transaction_id, p.event_time,
        coalesce(p.event_time < b.late_before, false) AS is_late
      FROM (SELECT * FROM parsed ANTI JOIN ${sliceOf.silver} USING (${keys}) WHERE len(invalid) = 0) AS p
      LEFT JOIN ${sliceOf.batches} AS b ON b.time = p.processing_time`)
    const dedupMicros = slice.dedupMicros
    const reader = await connection.runAndReadAll(
      'SELECT min(epoch_us(event_time)), max(epoch_us(event_time)) FROM candidates WHERE NOT is_late',
    )
    const [first, last] = reader.getRows()[0] as [bigint | null, bigint | null] // As selected.
    const near = lakehouse.rowsWithin(silver, 'event_time', {
      fromMicros: (first ?? 0n) - dedupMicros,
      toMicros: (last ?? 0n) + dedupMicros,
    })
    await connection.run(`CREATE OR REPLACE TEMP TABLE refused AS
      SELECT c.*, r.topic IS NOT NULL AS repeats FROM candidates AS c LEFT JOIN (
        SELECT DISTINCT c.topic, c.partition, c."offset" FROM (${near}) AS first JOIN candidates AS c
          ON c.transaction_id = first.transaction_id
        WHERE NOT c.is_late AND abs(epoch_us(first.event_time) - epoch_us(c.event_time)) <= ${dedupMicros}
          AND ${arrivalOf('first')} < ${arrivalOf('c')}
      ) AS r ON ${samePosition('r', 'c')}`)
    await connection.run('DROP TABLE candidates')
  })
}

const arrivalOf = (row: string): string =>
  `(${row}.processing_time, ${row}.topic, ${row}.partition, ${row}."offset")`
