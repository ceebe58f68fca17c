// A lock as a file: with the name of its holder, whose time the holder moves on while it lives.
import { link, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { hasErrno } from '../delta/disk.ts'
import { makeDirectory } from '../delta/local-storage.ts'
import { type Lease, type LeaseTerms, type LockSight, staysSilent } from './lease.ts'
import { type Holder, isGone, lockedBy, parseHolder, seesProcess } from './lock-holder.ts'

/** Looks at a holder that may be gone: more often than it gives signs of life. */
const looksPerLease = 10

export class LockFile implements Lease {
  readonly lookMs = 250
  readonly #directory: string
  readonly #path: string
  readonly #where: string

  constructor(directory: string, where: string) {
    this.#directory = directory
    this.#path = lockPath(directory)
    this.#where = where
  }

  async take(holder: Holder, terms: LeaseTerms): Promise<boolean> {
    await makeDirectory(this.#directory) // With the directory of all tables, where this is the first start.
    const pending = join(this.#directory, `lock.${holder.owner}.tmp`)
    await writeNew(pending, JSON.stringify(holder))
    try {
      if (!(await linkIfAbsent(pending, this.#path)) && !(await this.#takeOver(holder, pending, terms)))
        return false
      await deleteLeftovers(this.#directory, terms.leaseMs)
      return true
    } finally {
      await rm(pending, { force: true })
    }
  }

  /**
   * Puts the pending lock in the place of a stale one. Of several that find the same lock stale, only the one
   * that first makes a file with its holder's name may do it, and looks once more what is there.
   */
  async #takeOver(mine: Holder, pending: string, terms: LeaseTerms): Promise<boolean> {
    const path = this.#path
    const holder = await readHolder(path)
    const isGone =
      (await this.#isStale(holder, mine, pending, terms)) || (await this.#staysSilent(holder, mine, terms))
    if (!isGone) {
      throw lockedBy(this.#where, holder, path)
    }
    const permit = `${path}.${holder?.owner ?? 'unreadable'}.over.tmp`
    if (!(await linkIfAbsent(pending, permit))) {
      // Another does it just now, or died while it did.
      const [now, made] = [await stat(pending), await statOrNull(permit)]
      if (made !== null && now.mtimeMs - made.mtimeMs > terms.leaseMs) await rm(permit, { force: true })
      return false
    }
    try {
      const isUnchanged = (await readHolder(path))?.owner === holder?.owner
      if (!isUnchanged || (await statOrNull(path)) === null) return false
      await rename(pending, path)
      return true
    } finally {
      await rm(permit, { force: true })
    }
  }

  /**
   * True where its process is gone, or where it gave no sign of life for a lease. Both times are of the file
   * system that holds the lock, so no two clocks are compared.
   */
  async #isStale(
    holder: Holder | null,
    mine: Holder,
    pending: string,
    { leaseMs }: LeaseTerms,
  ): Promise<boolean> {
    if (holder !== null && (await isGone(holder, mine))) return true
    const [now, beat] = [await stat(pending), await statOrNull(this.#path)]
    return beat === null || now.mtimeMs - beat.mtimeMs > leaseMs
  }

  /**
   * A container that was started again has the name of the one before it, whose processes it cannot see:
   * whether that holder lives shows by its signs of life alone. True where a whole lease passes without
   * one.
   */
  async #staysSilent(holder: Holder | null, mine: Holder, terms: LeaseTerms): Promise<boolean> {
    if (holder === null || holder.host !== mine.host || seesProcess(holder, mine)) return false
    const beat = async () => (await statOrNull(this.#path))?.mtimeMs
    return await staysSilent(await beat(), beat, looksPerLease, terms)
  }

  async look(): Promise<LockSight | null> {
    const found = await statOrNull(this.#path)
    return found === null ? null : { holder: await readHolder(this.#path), beat: String(found.mtimeMs) }
  }

  /** Moves the time of the lock on, and puts it back where someone has deleted the directory. */
  async sign(holder: Holder): Promise<'held' | 'lost'> {
    try {
      const file = await open(this.#path, 'r+')
      try {
        const text = await file.readFile('utf8')
        if (parseHolder(text)?.owner !== holder.owner) return 'lost'
        await file.write(text, 0)
        return 'held'
      } finally {
        await file.close()
      }
    } catch (error) {
      // A disk that fails for a moment says nothing of who holds the lock: the next beat looks again.
      if (!hasErrno(error, 'ENOENT')) return 'held'
    }
    try {
      await mkdir(this.#directory, { recursive: true })
      return (await writeNew(this.#path, JSON.stringify(holder))) ? 'held' : 'lost'
    } catch {
      return 'held'
    }
  }

  async remove(owner: string): Promise<void> {
    if ((await readHolder(this.#path))?.owner === owner) await rm(this.#path, { force: true })
  }
}

export function lockPath(directory: string): string {
  return join(directory, 'lock')
}

/** What killed processes left beside a lock; the next that takes it removes it. */
async function deleteLeftovers(directory: string, ageMs: number): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!/^lock\..*\.tmp$/.test(name)) continue
    const path = join(directory, name)
    const found = await statOrNull(path)
    if (found !== null && Date.now() - found.mtimeMs > ageMs) await rm(path, { force: true })
  }
}

async function linkIfAbsent(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if (hasErrno(error, 'EEXIST')) return false
    throw error
  }
}

async function writeNew(path: string, text: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx')
    try {
      await file.writeFile(text)
    } finally {
      await file.close()
    }
    return true
  } catch (error) {
    if (hasErrno(error, 'EEXIST')) return false
    throw error
  }
}

/** null where there is none, or where it is no lock of ours: only its time then says whether it is stale. */
async function readHolder(path: string): Promise<Holder | null> {
  try {
    return parseHolder(await readFile(path, 'utf8'))
  } catch {
    return null
  }
}

async function statOrNull(path: string): Promise<{ readonly mtimeMs: number } | null> {
  try {
    return await stat(path)
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return null
    throw error
  }
}
