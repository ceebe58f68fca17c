import { appendFile, mkdir, mkdtemp, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { SourceNotice } from '../../../src/batches/notice.ts'
import { type Offsets, partitionKey } from '../../../src/batches/offsets.ts'
import type { Cut, RecordSource } from '../../../src/batches/source.ts'
import { FILE_LINE_BYTES_MAX } from '../../../src/files/lines.ts'
import { openFileSource } from '../../../src/files/source.ts'

const signal = new AbortController().signal
let directory: string
let notices: SourceNotice[]

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'assay-files-'))
  notices = []
})
afterEach(async () => {
  await rm(directory, { recursive: true, force: true })
})

describe('which files are read', () => {
  test('regular files at every depth, in the order of the UTF-8 bytes of their relative paths', async () => {
    // U+FF5E sorts before U+1F600 by UTF-8 bytes, but after it by UTF-16 units.
    for (const name of ['b.ndjson', 'a/z.ndjson', 'a.ndjson', 'Z', '\u{1f600}', '\uff5e'])
      await put(name, `${name}\n`)
    const source = await open()
    expect(await takeAll(source)).toEqual(
      ['Z', 'a.ndjson', 'a/z.ndjson', 'b.ndjson', '\uff5e', '\u{1f600}'].map((name) => ({
        topic: name,
        offset: 0n,
        value: name,
      })),
    )
  })

  test('names that start with a point or an underscore and symbolic links are left out', async () => {
    for (const name of ['a', '.hidden', '_tmp', '_dir/a', '.git/a', 'dir/_b']) await put(name, 'x\n')
    await symlink(join(directory, 'a'), join(directory, 'link'))
    expect((await takeAll(await open())).map((record) => record.topic)).toEqual(['a'])
  })

  test('a single file is the topic of its base name', async () => {
    await put('deep/one.ndjson', '1\n2\n')
    const source = await openFileSource(join(directory, 'deep/one.ndjson'), { takeUnterminatedTail: false })
    expect(await takeAll(source)).toEqual([
      { topic: 'one.ndjson', offset: 0n, value: '1' },
      { topic: 'one.ndjson', offset: 2n, value: '2' },
    ])
  })

  test('a name with a newline is refused', async () => {
    await put('a\nb', 'x\n')
    await expect(open()).rejects.toMatchObject({ code: 'FILE_NAME_INVALID' })
  })

  test('what is neither a file nor a directory, and a Delta table, are refused', async () => {
    const opened = (path: string) => openFileSource(path, { takeUnterminatedTail: false })
    await expect(opened('/dev/null')).rejects.toThrow(/neither a file nor a directory/)
    await mkdir(join(directory, 'table', '_delta_log'), { recursive: true })
    await expect(opened(directory)).rejects.toThrow(/table is a Delta table/)
  })

  test('a path where nothing is is refused', async () => {
    await expect(
      openFileSource(join(directory, 'none'), { takeUnterminatedTail: false }),
    ).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
    })
  })

  test('a file that appears later and sorts before a file already read is read', async () => {
    await put('b', '1\n')
    const source = await open()
    const next = advance(new Map(), await source.cut(new Map(), 10, signal))
    await put('a', '2\n')
    const cut = await source.cut(next, 10, signal)
    expect(await records(source, cut)).toEqual([{ topic: 'a', offset: 0n, value: '2' }])
  })
})

test('until now means what was there at the first look: no later line, and no later file', async () => {
  await put('a', '1\n')
  const source = await open({ takeUnterminatedTail: false, untilNow: true })
  const first = await source.cut(new Map(), 1, signal)
  await put('a', '1\n2\n')
  await put('b', '3\n')
  expect(await records(source, first)).toEqual([{ topic: 'a', offset: 0n, value: '1' }])
  const next = advance(new Map(), first)
  expect((await source.cut(next, 10, signal)).ranges).toEqual([])
  expect(await source.lag(next, signal)).toBe(0n)
  const later = await open()
  expect((await later.cut(next, 10, signal)).ranges).toHaveLength(2)
})

describe('what a line is', () => {
  test('it ends with LF, may be empty, and keeps a CR', async () => {
    await put('f', 'a\r\n\n\u00e9\n')
    expect(await takeAll(await open())).toEqual([
      { topic: 'f', offset: 0n, value: 'a\r' },
      { topic: 'f', offset: 3n, value: '' },
      { topic: 'f', offset: 4n, value: '\u00e9' },
    ])
  })

  test('there are no keys, headers and record timestamps', async () => {
    await put('f', 'a\n')
    const source = await open()
    const { ranges } = await source.cut(new Map(), 10, signal)
    await source.read(
      ranges,
      (chunk) => {
        expect(chunk).toMatchObject({
          partition: 0,
          count: 1,
          timestampsMs: null,
          keys: [null],
          headers: [null],
        })
      },
      signal,
    )
  })

  test('an unterminated last line is no record before its LF, and is noticed once', async () => {
    await put('f', 'a\nbc')
    const source = await open()
    const next = advance(new Map(), await source.cut(new Map(), 10, signal))
    expect((await source.cut(next, 10, signal)).ranges).toEqual([])
    expect(notices).toMatchObject([{ code: 'FILE_TAIL_UNTERMINATED', details: { position: 2 } }])
    await appendFile(join(directory, 'f'), 'd\n')
    expect(await records(source, await source.cut(next, 10, signal))).toEqual([
      { topic: 'f', offset: 2n, value: 'bcd' },
    ])
  })

  test('a taken tail is a record, and the LF written after it is no second one', async () => {
    await put('f', 'a\nbc')
    const finalizing = await open({ takeUnterminatedTail: true })
    const cut = await finalizing.cut(new Map(), 10, signal)
    expect((await records(finalizing, cut)).map((record) => record.value)).toEqual(['a', 'bc'])
    const next = advance(new Map(), cut)
    await appendFile(join(directory, 'f'), '\n')
    for (const takeUnterminatedTail of [true, false]) {
      const source = await open({ takeUnterminatedTail })
      expect(await source.cut(next, 10, signal)).toEqual({ ranges: [], more: false, waiting: [] })
    }
    await appendFile(join(directory, 'f'), 'd\n')
    const source = await open()
    expect(await records(source, await source.cut(next, 10, signal))).toEqual([
      { topic: 'f', offset: 5n, value: 'd' },
    ])
    // The batch that took the tail gives the same records when it is replayed.
    expect((await records(source, cut)).map((record) => record.value)).toEqual(['a', 'bc'])
  })

  test('a taken tail that grows is continued in a record of its own, with a notice', async () => {
    await put('f', 'ab')
    const finalizing = await open({ takeUnterminatedTail: true })
    const next = advance(new Map(), await finalizing.cut(new Map(), 10, signal))
    await appendFile(join(directory, 'f'), 'cd\n')
    const source = await open()
    expect(await records(source, await source.cut(next, 10, signal))).toEqual([
      { topic: 'f', offset: 2n, value: 'cd' },
    ])
    expect(notices).toMatchObject([{ code: 'FILE_LINE_CONTINUED', details: { position: 2 } }])
  })

  test('lines longer than the chunks of reading and scanning are whole', async () => {
    const long = 'y'.repeat(9_000_000)
    await put('f', `a\n${long}\nb\n`)
    const taken = await takeAll(await open())
    expect(taken.map((record) => record.value.length)).toEqual([1, 9_000_000, 1])
    expect(taken[1]!.value === long).toBe(true)
  })

  test('a line longer than the limit is refused with its position', async () => {
    await put('f', 'a\n')
    await truncate(join(directory, 'f'), FILE_LINE_BYTES_MAX + 4)
    const source = await open()
    await expect(source.cut(new Map(), 10, signal)).rejects.toMatchObject({
      code: 'FILE_LINE_TOO_LONG',
      details: { position: 2 },
    })
  })
})

describe('cut', () => {
  test('takes at most recordsMax lines and says whether more is waiting', async () => {
    await put('a', '1\n2\n3\n')
    await put('b', '4\n5\n')
    const source = await open()
    const first = await source.cut(new Map(), 2, signal)
    expect(first).toEqual({
      ranges: [{ topic: 'a', partition: 0, start: 0n, end: 4n }],
      more: true,
      waiting: [],
    })
    const second = await source.cut(advance(new Map(), first), 3, signal)
    expect(second).toEqual({
      ranges: [
        { topic: 'a', partition: 0, start: 4n, end: 6n },
        { topic: 'b', partition: 0, start: 0n, end: 4n },
      ],
      more: false,
      waiting: [],
    })
  })

  test('an unterminated tail behind the cut is not more', async () => {
    await put('a', '1\nx')
    await put('b', 'y')
    expect(await (await open()).cut(new Map(), 1, signal)).toMatchObject({ more: false, waiting: [] })
  })

  test('any contents, cut at any size, give every line once with its own position', async () => {
    const contents = fc.string({ unit: fc.constantFrom('a', '\n', '\r', '\u00e9'), maxLength: 40 })
    await fc.assert(
      fc.asyncProperty(
        fc.array(contents, { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 5 }),
        fc.boolean(),
        async (files, recordsMax, takeUnterminatedTail) => {
          const root = await mkdtemp(join(directory, 'any-'))
          for (const [index, text] of files.entries()) await writeFile(join(root, `${index}`), text)
          const source = await openFileSource(root, { takeUnterminatedTail })
          const expected = files.flatMap((text, index) => linesOf(`${index}`, text, takeUnterminatedTail))
          expect(await takeAll(source, recordsMax)).toEqual(expected)
        },
      ),
      { numRuns: 100 },
    )
  })
})

describe('failures', () => {
  test('a file shorter than its offset is refused', async () => {
    await put('f', '1\n2\n')
    const next = advance(new Map(), await (await open()).cut(new Map(), 10, signal))
    await truncate(join(directory, 'f'), 2)
    await expect((await open()).cut(next, 10, signal)).rejects.toMatchObject({ code: 'FILE_SHRANK' })
  })

  test('a file that shrinks between cut and read is refused', async () => {
    await put('f', '1\n2\n')
    const source = await open()
    const cut = await source.cut(new Map(), 10, signal)
    await truncate(join(directory, 'f'), 2)
    await expect(records(source, cut)).rejects.toMatchObject({ code: 'FILE_SHRANK' })
  })

  test('a file that vanishes with unread lines is refused, one read to its end is not', async () => {
    await put('a', '1\n2\n')
    const source = await open()
    const half = advance(new Map(), await source.cut(new Map(), 1, signal))
    const whole = advance(half, await source.cut(half, 1, signal))
    await rename(join(directory, 'a'), join(directory, '_a'))
    await expect(source.cut(half, 10, signal)).rejects.toMatchObject({ code: 'FILE_VANISHED' })
    expect(await source.cut(whole, 10, signal)).toEqual({ ranges: [], more: false, waiting: [] })
  })

  test('a read of a file that is gone is refused', async () => {
    await put('a', '1\n')
    const source = await open()
    const cut = await source.cut(new Map(), 1, signal)
    await rm(join(directory, 'a'))
    await expect(records(source, cut)).rejects.toMatchObject({ code: 'FILE_VANISHED' })
    const outside = [{ topic: '../../etc/passwd', partition: 0, start: 0n, end: 1n }]
    await expect(records(source, { ranges: outside, more: false, waiting: [] })).rejects.toMatchObject({
      code: 'FILE_VANISHED',
    })
  })

  test('progress of files that are not there any more is noticed', async () => {
    await put('a', '1\n')
    const source = await open()
    const next = new Map([
      [partitionKey({ topic: 'gone', partition: 0 }), { topic: 'gone', partition: 0, offset: 5n }],
    ])
    await source.cut(next, 1, signal)
    expect(notices).toMatchObject([{ code: 'FILES_GONE', details: { first: 'gone' } }])
  })
})

test('while more is waiting than a batch takes, the files are not looked at for every batch', async () => {
  const names = Array.from({ length: 1_500 }, (_, index) => `${10_000 + index}`)
  for (const name of names) await put(name, '1\n2\n')
  const source = await open()
  const first = await source.cut(new Map(), 1, signal)
  await put('0', '3\n')
  const second = await source.cut(advance(new Map(), first), 1, signal)
  expect(second.ranges.map(({ topic, start }) => [topic, start])).toEqual([['10000', 2n]])
  // A batch that takes all that is known looks for what is new.
  const all = await source.cut(new Map(), 10_000, signal)
  expect(all.ranges.map(({ topic }) => topic)).toEqual(['0', ...names])
})

describe('waitForData and lag', () => {
  test('it resolves when a file grows, and not because of a tail it knows', async () => {
    await put('a', '1\nx')
    const source = await open()
    const next = advance(new Map(), await source.cut(new Map(), 10, signal))
    expect(await source.lag(next, signal)).toBe(1n)
    const started = performance.now()
    await source.waitForData(next, 120, signal)
    expect(performance.now() - started).toBeGreaterThan(110)
    const waiting = source.waitForData(next, 30_000, signal)
    await appendFile(join(directory, 'a'), '\n')
    await waiting
    expect((await source.cut(next, 10, signal)).ranges).toHaveLength(1)
  })

  test('it does not resolve at once for the LF behind a taken tail', async () => {
    await put('a', '1')
    for (const takeUnterminatedTail of [true, false]) {
      await writeFile(join(directory, 'a'), '1\n')
      const source = await open({ takeUnterminatedTail })
      const next = new Map([
        [partitionKey({ topic: 'a', partition: 0 }), { topic: 'a', partition: 0, offset: 1n }],
      ])
      await source.cut(next, 10, signal)
      const started = performance.now()
      await source.waitForData(next, 120, signal)
      expect(performance.now() - started).toBeGreaterThan(110)
    }
  })

  test('it ends with the abort of its signal', async () => {
    const source = await open()
    const abort = new AbortController()
    const waiting = source.waitForData(new Map(), 60_000, abort.signal)
    abort.abort()
    await expect(waiting).rejects.toThrow('aborted')
  })
})

async function open(
  options: { takeUnterminatedTail: boolean; untilNow?: boolean } = { takeUnterminatedTail: false },
): Promise<RecordSource> {
  return await openFileSource(directory, { ...options, onNotice: (notice) => notices.push(notice) })
}

async function put(name: string, text: string): Promise<void> {
  const path = join(directory, name)
  await mkdir(join(path, '..'), { recursive: true })
  await writeFile(path, text)
}

function advance(next: Offsets, cut: Cut): Offsets {
  const moved = new Map(next)
  for (const { topic, partition, end } of cut.ranges) {
    moved.set(partitionKey({ topic, partition }), { topic, partition, offset: end })
  }
  return moved
}

type Line = { topic: string; offset: bigint; value: string }

async function records(source: RecordSource, cut: Cut): Promise<Line[]> {
  const lines: Line[] = []
  await source.read(
    cut.ranges,
    (chunk) => {
      for (const [index, value] of chunk.values.entries()) {
        lines.push({
          topic: chunk.topic,
          offset: chunk.offsets[index]!,
          value: new TextDecoder().decode(value!),
        })
      }
    },
    signal,
  )
  return lines
}

async function takeAll(source: RecordSource, recordsMax = 1000): Promise<Line[]> {
  const lines: Line[] = []
  let next: Offsets = new Map()
  for (;;) {
    const cut = await source.cut(next, recordsMax, signal)
    const taken = await records(source, cut)
    expect(taken.length).toBeLessThanOrEqual(recordsMax)
    lines.push(...taken)
    next = advance(next, cut)
    if (!cut.more) return lines
    expect(taken.length).toBe(recordsMax)
  }
}

function linesOf(topic: string, text: string, withTail: boolean): Line[] {
  const parts = text.split('\n')
  let position = 0
  const lines = parts.map((value) => {
    const line = { topic, offset: BigInt(position), value }
    position += Buffer.byteLength(value) + 1
    return line
  })
  const tail = lines.pop()!
  return withTail && tail.value !== '' ? [...lines, tail] : lines
}
