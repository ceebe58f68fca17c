// The file of a model, which lies beside that of the rules.
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { BesideFile } from '../rules/index.ts'

/** Reads files beside a file of rules. */
export function besideRules(rulesFile: string): (file: string) => BesideFile {
  return (file) => {
    const path = join(dirname(rulesFile), file)
    try {
      return { kind: 'text', text: readFileSync(path, 'utf8') }
    } catch (error) {
      const reason = error instanceof Error && 'code' in error ? String(error.code) : String(error)
      return { kind: 'absent', reason: `${path} cannot be read: ${reason}` }
    }
  }
}
