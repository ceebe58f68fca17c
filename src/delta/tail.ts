// Following a table: its commits one by one, and waiting for the next.
import { LakehouseError } from '../errors/errors.ts'
import type { DeltaCommit } from './actions.ts'
import { listLog, logDirectory, readCommit } from './log-files.ts'
import { storageOf } from './mounts.ts'
import { refuseVectors } from './protocol.ts'
import type { Storage } from './storage.ts'

/** Notifications do not reach every file system (network mounts), so the log is also looked at this often. */
export const pollMs = 1000

/** The commits after `after` up to `head`, whole and in order. */
export async function* readCommits(
  directory: string,
  after: bigint,
  head: bigint,
): AsyncGenerator<DeltaCommit> {
  for (let version = after + 1n; version <= head; version++) {
    const found = await readCommit(directory, version)
    if (found === null) throw await missing(directory, version)
    refuseVectors(found.commit.adds, directory)
    yield found.commit
  }
}

async function missing(directory: string, version: bigint): Promise<LakehouseError> {
  const [oldest] = (await listLog(directory)).commits
  if (oldest !== undefined && oldest < version) {
    const what = `the log has no version ${version}, but earlier and later ones`
    return new LakehouseError('DELTA_LOG_CORRUPT', `${directory}: ${what}. Restore the file.`)
  }
  const message = `${directory}: the log no longer has version ${version}; its files were cleaned up.`
  const advice = 'Start from the whole table, or keep the log longer (delta.logRetentionDuration).'
  return new LakehouseError('DELTA_LOG_TRUNCATED', `${message} ${advice}`, { details: { version } })
}

/** Resolves with the newest version as soon as it is beyond `after`, or with what it is after `waitMaxMs`. */
export async function waitForVersion(
  directory: string,
  after: bigint,
  waitMaxMs: number,
  signal: AbortSignal,
  newestVersion: () => Promise<bigint>,
): Promise<bigint> {
  const deadline = Date.now() + waitMaxMs
  const changes = new LogChanges(logDirectory(directory))
  try {
    for (;;) {
      signal.throwIfAborted()
      const changed = changes.next() // Before looking, so that no change falls between the look and the wait.
      const version = await newestVersion()
      const leftMs = deadline - Date.now()
      if (version > after || leftMs <= 0) return version
      await firstOf(changed, Math.min(leftMs, pollMs), signal)
    }
  } finally {
    changes.close()
  }
}

/** Notifications of the storage, where it gives any. */
class LogChanges {
  readonly #watcher: ReturnType<Storage['watch']>
  #wake: () => void = () => undefined

  constructor(path: string) {
    this.#watcher = storageOf(path).watch(path, () => this.#wake())
  }

  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  close(): void {
    this.#watcher?.close()
    this.#wake()
  }
}

function firstOf(changed: Promise<void>, waitMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (finish: () => void) => {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
      finish()
    }
    const onAbort = () => done(() => reject(signal.reason))
    const timer = setTimeout(() => done(resolve), waitMs)
    signal.addEventListener('abort', onAbort, { once: true })
    void changed.then(() => done(resolve))
  })
}
