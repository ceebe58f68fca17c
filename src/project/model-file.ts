// The file of a model, which lies beside that of the rules with its card.
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
      return { kind: 'absent', path, reason: `${path} cannot be read: ${reason}` }
    }
  }
}

/** The name of a model's card, which lies beside it. */
export function cardFile(model: string, extension: 'json' | 'html'): string {
  return model.replace(/\.[a-z]+$/, `.card.${extension}`)
}
