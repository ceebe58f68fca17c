// How old is a transaction when an independent Delta reader (delta-rs) can read its score? Starts a real
// broker, sends transactions at a steady rate, and runs the pipeline. Run: npx node bench/latency.ts
// [records/s] [seconds]
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startBroker } from '../test/services/broker.ts'
import { pythonEnvironment } from '../test/services/tools.ts'

const rate = process.argv[2] ?? '2000'
const seconds = process.argv[3] ?? '30'
const topic = 'bench.transactions'
const python = await pythonEnvironment('deltalake', ['deltalake', 'pyarrow'])
const broker = await startBroker()
const base = await mkdtemp(join(tmpdir(), 'assay-latency-'))
const environment = {
  ...process.env,
  KAFKA_BOOTSTRAP_SERVERS: broker.bootstrapServers.join(','),
  KAFKA_TOPIC: topic,
  DELTA_BASE_PATH: base,
  LOG_LEVEL: 'warn',
}
const children: ChildProcess[] = []

function start(command: string, args: string[]): ChildProcess {
  const child = spawn(command, args, { env: environment, stdio: ['ignore', 'inherit', 'inherit'] })
  children.push(child)
  return child
}

const assay = (...args: string[]): ChildProcess =>
  start(process.execPath, [join(import.meta.dirname, '..', 'bin', 'assay.js'), ...args])

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'exit')
}

try {
  await broker.createTopic(topic, 4)
  assay('run')
  assay('produce', '--rate', rate)
  const reader = start(python, [
    join(import.meta.dirname, 'latency.py'),
    join(base, 'fraud_detection'),
    seconds,
  ])
  await once(reader, 'exit')
} finally {
  for (const child of children.toReversed()) await stop(child)
  await broker.stop()
  await rm(base, { recursive: true, force: true })
}
