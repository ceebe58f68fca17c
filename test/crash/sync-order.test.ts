// The power fails between any two system calls: what was written is replayed from the diary of a real run, up
// to every change, with all, none or any part of what was not synced, and each time every table is whole.

import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join, relative } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { judgeLakehouse } from '../compare/judge-lakehouse.ts'
import { readTables } from '../compare/read-in-process.ts'
import { lines } from '../generate/lines.ts'
import { randomOf } from '../generate/random.ts'
import { recordsOf, runOnce } from '../unit/engine/pipeline.ts'
import { crashOptions } from './child.ts'
import { type Change, Disk, type Luck, parseDiary } from './disk.ts'
import { compileFaultyDisk, compilerAvailable } from './faulty-disk.ts'
import { runChild } from './processes.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const what = `repeat with SEED=${seed}`
const [values] = fc.sample(lines(45, 45), { seed, numRuns: 1 })
const recordsPerBatchMax = 15
/** So many of the states are carried on by the engine; all are looked at. */
const resumedStates = 4

describe.skipIf(compilerAvailable !== null)('after the power failed', () => {
  let work: string
  let faulty: ReturnType<typeof compileFaultyDisk>
  let changes: readonly Change[]
  const top = () => join(work, 'disk')

  beforeAll(async () => {
    work = await mkdtemp(join(tmpdir(), 'assay-power-'))
    faulty = compileFaultyDisk()
    await mkdir(top())
    const input = join(work, 'input.ndjson')
    await writeFile(input, Buffer.concat(values!.flatMap((value) => [value, Buffer.from('\n')])))
    const [base, marks] = [join(top(), 'tables'), join(top(), 'marks')]
    const diary = join(work, 'diary')
    const environment = { LD_PRELOAD: faulty.library, DISK_UNDER: top(), DISK_DIARY: diary }
    // The first process is killed, so that the second builds on what the first did not finish.
    const plan = { base, input, recordsPerBatchMax, finalize: true, marks }
    const at = { step: 'commit linked', occurrence: 30, signal: 'SIGKILL' } as const
    expect((await runChild({ ...plan, at }, environment)).signal).toBe('SIGKILL')
    expect((await runChild({ ...plan, at: null }, environment)).code).toBeNull()
    changes = parseDiary(await readFile(diary))
  })

  afterAll(async () => {
    await rm(work, { recursive: true, force: true })
    await rm(faulty.directory, { recursive: true, force: true })
  })

  test('the diary tells everything that the disk holds', async () => {
    const disk = new Disk(top())
    for (const change of changes) disk.apply(change)
    const told = disk.files('all')
    const found = new Map<string, Buffer>()
    for (const entry of await readdir(top(), { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name)
      if (entry.isFile()) found.set(path, await readFile(path))
    }
    expect([...told.keys()].sort()).toEqual([...found.keys()].sort())
    for (const [path, bytes] of found) expect(told.get(path)?.equals(bytes), path).toBe(true)
  })

  test('every table is whole at every change, whatever of the rest is lost, and no durable commit is', () => {
    const disk = new Disk(top())
    const random = randomOf(seed)
    const broken: string[] = []
    for (const [index, change] of changes.entries()) {
      disk.apply(change)
      const marks = disk.files('all').get(join(top(), 'marks'))?.length ?? 0
      for (const luck of ['all', 'none', random, random] as const) {
        const { problems, commits } = judge(top(), disk.files(luck))
        const told = problems.map(
          (problem) => `after change ${index} (${change.kind} ${change.path}): ${problem}`,
        )
        broken.push(...told)
        // A mark is written once a commit is said to be durable.
        if (commits < marks) broken.push(`after change ${index}: ${commits} commits are left of ${marks}`)
      }
    }
    expect(broken.slice(0, 5), `${what}; ${broken.length} in all`).toEqual([])
    expect(changes.length).toBeGreaterThan(300)
  })

  test('the pipeline goes on from there, and nothing is lost or doubled', async () => {
    const random = randomOf(seed + 1)
    for (let state = 0; state < resumedStates; state++) {
      const count = Math.floor(random() * changes.length)
      const luck: Luck = state % 3 === 0 ? 'none' : random
      const disk = new Disk(top())
      for (const change of changes.slice(0, count)) disk.apply(change)
      const at = join(work, `state-${state}`)
      for (const [path, bytes] of disk.files(luck)) {
        const to = join(at, path.slice(top().length))
        await mkdir(dirname(to), { recursive: true })
        await writeFile(to, bytes)
        // A lock that lost its content is believed for a lease, and so is a permit to take one over.
        if (basename(to).startsWith('lock')) await utimes(to, 0, 0)
      }
      const lakehouse = {
        base: join(at, 'tables'),
        input: join(work, 'input.ndjson'),
        remove: async () => undefined,
      }
      await runOnce(lakehouse, { ...crashOptions, recordsPerBatchMax, finalize: true })
      const found = judgeLakehouse(recordsOf(values!), await readTables(lakehouse.base))
      expect(found, `after change ${count}, ${what}`).toEqual([])
      await rm(at, { recursive: true })
    }
  })
})

/** What is wrong with the tables, by their logs alone: holes, half commits, files that are not whole. */
function judge(top: string, files: ReadonlyMap<string, Buffer>): { problems: string[]; commits: number } {
  const problems: string[] = []
  let commits = 0
  const logs = [...files.keys()].flatMap((path) => /^(.*)\/_delta_log\/[^/]*$/.exec(path)?.[1] ?? [])
  for (const table of new Set(logs)) {
    const name = relative(join(top, 'tables'), table)
    const versions = [...files.keys()].filter((path) => isCommit(table, path)).sort()
    commits += versions.length
    for (const [index, path] of versions.entries()) {
      if (Number(path.slice(-25, -5)) !== index)
        problems.push(`${name} has no version ${index}, but later ones`)
      problems.push(...commitProblems(name, table, files, path))
    }
  }
  return { problems, commits }
}

function isCommit(table: string, path: string): boolean {
  return path.startsWith(`${table}/_delta_log/`) && /\/\d{20}\.json$/.test(path)
}

function commitProblems(
  name: string,
  table: string,
  files: ReadonlyMap<string, Buffer>,
  path: string,
): string[] {
  const added = filesAdded(files.get(path)!)
  if (added === null) return [`${path} is cut short`]
  return added.flatMap((add) => {
    const size = files.get(join(table, decodeURIComponent(add.path)))?.length ?? null
    return size === add.size ? [] : [`${name}: ${add.path} has ${size} bytes, the log says ${add.size}`]
  })
}

type Added = { readonly path: string; readonly size: number }

/** By the bytes of a commit, which is the same in most of the states. */
const addedOf = new WeakMap<Buffer, readonly Added[] | null>()

/** null where the commit is not whole. */
function filesAdded(commit: Buffer): readonly Added[] | null {
  const known = addedOf.get(commit)
  if (known !== undefined) return known
  const text = commit.toString()
  const isWhole = text.endsWith('}\n')
  const actions = isWhole ? text.trimEnd().split('\n') : []
  const added = actions.flatMap((line) => JSON.parse(line).add ?? [])
  addedOf.set(commit, isWhole ? added : null)
  return isWhole ? added : null
}
