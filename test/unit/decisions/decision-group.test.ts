// Lakehouses that share a topic of decisions: each takes those of its own group and topics alone.
import type { FileHandle } from 'node:fs/promises'
import { expect, test } from 'vitest'
import type { Offsets } from '../../../src/batches/offsets.ts'
import type { RecordChunk, RecordSource } from '../../../src/batches/source.ts'
import { recordOfDecision } from '../../../src/cli/decision-producers.ts'
import type { Decision } from '../../../src/decisions/decision-answer.ts'
import { DecisionFollower } from '../../../src/decisions/decision-follower.ts'
import { groupHeader } from '../../../src/decisions/decision-group.ts'
import { writeDecisions } from '../../../src/decisions/read-decisions.ts'
import { readKeys } from '../../../src/decisions/read-keys.ts'
import { keyHeadersOf, RequestKeys } from '../../../src/decisions/request-keys.ts'
import type { KafkaPositions } from '../../../src/kafka/source.ts'

/** A record on the topic of decisions; `group` is null where it was written before groups were told. */
function published(topic: string, offset: number, group: string | null) {
  const decision: Decision = {
    ...{ topic, partition: 0, offset: String(offset), decision: 'refused', id: `${topic}/0/${offset}` },
    ...{ reasons: [], version: 'v' },
  }
  const ofRequest = keyHeadersOf({ key: `key-${topic}-${offset}`, digest, count: 1 }, 0)
  const headers = Object.entries(ofRequest).map(([key, value]) => ({ key, value: Buffer.from(value) }))
  const record = recordOfDecision(
    { decision, offset: BigInt(offset), sequence: offset, key: null, headers, timestampMs: null },
    group ?? '',
  )
  const told = Object.entries(record.headers ?? {}).map(([key, value]) => ({ key, value }))
  return { value: record.value, headers: told.filter(({ key }) => group !== null || key !== groupHeader) }
}

const digest = 'd'.repeat(43)
const records = [
  published('a', 0, 'mine'),
  published('a', 1, 'other'),
  published('a', 2, null),
  published('b', 3, 'mine'),
]
const chunk = {
  ...{ topic: 'decisions', partition: 0, count: records.length, timestampsMs: null },
  offsets: BigInt64Array.from(records.keys().map(BigInt)),
  keys: records.map(() => null),
  values: records.map(({ value }) => value!),
  headers: records.map(({ headers }) => headers),
} satisfies RecordChunk

/** Has the chunk, once. */
function source(): RecordSource & KafkaPositions {
  const range = { topic: 'decisions', partition: 0, start: 0n, end: BigInt(records.length) }
  return {
    kind: 'kafka',
    cut: async (next: Offsets) => ({ ranges: next.size === 0 ? [range] : [], more: false, waiting: [] }),
    read: async (_, onChunk) => void (await onChunk(chunk)),
    positions: async () => [range],
    waitForData: async () => {},
    lag: async () => 0n,
    reportProgress: async () => {},
    close: async () => {},
  }
}

test('a follower tells of decisions of its own group and topics, and of those that say no group', async () => {
  const seen: string[] = []
  const ended = new AbortController()
  const follower = new DecisionFollower(source(), { groupId: 'mine', topics: ['a'] }, (all) => {
    seen.push(...all.map(({ topic, offset }) => `${topic}/${offset}`))
    ended.abort()
  })
  await follower.run(ended.signal)
  expect(seen).toEqual(['a/0', 'a/2'])
})

test('keys of requests to another group are not known to this one', async () => {
  const keys = new RequestKeys()
  await readKeys(source(), keys, 'mine', new AbortController().signal)
  const isKnown = (key: string): boolean =>
    keys.begin({ key, digest, count: 1 }, Date.now())!.unsent.length === 0
  expect(['key-a-0', 'key-a-1', 'key-a-2'].map(isKnown)).toEqual([true, false, true])
})

test('decisions of another group are counted, and not compared', async () => {
  const lines: string[] = []
  const file = { write: async (text: string) => void lines.push(text) } as unknown as FileHandle
  const counts = await writeDecisions(source(), file, 'mine', new AbortController().signal)
  expect(counts).toEqual({ decisions: 3, ofOthers: 1, others: 0 })
  expect(lines.join('').trimEnd().split('\n')).toHaveLength(3)
})
