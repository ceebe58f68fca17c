// What a topic is configured with.
import { Admin, ConfigResourceTypes } from '@platformatic/kafka'
import { connectionOptions } from './connection-options.ts'
import { Login } from './login.ts'
import type { KafkaConnectionOptions } from './options.ts'
import { abortable } from './retry.ts'

/** Settings by their names; none where they cannot be had: to see them needs a right of its own. */
export async function topicSettings(
  options: KafkaConnectionOptions,
  topic: string,
  names: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const login = options.sasl === undefined ? null : new Login(options.sasl)
  const admin = new Admin({ ...connectionOptions(options, login), retries: 0 })
  try {
    const resource = {
      resourceType: ConfigResourceTypes.TOPIC,
      resourceName: topic,
      configurationKeys: [...names],
    }
    const [description] = await abortable(admin.describeConfigs({ resources: [resource] }), signal)
    return new Map((description?.configs ?? []).map(({ name, value }) => [name, String(value)]))
  } catch {
    return new Map()
  } finally {
    await admin.close()
  }
}
