import { appendFile, mkdtemp, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { SourceNotice } from '../../../src/batches/notice.ts'
import type { Offsets } from '../../../src/batches/offsets.ts'
import { advanceOffsets } from '../../../src/batches/planner.ts'
import type { RecordSource } from '../../../src/batches/source.ts'
import { openFileSource } from '../../../src/files/source.ts'
import { skippableFrame } from '../../generate/record-batch.ts'

const signal = new AbortController().signal
const MiB = 1024 * 1024
let directory: string
let notices: SourceNotice[]

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'assay-compressed-'))
  notices = []
})
afterEach(async () => {
  await rm(directory, { recursive: true, force: true })
})

const codecs = [
  ['a.gz', gzipSync],
  ['a.ndjson.ZST', zstdCompressSync],
] as const

describe.each(codecs)('%s', (name, compress) => {
  test('any text, in any parts, cut at any size, gives every line once with its position in the text', async () => {
    const texts = fc.array(fc.string({ unit: fc.constantFrom('a', '\n', '\u00e9'), maxLength: 30 }), {
      minLength: 1,
    })
    await fc.assert(
      fc.asyncProperty(texts, fc.integer({ min: 1, max: 7 }), async (parts, recordsMax) => {
        await put(name, Buffer.concat(parts.map((part) => compress(Buffer.from(part)))))
        expect(await takeAll(await open(), recordsMax)).toEqual(linesOf(parts.join('')))
      }),
      { numRuns: 30 },
    )
  })

  test('a large text is read in batches, also by runs that start in its middle', async () => {
    const lines = Array.from(
      { length: 200_000 },
      (_, index) => `{"line":${index},"x":"${'y'.repeat(index % 90)}"}`,
    )
    const text = `${lines.join('\n')}\n`
    await put(name, compress(Buffer.from(text)))
    let next: Offsets = new Map()
    const values: string[] = []
    for (let more = true; more; ) {
      const source = await open()
      for (let cuts = 0; cuts < 5 && more; cuts += 1) {
        const taken = await take(source, next, 7_000)
        for (const { value } of taken.records) values.push(value)
        next = taken.next
        more = taken.more
      }
      await source.close()
    }
    expect(values.length).toBe(lines.length)
    expect(values).toEqual(lines)
  })

  test('a last line without LF is a record: such a file is whole', async () => {
    await put(name, compress(Buffer.from('1\n22')))
    expect(await takeAll(await open())).toEqual(linesOf('1\n22'))
    expect(notices).toEqual([])
  })

  test('one that is cut off or damaged is refused with its name and the position in its text', async () => {
    const text = Buffer.from(Array.from({ length: 300_000 }, (_, index) => `${index * 7_919}\n`).join(''))
    const stored = compress(text)
    const damaged = Buffer.from(stored)
    damaged.fill(0x55, Math.floor(stored.length * 0.7), Math.floor(stored.length * 0.7) + 50)
    for (const wrong of [stored.subarray(0, stored.length - 10), damaged, Buffer.from('no compression\n')]) {
      await put(name, wrong)
      await expect(takeAll(await open())).rejects.toMatchObject({
        code: 'FILE_CORRUPT',
        message: expect.stringContaining(join(directory, name)),
        details: { position: expect.any(Number) },
      })
    }
  })

  test('one without a byte holds nothing', async () => {
    await put(name, Buffer.alloc(0))
    expect(await takeAll(await open())).toEqual([])
  })

  test('what is put behind it is read, too; a shorter text is refused', async () => {
    await put(name, compress(Buffer.from('1\n2\n')))
    const source = await open()
    const first = await take(source, new Map(), 10)
    expect((await source.cut(first.next, 10, signal)).ranges).toEqual([])
    expect(await source.lag(first.next, signal)).toBe(0n)
    await appendFile(join(directory, name), compress(Buffer.from('3\n')))
    await source.waitForData(first.next, 60_000, signal)
    expect((await take(source, first.next, 10)).records).toEqual([{ offset: 4n, value: '3' }])
    await put(name, compress(Buffer.from('1\n')))
    await expect(take(await open(), first.next, 10)).rejects.toMatchObject({ code: 'FILE_SHRANK' })
  })

  test('members and frames may end where a read of the file does', async () => {
    const [first, second] = [noise(200_000), noise(100_000)]
    const member = compress(first)
    const filled = padded(name, member, 256 * 1024)
    expect(filled.length).toBe(256 * 1024)
    await put(name, Buffer.concat([filled, compress(second)]))
    const records = await takeAll(await open())
    expect(records).toEqual(linesOf(Buffer.concat([first, second]).toString('latin1')))
  })
})

test('a run that starts does not decompress what earlier runs have read', async () => {
  const cachePath = join(directory, '.cache', 'lengths.ndjson')
  const written = new Date(Date.UTC(2026, 0, 1))
  await put('a.gz', gzipSync('1\n2\n'))
  await utimes(join(directory, 'a.gz'), written, written)
  const first = await take(await open(cachePath), new Map(), 10)
  const { next } = await take(await open(cachePath), first.next, 10)
  // Only a run that opens the file can see that it is damaged.
  const { size } = await stat(join(directory, 'a.gz'))
  await put('a.gz', Buffer.alloc(size, 'x'))
  await utimes(join(directory, 'a.gz'), written, written)
  expect((await take(await open(cachePath), next, 10)).records).toEqual([])
  await expect(take(await open(), next, 10)).rejects.toMatchObject({ code: 'FILE_CORRUPT' })
  // A cache that is lost or damaged costs time alone.
  await put('a.gz', gzipSync('1\n2\n'))
  await writeFile(cachePath, '["cut o')
  expect((await take(await open(cachePath), next, 10)).records).toEqual([])
  await put('b.gz', gzipSync('3\n'))
  expect((await take(await open(cachePath), next, 10)).records).toEqual([{ offset: 0n, value: '3' }])
})

test('a long text in few bytes takes little memory', async () => {
  // 256 MiB in some kilobytes.
  const line = Buffer.alloc(MiB, 'x')
  line[MiB - 1] = 10
  const member = zstdCompressSync(Buffer.concat(new Array<Buffer>(64).fill(line)))
  await put('a.zst', Buffer.concat(new Array<Buffer>(4).fill(member)))
  const source = await open()
  const { ranges } = await source.cut(new Map(), 10_000, signal)
  expect(ranges).toMatchObject([{ start: 0n, end: BigInt(256 * MiB) }])
  let most = 0
  await source.read(
    ranges,
    ({ values }) => {
      most = Math.max(
        most,
        values.reduce((sum, value) => sum + value!.length, 0),
      )
    },
    signal,
  )
  await source.close()
  expect(most).toBeLessThanOrEqual(8 * MiB)
})

async function open(cachePath?: string): Promise<RecordSource> {
  return await openFileSource(directory, {
    takeUnterminatedTail: false,
    ...(cachePath === undefined ? {} : { cachePath }),
    onNotice: (notice) => notices.push(notice),
  })
}

async function put(name: string, bytes: Uint8Array): Promise<void> {
  await writeFile(join(directory, name), bytes)
}

type TextRecord = { readonly offset: bigint; readonly value: string }

async function take(source: RecordSource, next: Offsets, recordsMax: number) {
  const { ranges, more } = await source.cut(next, recordsMax, signal)
  const records: TextRecord[] = []
  await source.read(
    ranges,
    ({ offsets, values }) => {
      for (const [index, value] of values.entries())
        records.push({ offset: offsets[index]!, value: Buffer.from(value!).toString('utf8') })
    },
    signal,
  )
  return { records, more, next: advanceOffsets(next, ranges) }
}

async function takeAll(source: RecordSource, recordsMax = 1_000_000): Promise<TextRecord[]> {
  const records: TextRecord[] = []
  let next: Offsets = new Map()
  for (let more = true; more; ) {
    const taken = await take(source, next, recordsMax)
    for (const record of taken.records) records.push(record)
    next = taken.next
    more = taken.more
  }
  await source.close()
  return records
}

function linesOf(text: string): TextRecord[] {
  const records: TextRecord[] = []
  let offset = 0
  const lines = text.split('\n')
  for (const [index, value] of lines.entries()) {
    if (index < lines.length - 1 || value !== '') records.push({ offset: BigInt(offset), value })
    offset += Buffer.byteLength(value) + 1
  }
  return records
}

/** Lines that do not compress much. */
function noise(bytes: number): Buffer {
  const content = Buffer.alloc(bytes)
  for (let index = 0, hash = bytes; index < bytes; index += 1) {
    hash = Math.imul(hash ^ (hash >>> 13), 0x5bd1e995) + index
    content[index] = index % 80 === 79 ? 10 : 33 + ((hash >>> 20) % 90)
  }
  return content
}

/** The same member or frame, with so many bytes: a long name in the header, or a frame to be skipped. */
function padded(name: string, member: Buffer, bytes: number): Buffer {
  const missing = bytes - member.length
  if (!name.endsWith('.gz')) return Buffer.concat([skippableFrame(Buffer.alloc(missing - 8)), member])
  const header = Buffer.from(member.subarray(0, 10))
  header[3] = 0b1000
  const text = Buffer.alloc(missing, 'n')
  text[missing - 1] = 0
  return Buffer.concat([header, text, member.subarray(10)])
}
