// What a test file uses of the broker that all files share (shared-servers.ts).
import { type Broker, type BrokerTopics, topicsAt } from './broker.ts'

/** Where to ask for it; of the processes that vitest starts. */
export const sharedServersVariable = 'ASSAY_TEST_SERVERS'

export type SharedBroker = BrokerTopics &
  Pick<Broker, 'bootstrapServers' | 'saslBootstrapServers'> & {
    /** Deletes all topics: the next file has names of its own choice, too. */
    leave(): Promise<void>
  }

export async function sharedBroker(): Promise<SharedBroker> {
  const servers = process.env[sharedServersVariable]
  if (servers === undefined) throw new Error('vitest has not run shared-servers.ts')
  const response = await fetch(`${servers}/broker`)
  if (!response.ok) throw new Error(await response.text())
  const addresses = (await response.json()) as Pick<Broker, 'bootstrapServers' | 'saslBootstrapServers'>
  const topics = topicsAt(addresses.bootstrapServers)
  return { ...addresses, ...topics, leave: topics.deleteAllTopics }
}
