// A process that decides, as the dashboard asks it: dry runs alone.
import { deciderOptions } from '../../../src/cli/pipeline-options.ts'
import type { Config } from '../../../src/config/config.ts'
import { Decider } from '../../../src/decisions/decider.ts'
import { chunkOf } from '../../../src/decisions/decision-requests.ts'
import { serveDecisions } from '../../../src/decisions/decision-server.ts'
import { RequestKeys } from '../../../src/decisions/request-keys.ts'
import { freePort } from './served.ts'

export type Deciding = { readonly config: Config; close(): Promise<void> }

/** With the configuration by which the dashboard finds it. */
export async function serveDeciding(config: Config): Promise<Deciding> {
  const decider = await Decider.open({ ...deciderOptions(config), registry: null })
  const http = { ...config.decisions.http, port: await freePort() }
  const server = await serveDecisions({
    ...{ address: http, lakehouse: config.lakehouse, version: 'test' },
    tryOut: (records) => decider.tryOut(chunkOf('asked', records), BigInt(Date.now()) * 1000n),
    produce: () => Promise.reject(new Error('the dashboard writes nothing')),
    ...{ keys: new RequestKeys(), keysRead: Promise.resolve() },
  })
  return {
    config: { ...config, decisions: { ...config.decisions, http } },
    async close() {
      await server.close()
      await decider.close()
    },
  }
}
