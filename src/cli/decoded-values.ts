// Values of a sample as the text of JSON that they are, or would be: for who looks at what stands in them.
import type { RecordChunk } from '../batches/source.ts'
import { readingOf, type SchemaReading, ValueDecoder } from '../formats/known-schemas.ts'
import { namingOf, type SchemaKey } from '../formats/wire-format.ts'
import { registryKey } from '../ops/schemas.ts'
import type { SchemaRegistry } from '../registry/registry.ts'

type Chunk = Pick<RecordChunk, 'values' | 'headers'>

/** null for a value that cannot be decoded, or has none. */
export async function decodedValues(
  chunks: readonly Chunk[],
  registry: SchemaRegistry | null,
  signal: AbortSignal,
): Promise<(Uint8Array | null)[]> {
  const keys = new Set<SchemaKey>()
  for (const { values, headers } of chunks) {
    for (const [index, value] of values.entries()) {
      const naming = namingOf(value, headers[index] ?? null)
      if (naming !== null) keys.add(naming.key)
    }
  }
  const known = new Map<SchemaKey, SchemaReading>()
  if (registry !== null) known.set(registryKey, { kind: 'json' })
  for (const key of registry === null ? [] : [...keys].slice(0, schemasMax)) {
    const text = await registry!.schema(key, signal)
    if (text !== null) known.set(key, await readingOf(text))
  }
  const decoder = new ValueDecoder(known)
  return chunks.flatMap(({ values, headers }) => {
    return values.map((value, index) => decoder.document(value, headers[index] ?? null)?.slice() ?? null)
  })
}

/** A sample of more schemas tells what a sample can. */
const schemasMax = 100
