// Copying a lakehouse to another directory or bucket while it runs, and bringing one back. Data files have
// names of their own for ever, so a second copy brings only what is new. docs/guide/backup.md
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DeltaTable } from '../delta/index.ts'
import { loadState } from '../delta/state.ts'
import { assert, LakehouseError } from '../errors/errors.ts'
import { DirectoryPlace, type FilePlace } from '../objects/file-place.ts'
import {
  type BackupManifest,
  manifestFrom,
  manifestKey,
  manifestText,
  restoreKey,
  withoutToken,
} from '../ops/backup.ts'
import { tableDirectory } from '../ops/tables.ts'
import type { Lakehouse } from '../plan/index.ts'
import { step } from '../steps/step.ts'
import { type BackupCut, type CutTable, cutLakehouse, cutTable, tableIfThere } from './backup-cut.ts'
import { placeOf } from './copied-place.ts'

export type CopyOptions = {
  readonly lakehouse: Lakehouse
  /** Of the lakehouse that is copied, or is to be. */
  readonly deltaBasePath: string
  /** Where its copy is: a directory, or the address of a store that is mounted. */
  readonly backupPath: string
  readonly signal: AbortSignal
  /** How many files are there, of how many. */
  readonly onProgress?: (done: number, total: number) => void
}

export type CopyReport = {
  /** The last batch of the copy. */
  readonly batch: bigint
  readonly tables: number
  readonly files: number
  /** What was not there before. */
  readonly copied: { readonly files: number; readonly bytes: bigint }
}

const filesAtOnce = 8
/** Files that go while they are copied make another cut; so many at most. */
const cutsMax = 5

/** Copies what the tables have now. A copy that did not end, or is older, is carried on. */
export async function backUp(options: CopyOptions): Promise<CopyReport> {
  const { lakehouse, deltaBasePath, backupPath, signal } = options
  const [from, to] = [placeOf(deltaBasePath), placeOf(backupPath)]
  refuseInside(from, to)
  await refuseBelowCopy(to)
  for (let cuts = 1; ; cuts++) {
    signal.throwIfAborted()
    const cut = await cutLakehouse(lakehouse, deltaBasePath)
    const report = cut === null ? null : await copyCut(options, cut, from, to)
    if (report !== null) return report
    if (cuts === cutsMax) {
      throw new LakehouseError(
        'BACKUP_OVERTAKEN',
        `${deltaBasePath}: files went while they were copied, ${cutsMax} times one after another. ` +
          'Raise DELETED_FILE_RETENTION to longer than a copy takes, and copy again: what is there is not copied twice.',
      )
    }
  }
}

/** null where a file went meanwhile. */
async function copyCut(
  options: CopyOptions,
  cut: BackupCut,
  from: FilePlace,
  to: FilePlace,
): Promise<CopyReport | null> {
  const records = cut.tables.find(({ path }) => path === options.lakehouse.records.path)
  assert(records, 'a lakehouse has its records')
  const known = await manifestOf(to, records.snapshot.metadata.id)
  await refuseLeftOut(options, known, cut)
  const manifest: BackupManifest = {
    format: 1,
    lakehouse: records.snapshot.metadata.id,
    batch: cut.batch,
    takenAt: new Date().toISOString(),
    token: randomUUID(),
    tables: Object.fromEntries(
      cut.tables.map(({ path, snapshot, oldest }) => [
        path,
        { id: snapshot.metadata.id, version: snapshot.version, oldest },
      ]),
    ),
  }
  const { token } = manifest
  const begun = known ?? { ...manifest, batch: null, tables: {} }
  await putManifest(to, { ...begun, token })
  const copy = await Copy.of(options, from, to)
  try {
    await makeRoom(copy, to, { ...begun, token }, cut.tables)
    await step('copy begun')
    if (!(await copy.bring(cut.tables, cut.tables))) {
      await refuseLost(options, from, cut, copy.missing)
      return null
    }
  } finally {
    await copy.end()
  }
  await step('tables copied')
  await refuseSecond(to, token)
  await putManifest(to, manifest)
  await step('copy named')
  await refuseSecond(to, token)
  await copy.deleteOthers(begun, cut.tables)
  return copy.report(cut)
}

async function putManifest(to: FilePlace, manifest: BackupManifest): Promise<void> {
  await to.put(manifestKey, Buffer.from(manifestText(manifest)))
}

/**
 * Deletes what is in the way of the logs. Where a table was made again, or the lakehouse was brought back
 * from an older copy and went on, the names of a log stand for other commits: of such tables the copy says
 * that it does not have them before their logs go.
 */
async function makeRoom(
  copy: Copy,
  to: FilePlace,
  known: BackupManifest,
  tables: readonly CutTable[],
): Promise<void> {
  const others = new Set<string>()
  for (const table of tables) if (!(await copy.goesOn(table, known))) others.add(table.path)
  const ofKnown = Object.entries(known.tables)
  const left = ofKnown.filter(([path]) => !others.has(path))
  if (left.length < ofKnown.length) {
    await refuseSecond(to, known.token)
    await putManifest(to, { ...known, batch: null, tables: Object.fromEntries(left) })
  }
  for (const { path, log } of tables) {
    const before = others.has(path) ? null : (known.tables[path]?.version ?? null)
    await copy.deleteLog(path, (name) => before === null || (isLater(name, before) && !log.includes(name)))
  }
}

/** Whether a file of a log is of a later version. */
function isLater(name: string, version: bigint): boolean {
  const digits = /^\d{20}/.exec(name)?.[0]
  return digits !== undefined && BigInt(digits) > version
}

/** Brings a lakehouse from its copy to a place that has nothing. One that did not end is carried on. */
export async function restoreBackup(options: CopyOptions): Promise<CopyReport> {
  const { lakehouse, deltaBasePath, backupPath } = options
  const [from, to] = [placeOf(backupPath), placeOf(deltaBasePath)]
  refuseInside(from, to)
  const found = await from.get(manifestKey)
  const manifest = found === null ? null : manifestFrom(found.bytes.toString('utf8'))
  if (manifest === null || manifest.batch === null) {
    const what = found === null ? 'has no copy of a lakehouse' : 'has a copy that was begun and did not end'
    throw new LakehouseError(
      'BACKUP_REFUSED',
      `${from.url} ${what} (${manifestKey}). Name the directory or address that "assay backup" was given.`,
    )
  }
  const tables = await copiedTables(options, manifest)
  const copy = await Copy.of(options, from, to)
  const begun = await to.get(restoreKey)
  const marker = Buffer.from(manifestText(withoutToken(manifest)))
  const isMine = begun?.bytes.equals(marker) === true
  const there = copy.keys.find((key) => !key.startsWith('_checkpoints/') && key !== restoreKey)
  if (!isMine && there !== undefined) {
    throw new LakehouseError(
      'BACKUP_REFUSED',
      `${to.url} is not empty: it has ${there}. Set DELTA_BASE_PATH to a place that has nothing, or remove what is there; nothing was changed.`,
    )
  }
  await to.put(restoreKey, marker)
  await step('copy begun')
  // A reader in between finds the tables that everything else is computed from last.
  const rank = (path: string): number =>
    path === lakehouse.events.path ? 0 : path === lakehouse.records.path ? 2 : 1
  const inOrder = tables.toSorted((a, b) => rank(a.path) - rank(b.path))
  try {
    if (!(await copy.bring(tables, inOrder))) throw broken(from, copy.missing)
  } finally {
    await copy.end()
  }
  await step('tables copied')
  await to.delete(restoreKey)
  return copy.report({ batch: manifest.batch, tables })
}

async function copiedTables({ backupPath }: CopyOptions, manifest: BackupManifest): Promise<CutTable[]> {
  const tables: CutTable[] = []
  for (const [path, { id, version, oldest = null }] of Object.entries(manifest.tables)) {
    const directory = tableDirectory(backupPath, { path })
    // A copy that was begun later and did not end may have left more in the log: it is not read.
    const snapshot: DeltaTable['snapshot'] = async () => (await loadState(directory, version)).snapshot()
    const cut = await cutTable({ directory, snapshot }, path, version, oldest)
    if (cut === null || cut.snapshot.metadata.id !== id) {
      throw broken(placeOf(backupPath), `the log of ${path}`)
    }
    tables.push(cut)
  }
  return tables
}

/** Files from one place to another. */
class Copy {
  /** What the place had. */
  readonly keys: readonly string[]
  missing: string | null = null
  readonly #options: CopyOptions
  readonly #from: FilePlace
  readonly #to: FilePlace
  readonly #there: Set<string>
  /** Files of logs that were seen to be the same. */
  readonly #equal = new Set<string>()
  /** For what is in two stores. */
  readonly #directory: string
  #files = 0
  #bytes = 0n
  #copied = 0
  #done = 0
  #total = 0

  private constructor(
    options: CopyOptions,
    from: FilePlace,
    to: FilePlace,
    of: { readonly keys: readonly string[]; readonly directory: string },
  ) {
    this.#options = options
    this.#from = from
    this.#to = to
    this.keys = of.keys
    this.#there = new Set(of.keys)
    this.#directory = of.directory
  }

  static async of(options: CopyOptions, from: FilePlace, to: FilePlace): Promise<Copy> {
    const keys = await Array.fromAsync(to.keys(''))
    const directory = await mkdtemp(join(tmpdir(), 'assay-copy-'))
    return new Copy(options, from, to, { keys, directory })
  }

  async end(): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true })
  }

  /** All data files, then the logs in an order; false where a file is no longer there. */
  async bring(tables: readonly CutTable[], logs: readonly CutTable[]): Promise<boolean> {
    const files = tables.flatMap(({ path, snapshot }) =>
      [...snapshot.files.values()].map((file) => ({ key: `${path}/${file.path}`, size: file.size })),
    )
    const ofLogs = logs.map(({ path, log }) =>
      log.map((name) => ({ key: `${path}/_delta_log/${name}`, size: null })),
    )
    this.#total = files.length + ofLogs.flat().length
    this.#files = this.#total
    for (const some of [files, ...ofLogs]) if (!(await this.#bringAll(some))) return false
    return true
  }

  async #bringAll(files: readonly FileToCopy[]): Promise<boolean> {
    const waiting = files.values()
    const work = async (): Promise<void> => {
      for (const file of waiting) {
        this.#options.signal.throwIfAborted()
        if (this.missing !== null) return
        await this.#bringOne(file)
        this.#done += 1
        this.#options.onProgress?.(this.#done, this.#total)
      }
    }
    await this.#atOnce(files.length, work)
    return this.missing === null
  }

  async #atOnce(count: number, work: () => Promise<void>): Promise<void> {
    await Promise.all(Array.from({ length: Math.min(filesAtOnce, count) }, work))
  }

  async #bringOne({ key, size }: FileToCopy): Promise<void> {
    if (this.#there.has(key) && (await this.#isSame(key, size))) return
    const found = await this.#from.head(key)
    const bytes = found === null ? null : BigInt(found.size)
    if (bytes === null || !(await this.#carry(key))) {
      this.missing = key
      return
    }
    if (size !== null && bytes !== size) throw broken(this.#from, key)
    if ((await this.#sizeThere(key)) !== bytes) throw broken(this.#to, key)
    this.#there.add(key)
    this.#copied += 1
    this.#bytes += bytes
  }

  /** False where the file is no longer there. */
  async #carry(key: string): Promise<boolean> {
    const temporary = join(this.#directory, randomUUID())
    try {
      // What lies in a directory of this machine goes up from there.
      const local = this.#from instanceof DirectoryPlace ? this.#from.pathOf(key) : temporary
      if (local === temporary && (await this.#from.download(key, temporary)) === null) return false
      await this.#to.upload(key, local)
      return true
    } catch (error) {
      if ((await this.#from.head(key)) === null) return false
      throw error
    } finally {
      await rm(temporary, { force: true })
    }
  }

  async #sizeThere(key: string): Promise<bigint | null> {
    const found = await this.#to.head(key)
    return found === null ? null : BigInt(found.size)
  }

  /** The name of a data file stands for it alone; those of a log may have come from another history. */
  async #isSame(key: string, size: bigint | null): Promise<boolean> {
    if (size !== null) return (await this.#sizeThere(key)) === size
    return this.#equal.has(key) || (await this.#hasEqual(key)) === true
  }

  /** null where one of both is not there (any more). */
  async #hasEqual(key: string): Promise<boolean | null> {
    const [one, other] = await Promise.all([this.#from.get(key), this.#to.get(key)])
    if (one === null || other === null) return null
    const isEqual = one.bytes.equals(other.bytes)
    if (isEqual) this.#equal.add(key)
    return isEqual
  }

  /** True where the log that is there is the beginning of the table's, or there is none. */
  async goesOn({ path, snapshot, log }: CutTable, known: BackupManifest): Promise<boolean> {
    const directory = `${path}/_delta_log/`
    const before = known.tables[path]
    if (!this.keys.some((key) => key.startsWith(directory))) return true
    if (before === undefined || before.id !== snapshot.metadata.id) return false
    const both = log.filter(
      (name) => !isLater(name, before.version) && this.#there.has(`${directory}${name}`),
    )
    const waiting = both.values()
    const different: string[] = []
    await this.#atOnce(both.length, async () => {
      for (const name of waiting) {
        this.#options.signal.throwIfAborted()
        if ((await this.#hasEqual(`${directory}${name}`)) === false) different.push(name)
      }
    })
    return different.length === 0
  }

  async deleteLog(path: string, isToGo: (name: string) => boolean): Promise<void> {
    const directory = `${path}/_delta_log/`
    for (const key of this.keys) {
      if (!key.startsWith(directory) || !isToGo(key.slice(directory.length))) continue
      await this.#to.delete(key)
      this.#there.delete(key)
    }
  }

  /**
   * What the copy no longer names: files of days that were dropped, of erased rows, of older versions. What
   * lies there beside tables is not of the copy.
   */
  async deleteOthers(known: BackupManifest, tables: readonly CutTable[]): Promise<void> {
    const named = new Set<string>()
    for (const { path, snapshot, log } of tables) {
      for (const file of snapshot.files.keys()) named.add(`${path}/${file}`)
      for (const name of log) named.add(`${path}/_delta_log/${name}`)
    }
    const directories = new Set([...Object.keys(known.tables), ...tables.map(({ path }) => path)])
    const isOfTable = (key: string): boolean => [...directories].some((one) => key.startsWith(`${one}/`))
    for (const key of this.keys) if (isOfTable(key) && !named.has(key)) await this.#to.delete(key)
  }

  report({ batch, tables }: { readonly batch: bigint; readonly tables: readonly CutTable[] }): CopyReport {
    const copied = { files: this.#copied, bytes: this.#bytes }
    return { batch, tables: tables.length, files: this.#files, copied }
  }
}

type FileToCopy = { readonly key: string; readonly size: bigint | null }

/** null for a place that has nothing. Fails where it has something else. */
async function manifestOf(to: FilePlace, lakehouseId: string): Promise<BackupManifest | null> {
  const found = await to.get(manifestKey)
  const manifest = found === null ? null : manifestFrom(found.bytes.toString('utf8'))
  if (manifest?.lakehouse === lakehouseId) return manifest
  let what = manifest === null ? null : 'the copy of another lakehouse'
  if (what === null) for await (const key of to.keys('')) what ??= key
  if (what === null) return null
  throw new LakehouseError(
    'BACKUP_REFUSED',
    `${to.url} is not empty: it has ${what}. Name a place that has nothing, or the last copy of this lakehouse; nothing was changed.`,
  )
}

function refuseInside(from: FilePlace, to: FilePlace): void {
  const [one, other] = [`${from.url}/`, `${to.url}/`]
  if (!one.startsWith(other) && !other.startsWith(one)) return
  throw new LakehouseError(
    'BACKUP_REFUSED',
    `${to.url} and ${from.url} lie one inside the other. Name another place.`,
  )
}

/** Two copies at once would delete each other's files. */
async function refuseSecond(to: FilePlace, token: string | undefined): Promise<void> {
  const found = await to.get(manifestKey)
  if (found !== null && manifestFrom(found.bytes.toString('utf8'))?.token === token) return
  throw new LakehouseError(
    'BACKUP_REFUSED',
    `${to.url}: another process has begun to copy to it since. That one goes on, this one ends; let one copy at a time go to a place.`,
  )
}

/** A file that the newest version names as well did not go meanwhile: no other cut would have it. */
async function refuseLost(
  { deltaBasePath }: CopyOptions,
  from: FilePlace,
  cut: BackupCut,
  missing: string | null,
): Promise<void> {
  const path = cut.tables.find((table) => missing?.startsWith(`${table.path}/`))?.path
  const table = path === undefined ? null : await tableIfThere(deltaBasePath, path)
  const isNamed = (await table?.snapshot())?.files.has(missing!.slice(path!.length + 1)) === true
  if (isNamed) throw broken(from, missing)
}

/** Whoever copies without the project's definitions would drop its tables from the copy. */
async function refuseLeftOut(
  { deltaBasePath, backupPath }: CopyOptions,
  known: BackupManifest | null,
  cut: BackupCut,
): Promise<void> {
  for (const path of Object.keys(known?.tables ?? {})) {
    if (cut.tables.some((one) => one.path === path)) continue
    if (!(await DeltaTable.exists(tableDirectory(deltaBasePath, { path })))) continue
    throw new LakehouseError(
      'BACKUP_REFUSED',
      `${backupPath} has ${path}, which ${deltaBasePath} has as well, and which no definition names. Run this in the directory of ` +
        'the project that defines it, or, if nobody wants the table any more, remove its directory first; nothing was changed.',
    )
  }
}

/** The copy above would take the tables of this one for its own. */
async function refuseBelowCopy(to: FilePlace): Promise<void> {
  if (!(to instanceof DirectoryPlace)) return
  for (let at = dirname(to.url); at !== dirname(at); at = dirname(at)) {
    if ((await new DirectoryPlace(at).head(manifestKey)) === null) continue
    throw new LakehouseError(
      'BACKUP_REFUSED',
      `${to.url} lies inside ${at}, which is the copy of a lakehouse (${manifestKey}). Name a place beside it; nothing was changed.`,
    )
  }
}

function broken({ url }: FilePlace, what: string | null): LakehouseError {
  return new LakehouseError(
    'BACKUP_BROKEN',
    `${url}: ${what ?? 'a file'} is not there, or has another size than the log says. ` +
      'Of a lakehouse "assay verify" says what it lacks; of a copy take another one.',
  )
}
