// What is said where a file that a person names is not there: the same of every command.
import { LakehouseError } from '../errors/errors.ts'

/** Of an input: an NDJSON file or a directory of them. */
export function inputMissing(path: string): LakehouseError {
  const what = path === '' ? '--from names nothing' : `there is no file or directory ${path}`
  const message = `${what}: give an NDJSON file or a directory of such files.`
  return new LakehouseError('FILE_NOT_FOUND', message, { details: { path } })
}

export function fileMissing(path: string): LakehouseError {
  return new LakehouseError('FILE_NOT_FOUND', `there is no file ${path}.`, { details: { path } })
}
