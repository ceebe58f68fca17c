// The place of a lakehouse, or of its copy, as whole files: what stands at its root says what it is.
import { hasErrno } from '../delta/disk.ts'
import { directoryOf, storeAt } from '../delta/mounts.ts'
import { LakehouseError } from '../errors/errors.ts'
import { DirectoryPlace, type FilePlace } from '../objects/file-place.ts'
import { manifestKey, restoreKey } from '../ops/backup.ts'

export function placeOf(basePath: string): FilePlace {
  const directory = directoryOf(basePath)
  return storeAt(directory)?.store ?? new DirectoryPlace(directory)
}

/**
 * Fails with COPY_NOT_WRITABLE for a place that is a copy, or that a copy is brought back to: what is missing
 * there would be begun anew. To be asked before anything is made.
 */
export async function refuseCopy(deltaBasePath: string): Promise<void> {
  const place = placeOf(deltaBasePath)
  const look = (key: string) =>
    place.head(key).catch((error: unknown) => {
      if (hasErrno(error, 'ENOTDIR')) return null // Who makes the tables tells it.
      throw error
    })
  const [restored, copied] = await Promise.all([look(restoreKey), look(manifestKey)])
  if (restored !== null) {
    const what = `is brought back from a copy, and not all of it is there (${restoreKey})`
    throw notWritable(place, `${what}. Give "assay restore" the same copy again: it carries that on.`)
  }
  if (copied !== null) {
    throw notWritable(
      place,
      `is the copy of a lakehouse (${manifestKey}), and the next "assay backup" would take back what is written to it. ` +
        'Bring it to a place of its own with "assay restore"; or, if there is to be no other copy, remove that file.',
    )
  }
}

function notWritable({ url }: FilePlace, what: string): LakehouseError {
  return new LakehouseError('COPY_NOT_WRITABLE', `${url} ${what}`)
}
