// A topic and the lakehouse that the real command makes of it, judged by the oracle.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect } from 'vitest'
import { batchesOfLog } from '../../compare/batches-of-log.ts'
import { judgeLakehouse } from '../../compare/judge-lakehouse.ts'
import { readWithDeltaRs } from '../../compare/read-delta-rs.ts'
import { readTables } from '../../compare/read-in-process.ts'
import { type TimedLine, topicLines } from '../../generate/lines.ts'
import { defaultConfig } from '../../oracle/oracle.ts'
import type { RawRecord, Tables } from '../../oracle/rows.ts'
import type { SentRecord } from '../kafka/java-producer.ts'
import { deltaReaders, pythonAvailable, pythonEnvironment } from '../tools.ts'
import type { Settings } from './assay.ts'

export const times = ['processing_time', 'processing_date', 'aggregation_time']

export function settingsFor(
  bootstrapServers: readonly string[],
  topic: string,
  base: string,
  more: Settings = {},
): Settings {
  const kafka = { KAFKA_BOOTSTRAP_SERVERS: bootstrapServers.join(','), KAFKA_TOPIC: topic }
  return { ...kafka, DELTA_BASE_PATH: base, ...more }
}

/**
 * The tables as delta-rs reads them, which shares no code with Assay; without Python as this process does.
 */
export async function tablesOf(base: string): Promise<Tables> {
  if (pythonAvailable !== null) return await readTables(base)
  const python = await pythonEnvironment('delta-rs', deltaReaders)
  return (await readWithDeltaRs(python, base)).tables
}

/** All tables against what the oracle computes from the records and the batches of silver's log. */
export async function expectRight(
  base: string,
  records: readonly RawRecord[],
  starts?: ReadonlyMap<string, bigint>,
): Promise<Tables> {
  const tables = await tablesOf(base)
  const batches = await batchesOfLog(base, starts)
  expect(judgeLakehouse(records, tables, defaultConfig, batches)).toEqual([])
  return tables
}

/** How many offsets of the topic silver's log has taken over, the holes included; 0 without a log. */
export async function offsetsTaken(base: string): Promise<bigint> {
  const log = join(base, 'silver/transactions/_delta_log')
  const names = await readdir(log).catch(() => [])
  const commits = names.filter((name) => name.endsWith('.json')).sort()
  // The newest commit may be another one than a batch's.
  for (const name of commits.reverse()) {
    const commit = await readFile(join(log, name), 'utf8')
    const found = [...commit.matchAll(/"appId":"assay\/offset\/[^"]*","version":(\d+)/g)]
    if (found.length > 0) return found.reduce((sum, [, version]) => sum + BigInt(version!), 0n)
  }
  return 0n
}

/** Every partition gets a share of its own: the last one many times that of the first. */
export function unevenPartition(number: number, partitionCount: number): number {
  const total = (partitionCount * (partitionCount + 1)) / 2
  let left = (number * 7919) % total
  for (let partition = 0; ; partition += 1) {
    if (left <= partition) return partition
    left -= partition + 1
  }
}

/** Records of so many lines with disorder, repeats, late and bad ones; the same for the same seed. */
export function sampleOf(topic: string, count: number, partitionCount: number, seed: number): SentRecord[] {
  const [lines] = fc.sample(topicLines(count, 8), { seed, numRuns: 1 })
  return recordsOfLines(topic, lines!, (_, index) => unevenPartition(index, partitionCount))
}

/** The lines as records whose timestamps are the time of the data, keyed by user or by nothing. */
export function recordsOfLines<L extends Omit<TimedLine, 'user'> & { readonly user: number | string }>(
  topic: string,
  lines: readonly L[],
  partitionOf: (line: L, index: number) => number,
): SentRecord[] {
  return lines.map((line, index) => ({
    topic,
    partition: partitionOf(line, index),
    timestampMs: line.nowMs,
    key: index % 9 === 8 ? null : Buffer.from(String(line.user)),
    value: line.value,
    ...(index % 11 === 10
      ? {
          headers: [
            ['trace', Buffer.from([index % 256])],
            ['none', null],
          ] as const,
        }
      : {}),
  }))
}
