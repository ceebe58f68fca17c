// What a test file uses of the servers that all files share (shared-servers.ts).
import { type Broker, type BrokerTopics, topicsAt } from './broker.ts'

/** Where to ask for them; of the processes that vitest starts. */
export const sharedServersVariable = 'ASSAY_TEST_SERVERS'

export type SharedBroker = BrokerTopics &
  Pick<Broker, 'bootstrapServers' | 'saslBootstrapServers'> & {
    /** Deletes all topics: the next file has names of its own choice, too. */
    leave(): Promise<void>
  }

export async function sharedBroker(): Promise<SharedBroker> {
  const servers = await sharedServer<Pick<Broker, 'bootstrapServers' | 'saslBootstrapServers'>>('broker')
  if (servers === null) throw new Error('vitest has not run shared-servers.ts')
  const topics = topicsAt(servers.bootstrapServers)
  return { ...servers, ...topics, leave: topics.deleteAllTopics }
}

/** Its address, as SPARK_MASTER names it; null outside of vitest. */
export function sharedSpark(): Promise<string | null> {
  return sharedServer('spark')
}

async function sharedServer<Facts>(name: 'broker' | 'spark'): Promise<Facts | null> {
  const servers = process.env[sharedServersVariable]
  if (servers === undefined) return null
  const response = await fetch(`${servers}/${name}`)
  if (!response.ok) throw new Error(await response.text())
  return (await response.json()) as Facts
}
