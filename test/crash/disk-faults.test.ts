// The disk refuses: full, broken, forbidden, too many files. A run with an end tries again some times, and
// then ends with a message that says what to do; the tables are whole, and after the repair it goes on.
import { spawnSync } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { constants } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { verifyLakehouse } from '../../src/verify/verify.ts'
import { judgeLakehouse } from '../compare/judge-lakehouse.ts'
import { readTables } from '../compare/read-in-process.ts'
import { lines } from '../generate/lines.ts'
import { type Lakehouse, newLakehouse, recordsOf, runOnce, writeInput } from '../unit/engine/pipeline.ts'
import { failedChecks, verifyOptions } from '../unit/verify/damaged-lakehouse.ts'
import { crashOptions } from './child.ts'
import { compileFaultyDisk, compilerAvailable } from './faulty-disk.ts'
import { type Ended, runChild } from './processes.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const what = `repeat with SEED=${seed}`
const [values] = fc.sample(lines(60, 60), { seed, numRuns: 1 })
const recordsPerBatchMax = 20

const forever = 1_000_000
const { ENOSPC, EIO, EACCES, EMFILE, EROFS } = constants.errno

type Fault = {
  readonly name: string
  readonly call: 'open' | 'write' | 'sync' | 'link' | 'rename'
  readonly errno: number
  /** The calls that fail: the first, counted from 1, and how many. */
  readonly from: number
  readonly count: number
  /** What the system or DuckDB calls it, and what is to be done; empty where the run goes on by itself. */
  readonly says: RegExp
}

const faults: readonly Fault[] = [
  // While batches are written.
  {
    name: 'the disk is full',
    call: 'write',
    errno: ENOSPC,
    from: 90,
    count: forever,
    says: /no space left/i,
  },
  {
    name: 'the disk is full from the start',
    call: 'write',
    errno: ENOSPC,
    from: 1,
    count: forever,
    says: /make room/,
  },
  {
    name: 'the disk is full when a file is synced',
    call: 'sync',
    errno: ENOSPC,
    from: 80,
    count: forever,
    says: /make room/,
  },
  {
    name: 'one write fails',
    call: 'write',
    errno: EIO,
    from: 15,
    count: 1,
    says: /^$/,
  },
  { name: 'one sync fails', call: 'sync', errno: EIO, from: 95, count: 1, says: /^$/ },
  {
    name: 'the sync of a directory fails after the commit has its name',
    call: 'sync',
    errno: EIO,
    from: 88,
    count: 1,
    says: /^$/,
  },
  {
    name: 'a commit cannot be given its name',
    call: 'link',
    errno: EIO,
    from: 30,
    count: 1,
    says: /^$/,
  },
  {
    name: 'the directory is read-only',
    call: 'link',
    errno: EROFS,
    from: 1,
    count: forever,
    says: /mounted read-only/,
  },
  {
    name: 'files may not be opened',
    call: 'open',
    errno: EACCES,
    from: 1,
    count: forever,
    says: /the right to read and write/,
  },
  {
    name: 'files may no longer be opened',
    call: 'open',
    errno: EACCES,
    from: 120,
    count: forever,
    says: /permission denied/i,
  },
  {
    name: 'too many files are open',
    call: 'open',
    errno: EMFILE,
    from: 130,
    count: forever,
    says: /too many open files/i,
  },
  // A checkpoint is only a help for readers: it is tried again, and no batch fails for it.
  {
    name: 'a checkpoint cannot be given its name',
    call: 'rename',
    errno: EIO,
    from: 1,
    count: forever,
    says: /^$/,
  },
]

async function withLakehouse(use: (lakehouse: Lakehouse) => Promise<void>): Promise<void> {
  const lakehouse = await newLakehouse()
  try {
    await writeInput(lakehouse, values!)
    await use(lakehouse)
  } finally {
    await lakehouse.remove()
  }
}

/** After the repair: nothing is lost, doubled or damaged. */
async function goesOn(lakehouse: Lakehouse): Promise<void> {
  await runOnce(lakehouse, { ...crashOptions, recordsPerBatchMax, finalize: true })
  expect(judgeLakehouse(recordsOf(values!), await readTables(lakehouse.base)), what).toEqual([])
}

function expectClear(ended: Ended, says: RegExp): void {
  expect(['STORAGE_FAILED', 'STORAGE_REFUSED', 'BATCH_FAILED']).toContain(ended.code)
  expect(ended.message).toMatch(says)
  expect(ended.message).toMatch(
    /(The tables are intact|What is in the tables is whole): the next start goes on/,
  )
}

describe.skipIf(compilerAvailable !== null)('a disk that fails', () => {
  let faulty: ReturnType<typeof compileFaultyDisk>
  beforeAll(() => {
    faulty = compileFaultyDisk()
  })
  afterAll(() => rm(faulty.directory, { recursive: true, force: true }))

  for (const { name, call, errno, from, count, says } of faults) {
    test.concurrent(name, () =>
      withLakehouse(async (lakehouse) => {
        const { base, input } = lakehouse
        const environment = {
          LD_PRELOAD: faulty.library,
          DISK_UNDER: base,
          DISK_FAIL: `${call}:${errno}:${from}:${count}`,
        }
        const ended = await runChild(
          { base, input, recordsPerBatchMax, finalize: true, at: null },
          environment,
        )
        if (says.source === '^$') expect(ended.code).toBeNull()
        else expectClear(ended, says)
        // Whatever was written until then is whole.
        const failed = failedChecks(await verifyLakehouse(verifyOptions(base), null))
        expect(failed.filter((check) => !check.endsWith(', log'))).toEqual([])
        await goesOn(lakehouse)
      }),
    )
  }
})

test('a process that may open few files says so, and goes on with more', () =>
  withLakehouse(async (lakehouse) => {
    const plan = {
      base: lakehouse.base,
      input: lakehouse.input,
      recordsPerBatchMax,
      finalize: true,
      at: null,
    }
    const child = join(import.meta.dirname, 'child.ts')
    const outcomes = [24, 26, 28, 30, 34].map((files) => {
      const command = `ulimit -n ${files}; exec "$0" "$@"`
      const { stdout, stderr } = spawnSync(
        'sh',
        ['-c', command, process.execPath, child, JSON.stringify(plan)],
        {
          encoding: 'utf8',
        },
      )
      return `${stdout}\n${stderr}`
    })
    // With fewest, Node itself cannot start; with a few more, the engine says what is missing.
    expect(outcomes.join('\n')).toMatch(/"(STORAGE_REFUSED|BATCH_FAILED)".*([Tt]oo many open files|EMFILE)/)
    await goesOn(lakehouse)
  }))
