// Copying a lakehouse to another directory or bucket while it runs, and bringing one back. Data files have
// names of their own for ever, so a second copy brings only what is new. docs/guide/backup.md
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DeltaTable } from '../delta/index.ts'
import { directoryOf, storeAt } from '../delta/mounts.ts'
import { assert, LakehouseError } from '../errors/errors.ts'
import { DirectoryPlace, type FilePlace } from '../objects/file-place.ts'
import { type BackupManifest, manifestFrom, manifestKey, manifestText, restoreKey } from '../ops/backup.ts'
import { tableDirectory } from '../ops/tables.ts'
import type { Lakehouse } from '../plan/index.ts'
import { step } from '../steps/step.ts'
import { type BackupCut, type CutTable, cutLakehouse, cutTable } from './backup-cut.ts'

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
  const copy = await Copy.of(options, from, to)
  const manifest: BackupManifest = {
    format: 1,
    lakehouse: records.snapshot.metadata.id,
    batch: cut.batch,
    takenAt: new Date().toISOString(),
    tables: Object.fromEntries(
      cut.tables.map(({ path, snapshot, oldest }) => [
        path,
        { id: snapshot.metadata.id, version: snapshot.version, oldest },
      ]),
    ),
  }
  // Of a table that was made again the names of the log stand for other commits.
  const anew = cut.tables.filter(({ path, snapshot }) => {
    const before = known?.tables[path]
    return before !== undefined && before.id !== snapshot.metadata.id
  })
  if (known === null || anew.length > 0) {
    await to.put(manifestKey, Buffer.from(manifestText({ ...manifest, batch: null, tables: {} })))
  }
  for (const { path } of anew) await copy.deleteAll(`${path}/_delta_log/`)
  await step('copy begun')
  try {
    if (!(await copy.bring(cut.tables, cut.tables))) return null
  } finally {
    await copy.end()
  }
  await step('tables copied')
  await to.put(manifestKey, Buffer.from(manifestText(manifest)))
  await step('copy named')
  await copy.deleteOthers(cut.tables)
  return copy.report(cut)
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
  const isMine = begun?.bytes.equals(Buffer.from(manifestText(manifest))) === true
  const there = copy.keys.find((key) => !key.startsWith('_checkpoints/') && key !== restoreKey)
  if (!isMine && there !== undefined) {
    throw new LakehouseError(
      'BACKUP_REFUSED',
      `${to.url} is not empty: it has ${there}. Set DELTA_BASE_PATH to a place that has nothing, or remove what is there; nothing was changed.`,
    )
  }
  await to.put(restoreKey, Buffer.from(manifestText(manifest)))
  await step('copy begun')
  // A start in between finds silver without bronze, and refuses.
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
    const isThere = await DeltaTable.exists(directory)
    const cut = isThere ? await cutTable(await DeltaTable.open(directory), path, version, oldest) : null
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
    await Promise.all(Array.from({ length: Math.min(filesAtOnce, files.length) }, work))
    return this.missing === null
  }

  async #bringOne({ key, size }: FileToCopy): Promise<void> {
    if (this.#there.has(key) && (size === null || (await this.#sizeThere(key)) === size)) return
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

  async deleteAll(prefix: string): Promise<void> {
    for (const key of this.keys.filter((one) => one.startsWith(prefix))) {
      await this.#to.delete(key)
      this.#there.delete(key)
    }
  }

  /** What the copy no longer names: files of days that were dropped, of erased rows, of older versions. */
  async deleteOthers(tables: readonly CutTable[]): Promise<void> {
    const named = new Set([manifestKey])
    for (const { path, snapshot, log } of tables) {
      for (const file of snapshot.files.keys()) named.add(`${path}/${file}`)
      for (const name of log) named.add(`${path}/_delta_log/${name}`)
    }
    for (const key of this.keys) if (!named.has(key)) await this.#to.delete(key)
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

function placeOf(basePath: string): FilePlace {
  const directory = directoryOf(basePath)
  return storeAt(directory)?.store ?? new DirectoryPlace(directory)
}

function refuseInside(from: FilePlace, to: FilePlace): void {
  const [one, other] = [`${from.url}/`, `${to.url}/`]
  if (!one.startsWith(other) && !other.startsWith(one)) return
  throw new LakehouseError(
    'BACKUP_REFUSED',
    `${to.url} and ${from.url} lie one inside the other. Name another place.`,
  )
}

function broken({ url }: FilePlace, what: string | null): LakehouseError {
  return new LakehouseError(
    'BACKUP_BROKEN',
    `${url}: ${what ?? 'a file'} is not there, or has another size than the log says. ` +
      'Of a lakehouse "assay verify" says what it lacks; of a copy take another one.',
  )
}
