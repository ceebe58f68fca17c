// Reads keys and times of silver's rows into the state. They are taken out of DuckDB's vectors as they lie in
// memory: an object of JavaScript for each text and time took longer than all that the state does with them.
import { type DuckDBConnection, type DuckDBDataChunk, DuckDBTypeId } from '@duckdb/node-api'
import duckdbBindings from '@duckdb/node-bindings'
import { assert } from '../../errors/errors.ts'
import { wholeOfWords } from '../../state/key-hash.ts'
import type { ManyRows } from '../../state/many-rows.ts'
import { turn } from '../../steps/turn.ts'
import { streamOf } from '../database.ts'

/** Bytes of a text that stand in its vector; the rest of a longer one is elsewhere. */
const inlineBytes = 12
/** A text of ASCII is read in so many parts that stand in their vectors; a UUID has three. */
const partCount = 4
const wordsOfPart = 4
const wordsOfInline = inlineBytes / 4

/** Reads the rows of a relation of two columns as SQL names them: a key and a TIMESTAMP, never null. */
export async function takeRows(
  connection: DuckDBConnection,
  relation: string,
  { key, time, isText }: { readonly key: string; readonly time: string; readonly isText: boolean },
  rows: ManyRows,
): Promise<void> {
  const columns = isText ? textColumns(key) : [key]
  const select = `SELECT epoch_us(${time}), ${columns.join(', ')} FROM (${relation})`
  const result = await streamOf(connection, select)
  for (;;) {
    const chunk = await result.fetchChunk()
    if (chunk === null || chunk.rowCount === 0) break
    if (isText) takeTexts(chunk, rows)
    else takeWholes(chunk, rows)
    await turn()
  }
  rows.finish()
}

/** The text where it is long or has other characters, else null; then its parts. */
function textColumns(key: string): string[] {
  const isInParts = `(strlen(${key}) <= ${partCount * inlineBytes} AND strlen(${key}) = length(${key}))`
  const parts = Array.from({ length: partCount }, (_, part) => {
    return `substring(${key}, ${part * inlineBytes + 1}, ${inlineBytes})`
  })
  return [`CASE WHEN ${isInParts} THEN NULL ELSE ${key} END`, ...parts]
}

const words = new Int32Array(partCount * wordsOfInline)

function takeTexts(chunk: DuckDBDataChunk, rows: ManyRows): void {
  const { rowCount } = chunk
  const times = wordsOf(chunk, 0, 2)
  const others = chunk.getColumnVector(1)
  const parts = Array.from({ length: partCount }, (_, part) => wordsOf(chunk, part + 2, wordsOfPart))
  for (let row = 0; row < rowCount; row++) {
    const micros = wholeOfWords(times[row * 2]!, times[row * 2 + 1]!)
    const other = others.getItem(row)
    if (other !== null) {
      assert(typeof other === 'string', 'a text of DuckDB is a string')
      rows.addText(other, micros)
      continue
    }
    const at = row * wordsOfPart
    let length = 0
    for (let part = 0, to = 0; part < partCount; part++, to += wordsOfInline) {
      const values = parts[part]!
      length += values[at]!
      words[to] = values[at + 1]!
      words[to + 1] = values[at + 2]!
      words[to + 2] = values[at + 3]!
    }
    rows.addAscii(words, length, micros)
  }
}

function takeWholes(chunk: DuckDBDataChunk, rows: ManyRows): void {
  const { rowCount } = chunk
  const times = wordsOf(chunk, 0, 2)
  const { typeId } = chunk.getColumnVector(1).type
  assert(
    typeId === DuckDBTypeId.INTEGER || typeId === DuckDBTypeId.BIGINT,
    'a key is a text or a whole number',
  )
  const isLong = typeId === DuckDBTypeId.BIGINT
  const keys = wordsOf(chunk, 1, isLong ? 2 : 1)
  for (let row = 0; row < rowCount; row++) {
    const key = isLong ? wholeOfWords(keys[row * 2]!, keys[row * 2 + 1]!) : keys[row]!
    rows.addWhole(key, wholeOfWords(times[row * 2]!, times[row * 2 + 1]!))
  }
}

/** The values of a column, as words of 32 bits, in the chunk's memory. */
function wordsOf(chunk: DuckDBDataChunk, column: number, wordsOfValue: number): Int32Array {
  const vector = duckdbBindings.data_chunk_get_vector(chunk.chunk, column)
  const data = duckdbBindings.vector_get_data(vector, chunk.rowCount * wordsOfValue * 4)
  return new Int32Array(data.buffer, data.byteOffset, chunk.rowCount * wordsOfValue)
}
