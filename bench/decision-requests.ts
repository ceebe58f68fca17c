// How long does a request wait for its decision? Sends so many transactions a second, one a request, to
// `run decisions`, whether or not earlier ones were answered, and tells how long each waited from the moment at
// which it was due; with `tables` a run writes the tables on the same machine meanwhile. The producer of
// requests waits for all replicas (acks=all).
// Run: npx node bench/decision-requests.ts [requests per second] [seconds] [tables]
import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { createGenerator } from '../src/produce/generator.ts'
import { earlyMs, histogramOf, percentilesOf, startDecisionBench } from './decision-process.ts'

const [rate, seconds] = [Number(process.argv[2] ?? 2_000), Number(process.argv[3] ?? 30)]
const bench = await startDecisionBench()

try {
  if (process.argv[4] === 'tables') bench.startTables()
  const url = new URL('/v1/decisions', await bench.startDecisions())
  const agent = new Agent({ keepAlive: true, maxSockets: 256 })
  const generator = createGenerator({ seed: 7 })
  const statuses = new Map<number, number>()
  const waits: { readonly dueMs: number; readonly waitMs: number }[] = []

  const ask = (dueMs: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const { value } = generator.next(Date.now())
      const headers = { 'content-type': 'application/json', 'content-length': value.length }
      const asked = request(url, { method: 'POST', agent, headers }, (response) => {
        const status = response.statusCode!
        response.resume().once('end', () => {
          statuses.set(status, (statuses.get(status) ?? 0) + 1)
          waits.push({ dueMs, waitMs: performance.now() - dueMs })
          resolve()
        })
      })
      asked.once('error', reject)
      asked.end(value)
    })

  await ask(performance.now())
  await sleep(2_000)
  waits.length = 0
  const startedMs = performance.now()
  const all: Promise<void>[] = []
  for (let index = 0; index < rate * seconds; index++) {
    const dueMs = startedMs + (index * 1000) / rate
    const aheadMs = dueMs - performance.now()
    if (aheadMs > 0) await sleep(Math.ceil(aheadMs))
    all.push(ask(dueMs))
  }
  await Promise.all(all)
  const told = [...statuses].map(([status, count]) => `${count} of status ${status}`).join(', ')
  console.log(`${rate} requests a second for ${seconds} s: ${told}`)
  const waitsOf = (isEarly: boolean): number[] =>
    waits.filter(({ dueMs }) => dueMs < startedMs + earlyMs === isEarly).map(({ waitMs }) => waitMs)
  console.log(`  the first ${earlyMs / 1000} s: ${percentilesOf(waitsOf(true))}`)
  console.log(`  after them: ${percentilesOf(waitsOf(false))}\n${histogramOf(waitsOf(false))}`)
  agent.destroy()
} finally {
  await bench.stop()
}
