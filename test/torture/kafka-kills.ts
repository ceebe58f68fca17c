// Kills the pipeline a thousand times at random moments while it carries a million transactions from Kafka
// through all tables, then lets it end, and compares every table with the oracle.
// Run: npm run test:torture -- [kills] [transactions] [seed]

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Consumer } from '@platformatic/kafka'
import { DeltaTable } from '../../src/delta/index.ts'
import { judgeLargeLakehouse } from '../compare/judge-large.ts'
import { randomOf } from '../generate/random.ts'
import type { RawRecord } from '../oracle/rows.ts'
import { type Broker, startBroker } from '../services/broker.ts'

const kills = Number(process.argv[2] ?? 1_000)
const transactions = Number(process.argv[3] ?? 1_000_000)
const seed = Number(process.argv[4] ?? Date.now() % 2 ** 31)
const topic = 'torture.transactions'
const partitions = 4
const root = join(import.meta.dirname, '..', '..')
/** Every so many kills the checkpoint directory goes too. */
const killsBetweenLosses = 50
/** A life lasts at most so long at first; then so that such a share of them comes to commit something. */
const lifeFirstMaxMs = 2_500
const lifeLastMaxMs = 10_000
const livesThatCommit = 0.4
const batchesPerLife = 2

const random = randomOf(seed)
const broker = await startBroker()
const work = await mkdtemp(join(tmpdir(), 'assay-torture-'))
const base = join(work, 'tables')
console.log(`${kills} kills over ${transactions} transactions, seed ${seed}, tables in ${base}`)

function assay(
  args: string[],
  environment: Record<string, string> = {},
  output: 'inherit' | 'ignore' = 'inherit',
) {
  return spawn(process.execPath, [join(root, 'bin', 'assay.js'), ...args], {
    env: {
      ...process.env,
      KAFKA_BOOTSTRAP_SERVERS: broker.bootstrapServers.join(','),
      KAFKA_TOPIC: topic,
      DELTA_BASE_PATH: base,
      LATENCY_TARGET_MS: '0',
      LOG_LEVEL: 'error',
      ...environment,
    },
    stdio: ['ignore', output, 'inherit'],
  })
}

async function succeed(child: ChildProcess, what: string): Promise<void> {
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`${what} ended with ${code}`)
}

async function recordsInBronze(): Promise<number> {
  const directory = join(base, 'bronze/transactions')
  if (!(await DeltaTable.exists(directory))) return 0
  return Number((await (await DeltaTable.open(directory)).snapshot()).numRecords ?? 0n)
}

type Deaths = { readonly lives: number; readonly committing: number; readonly losses: number }

/** Starts and kills. Batches are as small as it takes for the input to last until the end. */
async function killOften(): Promise<Deaths> {
  let [lifeMaxMs, done, committing, losses] = [lifeFirstMaxMs, 0, 0, 0]
  for (let death = 1; death <= kills; death++) {
    const share = (transactions - done) / ((kills - death + 1) * livesThatCommit * batchesPerLife)
    const recordsMax = String(Math.max(20, Math.round(share)))
    const child = assay(['run'], { MAX_RECORDS_PER_BATCH: recordsMax })
    const exited = once(child, 'exit')
    await sleep(random() * lifeMaxMs)
    child.kill('SIGKILL')
    const [code, signal] = await exited
    if (signal !== 'SIGKILL') throw new Error(`the pipeline ended by itself with ${code}, kill ${death}`)
    const now = await recordsInBronze()
    const hasCommitted = now > done
    if (hasCommitted) committing += 1
    // On the average as many lives commit as are to.
    lifeMaxMs *= hasCommitted ? 1 - 0.02 * (1 - livesThatCommit) : 1 + 0.02 * livesThatCommit
    lifeMaxMs = Math.min(lifeMaxMs, lifeLastMaxMs)
    done = now
    if (death % killsBetweenLosses === 0) {
      await rm(join(base, '_checkpoints'), { recursive: true, force: true })
      losses += 1
      console.log(`${death} kills, ${done} records in bronze, lives of up to ${Math.round(lifeMaxMs)} ms`)
    }
  }
  return { lives: kills, committing, losses }
}

/** Everything in the topic, read by a client of its own. */
async function readTopic({ bootstrapServers }: Broker): Promise<RawRecord[]> {
  const consumer = new Consumer({ clientId: 'oracle', groupId: 'oracle', bootstrapBrokers: bootstrapServers })
  try {
    const stream = await consumer.consume({ topics: [topic], mode: 'earliest', autocommit: false })
    const records: RawRecord[] = []
    for await (const message of stream) {
      const { key, value, headers } = message
      records.push({
        topic,
        partition: message.partition,
        offset: message.offset,
        key: key ?? null,
        value: value ?? null,
        headers:
          headers.size === 0 ? null : [...headers].map(([name, of]) => ({ key: String(name), value: of })),
        timestampMs: Number(message.timestamp),
      })
      if (records.length === transactions) break
    }
    return records
  } finally {
    await consumer.close(true)
  }
}

let isProved = false
try {
  await broker.createTopic(topic, partitions)
  const dirt = [
    '--duplicates',
    '1%',
    '--disorder',
    '3%',
    '--late',
    '0.5%',
    '--malformed',
    '1%',
    '--users',
    '20000',
  ]
  const period = ['--period', '2026-10-01/2026-10-02', '--seed', String(seed)]
  await succeed(
    assay(['produce', '--count', String(transactions), ...period, ...dirt], {}, 'ignore'),
    'produce',
  )
  const startedMs = performance.now()
  const { committing, losses } = await killOften()
  await succeed(assay(['run', '--once', '--finalize'], { MAX_RECORDS_PER_BATCH: '20000' }), 'the last run')
  const seconds = Math.round((performance.now() - startedMs) / 1000)
  console.log(
    `${kills} kills in ${seconds} s, ${committing} of them after new commits; ${losses} times without checkpoints`,
  )
  await succeed(assay(['verify']), 'assay verify')
  const { rows, batches, lost, doubled, wrong, examples } = await judgeLargeLakehouse(
    base,
    await readTopic(broker),
  )
  for (const [name, count] of Object.entries(rows)) console.log(`  ${name.padEnd(30)} ${count} rows`)
  console.log(`${batches} batches: ${lost} lost, ${doubled} doubled, ${wrong} wrong`)
  for (const example of examples) console.log(`  ${example}`)
  isProved = lost + doubled + wrong === 0
  if (!isProved) process.exitCode = 1
} finally {
  await broker.stop()
  if (isProved) await rm(work, { recursive: true, force: true })
  else console.log(`the tables are kept in ${base}`)
}
