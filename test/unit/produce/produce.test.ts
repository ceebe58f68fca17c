import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { GeneratedRecord } from '../../../src/produce/generator.ts'
import { createPipelinedWriter } from '../../../src/produce/kafka-writer.ts'
import { type ProduceClock, type ProduceOptions, produce } from '../../../src/produce/produce.ts'

const startMs = Date.UTC(2026, 9, 31, 10)
let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'assay-produce-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

/** Time that passes only while somebody sleeps. */
function fakeClock(): ProduceClock & { slept: number[] } {
  let passedMs = 0
  const slept: number[] = []
  return {
    slept,
    wallMs: () => startMs + passedMs,
    monotonicMs: () => passedMs,
    sleep: async (ms) => {
      slept.push(ms)
      passedMs += ms
    },
  }
}

function options(
  more: Partial<ProduceOptions> & { rotateRows?: number; rotateSeconds?: number } = {},
): ProduceOptions {
  const { rotateRows = 1_000_000, rotateSeconds = 3_600 } = more
  return {
    generator: { seed: 7 },
    count: 1_000,
    ratePerSecond: null,
    to: { kind: 'directory', path: directory, rotateRows, rotateSeconds },
    period: null,
    signal: new AbortController().signal,
    clock: fakeClock(),
    ...more,
  }
}

async function files(): Promise<{ name: string; lines: string[] }[]> {
  const names = (await readdir(directory)).sort()
  return Promise.all(
    names.map(async (name) => {
      const text = await readFile(join(directory, name), 'utf8')
      expect(text.endsWith('\n')).toBe(true)
      return { name, lines: text.slice(0, -1).split('\n') }
    }),
  )
}

function timesOf(lines: readonly string[]): number[] {
  return lines.map((line) => Date.parse(JSON.parse(line).timestamp))
}

describe('producing into a directory', () => {
  test('writes the asked number of whole lines', async () => {
    const summary = await produce(options())
    const [file, ...others] = await files()
    expect(others).toEqual([])
    expect(file!.lines.length).toBe(1_000)
    expect(summary).toMatchObject({ records: 1_000, endedBy: 'count' })
    expect(summary.bytes + 1_000).toBe((await readFile(join(directory, file!.name))).length)
  })

  test('begins a new file when one is full, with names that sort in the order of time', async () => {
    await produce(options({ rotateRows: 300 }))
    const written = await files()
    expect(written.map(({ lines }) => lines.length)).toEqual([300, 300, 300, 100])
    const ids = written.flatMap(({ lines }) => lines.map((line) => JSON.parse(line).transaction_id))
    await rm(directory, { recursive: true })
    await produce(options())
    expect((await files())[0]!.lines.map((line) => JSON.parse(line).transaction_id)).toEqual(ids)
  })

  test('begins a new file when one is old', async () => {
    await produce(options({ ratePerSecond: 100, rotateSeconds: 5 }))
    const written = await files()
    expect(written.length).toBe(2)
    expect(written[0]!.lines.length).toBeGreaterThanOrEqual(500)
    expect(written[0]!.lines.length).toBeLessThan(510)
  })

  test('puts new files behind those that are there, even where the clock was set back', async () => {
    await writeFile(join(directory, 'transactions-20991231T235959999Z-000003.ndjson'), '{}\n')
    await produce(options())
    const names = (await files()).map(({ name }) => name)
    expect(names).toEqual([
      'transactions-20991231T235959999Z-000003.ndjson',
      'transactions-21000101T000000000Z-000001.ndjson',
    ])
  })

  test('says what to do where the directory cannot be written', async () => {
    const path = join(directory, 'file')
    await writeFile(path, '')
    const failing = produce(options({ to: { kind: 'directory', path, rotateRows: 10, rotateSeconds: 10 } }))
    await expect(failing).rejects.toMatchObject({ code: 'PRODUCE_DIRECTORY_UNWRITABLE' })
    await expect(failing).rejects.toThrow(path)
  })

  test('is the same data for the same seed and period, names included', async () => {
    const period = { fromMs: startMs - 86_400_000, toMs: startMs }
    const dirty = { seed: 7, lateShare: 0.01, malformedShare: 0.01, duplicateShare: 0.01 }
    await produce(options({ period, generator: dirty, rotateRows: 400 }))
    const first = await files()
    await rm(directory, { recursive: true })
    await produce(options({ period, generator: dirty, rotateRows: 400 }))
    expect(await files()).toEqual(first)
  })
})

test('two periods of one seed have no transaction in common, and the same users', async () => {
  const read = async (fromMs: number, toMs: number) => {
    await produce(options({ period: { fromMs, toMs }, count: 2_000 }))
    const rows = (await files()).flatMap(({ lines }) => lines.map((line) => JSON.parse(line)))
    await rm(directory, { recursive: true })
    return rows
  }
  const dayMs = 86_400_000
  const first = await read(startMs, startMs + dayMs)
  for (const period of [
    [startMs + dayMs, startMs + 2 * dayMs],
    [startMs, startMs + 2 * dayMs],
  ] as const) {
    const second = await read(...period)
    const ids = new Set(first.map(({ transaction_id }) => transaction_id))
    expect(second.filter(({ transaction_id }) => ids.has(transaction_id))).toEqual([])
    const homes = new Map(first.map(({ user_id, location }) => [user_id, location]))
    const known = second.filter(({ user_id }) => homes.has(user_id))
    const atHome = known.filter(({ user_id, location }) => homes.get(user_id) === location)
    expect(atHome.length / known.length).toBeGreaterThan(0.9)
  }
})

describe('the time of events', () => {
  test('is the clock, each row at the moment it was due', async () => {
    await produce(options({ ratePerSecond: 200 }))
    const times = timesOf((await files())[0]!.lines)
    for (const [index, time] of times.entries()) expect(time).toBe(startMs + index * 5)
  })

  test('lies in the asked period, in order', async () => {
    const period = { fromMs: startMs - 86_400_000, toMs: startMs }
    await produce(options({ period }))
    const times = timesOf((await files())[0]!.lines)
    expect(times).toEqual(times.toSorted((a, b) => a - b))
    expect(times[0]).toBeGreaterThanOrEqual(period.fromMs)
    expect(times[0]).toBeLessThan(period.fromMs + 1_000_000)
    expect(times.at(-1)).toBeLessThan(period.toMs)
  })

  test('never goes back with the wall clock', async () => {
    const clock = fakeClock()
    const wall = [0, 5_000, -60_000, -30_000]
    let turn = 0
    const jumping = { ...clock, wallMs: () => clock.wallMs() + wall[turn++ % wall.length]! }
    await produce(options({ ratePerSecond: 100, clock: jumping, count: 200 }))
    const times = timesOf((await files())[0]!.lines)
    expect(times).toEqual(times.toSorted((a, b) => a - b))
  })
})

describe('the pace', () => {
  test('keeps the rate, and sends rows within a tick of when they are due', async () => {
    const clock = fakeClock()
    const summary = await produce(options({ ratePerSecond: 2_000, count: 20_000, clock }))
    expect(summary.seconds).toBeCloseTo(10, 1)
    expect(summary.recordsPerSecond).toBeCloseTo(2_000, -2)
    expect(Math.max(...clock.slept)).toBeLessThanOrEqual(10)
  })

  test('is told every second and at the end', async () => {
    const reports: number[] = []
    const summary = await produce(
      options({
        ratePerSecond: 500,
        count: 2_500,
        onProgress: ({ recordsPerSecond }) => reports.push(recordsPerSecond),
      }),
    )
    expect(reports.length).toBe(5)
    for (const rate of reports) expect(rate).toBeCloseTo(500, -1)
    expect(summary.recordsByKind.ordinary).toBe(2_500)
  })

  test('ends cleanly by the signal: everything generated is written', async () => {
    const stop = new AbortController()
    const summary = await produce(
      options({
        ...{ ratePerSecond: 1_000, count: Number.POSITIVE_INFINITY, signal: stop.signal },
        onProgress: ({ seconds }) => {
          if (seconds >= 3) stop.abort()
        },
      }),
    )
    expect(summary.endedBy).toBe('signal')
    expect((await files())[0]!.lines.length).toBe(summary.records)
    expect(summary.records).toBeGreaterThan(2_980)
  })

  test('ends at once where the real clock sleeps', async () => {
    const stop = new AbortController()
    const { clock: _, ...real } = options({ ratePerSecond: 0.001, count: 5, signal: stop.signal })
    const running = produce(real)
    setImmediate(() => stop.abort())
    const summary = await running
    expect(summary.seconds).toBeLessThan(30)
    expect(summary.records).toBeLessThanOrEqual(1)
  })
})

test.each([
  ['a count of -1', { count: -1 }],
  ['a rate of zero', { ratePerSecond: 0 }],
  ['a period that ends before it begins', { period: { fromMs: 2, toMs: 1 } }],
  ['a period without a count', { period: { fromMs: 1, toMs: 2 }, count: Number.POSITIVE_INFINITY }],
])('%s is refused before anything is written', async (_, wrong) => {
  await expect(produce(options(wrong))).rejects.toMatchObject({ code: 'GENERATOR_OPTIONS_INVALID' })
  expect(await readdir(directory)).toEqual([])
})

describe('a pipelined writer', () => {
  const records: readonly GeneratedRecord[] = []

  test('waits when enough sends are under way', async () => {
    const answers: (() => void)[] = []
    const writer = createPipelinedWriter(
      () => new Promise((resolve) => answers.push(resolve)),
      async () => {},
    )
    for (let send = 0; send < 3; send++) await writer.write(records)
    let room = false
    const fourth = writer.write(records).then(() => {
      room = true
    })
    await Promise.resolve()
    expect(room).toBe(false)
    answers[1]!()
    await fourth
    for (const answer of answers) answer()
    await writer.close()
  })

  test('fails the next write, and close, with the first failure', async () => {
    const failure = new Error('broker away')
    let closed = false
    const writer = createPipelinedWriter(
      () => Promise.reject(failure),
      async () => {
        closed = true
      },
    )
    await writer.write(records).catch(() => {})
    await expect(writer.write(records)).rejects.toBe(failure)
    await expect(writer.close()).rejects.toBe(failure)
    expect(closed).toBe(true)
  })
})
