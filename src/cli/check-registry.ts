// What assay check says of the schema registry: whether it answers, and what it has for the topic.
import type { Config } from '../config/config.ts'
import { readingOf } from '../formats/known-schemas.ts'
import type { Found } from './check-finding.ts'
import { schemaRegistryOf } from './schema-registry.ts'

const answerMaxMs = 10_000

/** Which fields map is said of the records themselves. */
export async function* examineRegistry(config: Config): AsyncGenerator<Found> {
  const registry = schemaRegistryOf(config, { giveUpAfterMs: 0 })
  if (registry === null) return
  const signal = AbortSignal.timeout(answerMaxMs)
  try {
    for (const topic of config.kafka.topic.split(',')) {
      const subject = `${topic}-value`
      const latest = await registry.latest(subject, signal)
      if (latest === null) {
        const text = `${registry.where} answers, and has no subject ${subject}; records name their schemas by id, so it need not`
        yield { verdict: 'ok', text }
        continue
      }
      const { type, version, id } = latest
      const reading = await readingOf(latest)
      const text = `${subject} is ${type}, version ${version} with the id ${id}`
      if (reading.kind !== 'unreadable') yield { verdict: 'ok', text: `${registry.where} answers; ${text}` }
      else yield { verdict: 'FAIL', text: `${text}, and cannot be read: ${reading.reason}` }
    }
  } finally {
    registry.close()
  }
}
