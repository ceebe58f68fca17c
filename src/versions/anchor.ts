// How far rules/versions was sealed: it stands beside the key, where nobody alters it along with the
// lakehouse.
import { readFile, rename, writeFile } from 'node:fs/promises'
import { LakehouseError } from '../errors/errors.ts'

/** The last row whose seal was right, and the digest of it and all rows before it. */
export type Anchor = { readonly sequence: bigint; readonly link: string }

export type Anchors = {
  /** null where nothing was sealed yet. */
  read(): Promise<Anchor | null>
  write(anchor: Anchor): Promise<void>
}

const form = /^(\d{1,18}) ([0-9a-f]{64})\s*$/

export function anchorsIn(file: string): Anchors {
  return {
    async read() {
      const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
        if (cause.code === 'ENOENT') return null
        throw new LakehouseError('CONFIG_INVALID', `${file} cannot be read: ${cause.message}.`, { cause })
      })
      if (text === null) return null
      const found = form.exec(text)
      if (found !== null) return { sequence: BigInt(found[1]!), link: found[2]! }
      const message = `${file} says how far rules/versions was sealed, and is not as Assay writes it: bring it back from a backup.`
      throw new LakehouseError('RULES_LOG_BROKEN', message)
    },
    async write({ sequence, link }) {
      const draft = `${file}.${process.pid}.tmp`
      await writeFile(draft, `${sequence} ${link}\n`, { mode: 0o600 })
      await rename(draft, file)
    },
  }
}
