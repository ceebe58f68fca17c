// Sends record batches as they are given: what a broker lets through is what a reader has to expect.
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

const PRODUCE_API_KEY = 0
const PRODUCE_VERSION = 7
const ALL_REPLICAS = -1
const REQUEST_MAX_MS = 30_000

/** The broker's error code, 0 where it has taken the batch. */
export async function produceBatch(
  bootstrapServer: string,
  to: { readonly topic: string; readonly partition: number },
  batch: Buffer,
): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    const code = await produceOnce(bootstrapServer, to, batch)
    if (!notYetCodes.includes(code) || attempt === attemptsMax) return code
    await sleep(attemptPauseMs)
  }
}

/** UNKNOWN_TOPIC_OR_PARTITION and NOT_LEADER_OR_FOLLOWER: a topic that was just made gets its leaders. */
const notYetCodes: readonly number[] = [3, 6]
const attemptsMax = 100
const attemptPauseMs = 100

async function produceOnce(
  bootstrapServer: string,
  to: { readonly topic: string; readonly partition: number },
  batch: Buffer,
): Promise<number> {
  const [host, port] = bootstrapServer.split(':')
  const socket = connect(Number(port), host)
  await once(socket, 'connect')
  const topic = Buffer.from(to.topic)
  const body = Buffer.concat([
    ...[int16(PRODUCE_API_KEY), int16(PRODUCE_VERSION), int32(1), int16(4), Buffer.from('test')],
    ...[int16(-1), int16(ALL_REPLICAS), int32(REQUEST_MAX_MS), int32(1), int16(topic.length), topic],
    ...[int32(1), int32(to.partition), int32(batch.length), batch],
  ])
  socket.write(Buffer.concat([int32(body.length), body]))
  let answer = Buffer.alloc(0)
  for await (const bytes of socket) {
    answer = Buffer.concat([answer, bytes])
    if (answer.length >= 4 && answer.length >= 4 + answer.readInt32BE(0)) break
  }
  socket.destroy()
  // Length, correlation, one topic with its name, one partition with its number.
  return answer.readInt16BE(4 + 4 + 4 + 2 + topic.length + 4 + 4)
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return bytes
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}
