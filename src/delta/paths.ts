// How the log spells the path of a data file.
import { randomUUID } from 'node:crypto'
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The log holds a URI: every byte but these is percent-encoded, so any file name survives every reader. */
export function encodePath(path: string): string {
  return path
    .split('/')
    .map((segment) => encodeURIComponent(segment).replaceAll('%3D', '='))
    .join('/')
}

/** Writers differ in what they encode; decoding gives the one name that the file system knows. */
export function decodePath(uri: string): string {
  if (uri.startsWith('file:')) return fileURLToPath(uri.replace(/^file:\/*/, 'file:///'))
  try {
    return decodeURIComponent(uri)
  } catch {
    return uri // Not a valid URI (a lone %): the writer did not encode.
  }
}

export type SpelledPath = {
  /** Relative to the table's directory, or absolute; decoded, as the file system knows it. */
  readonly path: string
  /** How its writer spelled it in the log, where that differs from `encodePath`. */
  readonly spelling?: string
}

/**
 * A path of the log. Other readers compare paths as they are spelled, so a checkpoint or the removal of a
 * file has to repeat what its writer wrote: Spark's VACUUM deletes a live file whose spelling was changed.
 */
export function spelledPath(uri: string): SpelledPath {
  const path = decodePath(uri)
  return encodePath(path) === uri ? { path } : { path, spelling: uri }
}

const ownFilePattern = /(^|\/)part-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.parquet$/

/** A data file has a name of its own for ever. */
export function newFileName(): string {
  return `part-${randomUUID()}.parquet`
}

/** True for the files that this folder wrote. Other writers number their files, so their names are longer. */
export function isOwnFile(path: string): boolean {
  return ownFilePattern.test(path)
}

/** True where the log spells a path that may be another file's as well: absolute, or with `.` or `..` in it. */
export function isOddPath(path: string): boolean {
  return /(^|\/)\.{0,2}(\/|$)/.test(path)
}

/** The directory of the file, where that is inside of the table's; else the table's own. */
export function directoryBeside(directory: string, path: string): string {
  const beside = dirname(filePath(directory, path))
  return isInside(directory, beside) ? beside : directory
}

function isInside(directory: string, path: string): boolean {
  const way = relative(resolve(directory), resolve(path))
  return !isAbsolute(way) && way.split(sep)[0] !== '..'
}

/** Where the file is on this machine. */
export function filePath(directory: string, path: string): string {
  return isAbsolute(path) ? path : join(directory, path)
}
