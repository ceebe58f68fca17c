// The generator's records in the format that is asked for, by a schema that is registered for the topic.
import type { Config } from '../config/config.ts'
import { LakehouseError } from '../errors/errors.ts'
import { createGenerator, type WorldOptions } from '../produce/generator.ts'
import type { KeyAndValue } from '../produce/produce.ts'
import { type RecordFormat, recordEncoder, recordFormats, wireValue } from '../produce/record-formats.ts'
import type { Project } from '../project/project.ts'
import { recordShape } from './record-shape.ts'
import { schemaRegistryOf } from './schema-registry.ts'

type Shape = (of: KeyAndValue) => KeyAndValue
type JsonRecord = Readonly<Record<string, unknown>>

/** So many records say what the schema is. */
const sampleRecords = 500

/**
 * null where records are as they are generated. Fails with CONFIG_INVALID where a format needs a registry,
 * and none is set.
 */
export async function formattedShape(
  project: Project,
  config: Config,
  { format, to }: { readonly format: RecordFormat; readonly to: string },
  generator: WorldOptions,
  signal: AbortSignal,
): Promise<Shape | null> {
  const type = recordFormats[format]
  const shape = recordShape(project)
  if (type === null) return shape
  const registry = schemaRegistryOf(config, { giveUpAfterMs: 0 })
  if (registry === null || to !== 'kafka') {
    const mend = registry === null ? 'set SCHEMA_REGISTRY_URL' : 'leave --to out'
    const message = `--format ${format} sends to Kafka by a schema that is registered: ${mend}.`
    throw new LakehouseError('CONFIG_INVALID', message)
  }
  try {
    const { schema, encode } = recordEncoder(type, sampleOf(shape, generator))
    const id = await registry.register(`${config.kafka.topic}-value`, { type, schema }, signal)
    return (generated) => {
      const { key, value } = shape === null ? generated : shape(generated)
      const record = objectOf(value)
      const body = record === null ? null : encode(record)
      // What is malformed on purpose has no place in a schema, and is sent as it is.
      return { key, value: body === null ? value : wireValue(type, id, body) }
    }
  } finally {
    registry.close()
  }
}

function sampleOf(shape: Shape | null, options: WorldOptions): JsonRecord[] {
  const generator = createGenerator({ ...options, malformedShare: 0 })
  return Array.from({ length: sampleRecords }, (_, index) => {
    const record = generator.next(index)
    return objectOf((shape === null ? record : shape(record)).value) ?? {}
  })
}

/** null for what is no JSON object. */
function objectOf(value: Uint8Array): JsonRecord | null {
  try {
    const found: unknown = JSON.parse(Buffer.from(value).toString('utf8'))
    const isObject = typeof found === 'object' && found !== null && !Array.isArray(found)
    return isObject ? (found as JsonRecord) : null
  } catch {
    return null
  }
}
