// Drives java/Produce.java: records written by Kafka's own producer, transactions included.
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { startJavaProgram } from './java-program.ts'

export type SentRecord = {
  readonly topic: string
  readonly partition?: number
  readonly timestampMs?: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers?: readonly (readonly [string, Uint8Array | null])[]
}

export type JavaProducer = {
  send(record: SentRecord): void
  /** Resolves when Java has done it; what was sent before is done then too for flush, commit and abort. */
  command(command: 'flush' | 'begin' | 'commit' | 'abort' | `fill ${string}`): Promise<void>
  close(): Promise<void>
}

export async function openJavaProducer(
  bootstrapServers: readonly string[],
  properties: Readonly<Record<string, string>> = {},
): Promise<JavaProducer> {
  const settings = Object.entries(properties).map(([name, value]) => `${name}=${value}`)
  const java = await startJavaProgram('Produce', [bootstrapServers.join(','), ...settings])
  const exited = once(java, 'exit')
  // A test that fails half-way must not leave Java waiting for its next command.
  const endWithTests = () => java.kill('SIGKILL')
  process.once('exit', endWithTests)
  java.once('exit', () => process.removeListener('exit', endWithTests))
  const answers = createInterface({ input: java.stdout })[Symbol.asyncIterator]()
  const writeLine = (line: string) => java.stdin.write(`${line}\n`)
  return {
    send(record) {
      const { topic, partition = '-', timestampMs = '-', key, value, headers = [] } = record
      const named = headers.map(([name, bytes]) => `${name}=${base64(bytes)}`)
      writeLine(['send', topic, partition, timestampMs, base64(key), base64(value), ...named].join(' '))
    },
    async command(command) {
      writeLine(command)
      const answer = await answers.next()
      if (answer.value !== 'done') throw new Error(`Java ended during ${command}`)
    },
    async close() {
      java.stdin.end()
      const [code] = await exited
      if (code !== 0) throw new Error(`Java ended with ${code}`)
    },
  }
}

/** An empty array must differ from null, and an empty word would be lost between two spaces. */
function base64(bytes: Uint8Array | null): string {
  if (bytes === null) return '-'
  return bytes.length === 0 ? '=' : Buffer.from(bytes).toString('base64')
}
