// What the operating system refuses, in words: which file, why, and what to do about it.
import { dirname } from 'node:path'
import { directoryOf } from '../delta/mounts.ts'
import { LakehouseError } from '../errors/errors.ts'
import { isStoreUrl } from '../objects/address.ts'

/** What to do, by the code of the system. The tables need nothing: a batch is in them whole or not at all. */
const advicesOfOutages: ReadonlyMap<string, string> = new Map([
  ['ENOSPC', 'The disk is full: make room'],
  ['EDQUOT', 'The quota of the disk is used up: make room or raise it'],
  ['EIO', 'The disk reports an error of its own: look into the log of the system, and replace it'],
  ['EROFS', 'The disk is mounted read-only, often after an error: look into the log of the system'],
  ['ENFILE', 'The machine has too many files open: raise its limit (fs.file-max)'],
  ['ESTALE', 'The network mount has lost the file: mount it again'],
  ['ETIMEDOUT', 'The network mount does not answer: see to it'],
])
/** What no time heals. */
const advicesOfMistakes: ReadonlyMap<string, string> = new Map([
  ['EACCES', 'This user may not do that: give it the right to read and write the directory and all below'],
  ['EPERM', 'This user may not do that: give it the right to read and write the directory and all below'],
  ['EFBIG', 'A file would be larger than the process may write: raise the limit (ulimit -f)'],
  ['EMFILE', 'The process has too many files open: raise its limit (ulimit -n), 4096 is enough'],
  ['ENOENT', 'There can be no such file or directory: DELTA_BASE_PATH has to be on a disk'],
  ['EEXIST', 'There is a file of this name: DELTA_BASE_PATH has to be a directory'],
  ['ENOTDIR', 'A part of the path is a file: DELTA_BASE_PATH has to be a directory'],
])

/** The failure with a name, where the error came from the file system under the tables; else null. */
export function storageFailure(error: unknown, deltaBasePath: string): LakehouseError | null {
  if (error instanceof LakehouseError || !(error instanceof Error)) return null
  const system = systemError(error)
  if (system === null) return null
  const outage = advicesOfOutages.get(system.code)
  const advice = outage ?? advicesOfMistakes.get(system.code)
  if (advice === undefined) return null
  const where = isStoreUrl(deltaBasePath) ? dirname(directoryOf(deltaBasePath)) : system.path
  return new LakehouseError(
    outage === undefined ? 'STORAGE_REFUSED' : 'STORAGE_FAILED',
    `${where ?? deltaBasePath}: ${error.message.split('\n')[0]}. ${advice}. ` +
      'What is in the tables is whole: the next start goes on behind it.',
    { cause: error, details: { code: system.code, path: system.path } },
  )
}

type SystemError = { readonly code: string; readonly path: string | null }

function systemError(error: Error): SystemError | null {
  if ('code' in error && typeof error.code === 'string') {
    const path = 'path' in error && typeof error.path === 'string' ? error.path : null
    return { code: error.code, path }
  }
  return null
}
