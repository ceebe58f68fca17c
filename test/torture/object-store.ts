// Kills the pipeline 200 times, and its object store 20 times, while it carries records into tables there;
// then the same through a proxy that loses answers, delays them and asks for fewer requests.
// Run: npm run test:object-store -- [kills] [kills of the server] [records] [seed]
import fc from 'fast-check'
import { lines } from '../generate/lines.ts'
import { randomOf } from '../generate/random.ts'
import { startObjectServer, startStoreProxy } from '../services/object-store.ts'
import { killInStore } from '../services/store-kills.ts'

const kills = Number(process.argv[2] ?? 200)
const serverKills = Number(process.argv[3] ?? 20)
const records = Number(process.argv[4] ?? 4_000)
const seed = Number(process.argv[5] ?? Date.now() % 2 ** 31)

const random = randomOf(seed)
const [values] = fc.sample(lines(records, records), { seed, numRuns: 1 })
console.log(`${kills} kills, ${serverKills} of the server, ${values!.length} records, seed ${seed}`)
const server = await startObjectServer()
const proxy = await startStoreProxy(server.port, { random, lost: 0.03, refused: 0.03, late: 0.02 })
let problems: string[]
try {
  const direct = { server, values: values!, random, kills, serverKills }
  problems = await killInStore({ ...direct, environment: server.environment('direct') })
  console.log(
    `direct: ${problems.length === 0 ? 'every table as the oracle computes it' : problems.join('\n')}`,
  )
  const few = { ...direct, kills: Math.ceil(kills / 10), serverKills: Math.ceil(serverKills / 10) }
  const lossy = await killInStore({ ...few, environment: server.environment('lossy', proxy.port) })
  console.log(`lossy: ${lossy.length === 0 ? 'every table as the oracle computes it' : lossy.join('\n')}`)
  console.log(`requests through the proxy: ${JSON.stringify(proxy.counts)}`)
  problems.push(...lossy)
} finally {
  await proxy.close()
  await server.close()
}
process.exitCode = problems.length === 0 ? 0 : 1
