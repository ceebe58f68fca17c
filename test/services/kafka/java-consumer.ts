// Drives java/Consume.java: the records of a topic as Kafka's own consumer reads them.
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { RawRecord } from '../../oracle/rows.ts'
import { startJavaProgram } from './java-program.ts'

export type JavaConsumer = {
  /** The committed records that the topic holds now, in the order of partitions and offsets. */
  read(topic: string): Promise<RawRecord[]>
  close(): Promise<void>
}

export async function openJavaConsumer(bootstrapServers: readonly string[]): Promise<JavaConsumer> {
  const java = await startJavaProgram('Consume', [bootstrapServers.join(',')])
  const exited = once(java, 'exit')
  const answers = createInterface({ input: java.stdout })[Symbol.asyncIterator]()
  return {
    async read(topic) {
      java.stdin.write(`${topic}\n`)
      const records: RawRecord[] = []
      for (;;) {
        const { value: line, done } = await answers.next()
        if (done) throw new Error(`Java ended while it read ${topic}`)
        if (line === 'done') return records
        records.push(recordOf(topic, line))
      }
    },
    async close() {
      java.stdin.end()
      await exited
    },
  }
}

function recordOf(topic: string, line: string): RawRecord {
  const [partition, offset, timestampMs, key, value, ...headers] = line.split(' ')
  return {
    topic,
    partition: Number(partition),
    offset: BigInt(offset!),
    timestampMs: Number(timestampMs),
    key: bytes(key!),
    value: bytes(value!),
    headers: headers.length === 0 ? null : headers.map(headerOf),
  }
}

function headerOf(word: string): { key: string; value: Uint8Array | null } {
  const equals = word.indexOf('=')
  return { key: word.slice(0, equals), value: bytes(word.slice(equals + 1)) }
}

function bytes(base64: string): Uint8Array | null {
  if (base64 === '-') return null
  return base64 === '=' ? Buffer.alloc(0) : Buffer.from(base64, 'base64')
}
