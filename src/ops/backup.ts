// What a copy of a lakehouse says of itself, in the file `assay-backup.json` at its root: which tables it has,
// and up to which version. What else lies there is of a copy that was begun and did not end.
import { z } from 'zod'

export const manifestKey = 'assay-backup.json'

/** In a lakehouse that is brought back, until all of it is there. */
export const restoreKey = 'assay-restore.json'

const version = z
  .string()
  .regex(/^\d{1,18}$/)
  .transform(BigInt)

const manifest = z.object({
  format: z.literal(1),
  /** The id of the table of records: that of the lakehouse. */
  lakehouse: z.string(),
  /** The last batch; null while the first copy has not ended. */
  batch: version.nullable(),
  takenAt: z.string(),
  /** Of the process that began to copy last: no other may end what it began before. */
  token: z.string().optional(),
  tables: z.record(
    z.string().regex(/^[a-z][a-z0-9_]*(\/[a-z][a-z0-9_]*)*$/),
    /** With the oldest commit of its log that is there; a copy of before may not say. */
    z.object({ id: z.string(), version, oldest: version.optional() }),
  ),
})

export type BackupManifest = z.output<typeof manifest>

/** null for a text that is none. */
export function manifestFrom(text: string): BackupManifest | null {
  try {
    return manifest.parse(JSON.parse(text))
  } catch {
    return null
  }
}

/** The copy without who makes the next. */
export function withoutToken({ token: _, ...of }: BackupManifest): BackupManifest {
  return of
}

export function manifestText(of: BackupManifest): string {
  const plain = (_: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value)
  return `${JSON.stringify(of, plain, 2)}\n`
}
