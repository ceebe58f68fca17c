// The file .env: its settings, and what in it is none, which Node's parser passes over in silence.
import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { LakehouseError } from '../errors/errors.ts'

export type EnvFile = {
  readonly settings: Readonly<Record<string, string | undefined>>
  /** One sentence for each line that is no setting. */
  readonly hints: readonly string[]
}

const none: EnvFile = { settings: {}, hints: [] }

/** Reads the file, which may be absent. */
export function readEnvFile(path: string): EnvFile {
  try {
    const text = readFileSync(path, 'utf8').replace(/^\ufeff/, '')
    return { settings: parseEnv(text), hints: lineHints(text, path) }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    // A directory .env is the Python environment of somebody.
    if (code === 'ENOENT' || code === 'EISDIR') return none
    const message = `cannot read ${path}: make it readable or remove it (${code})`
    throw new LakehouseError('CONFIG_INVALID', message, { cause: error })
  }
}

const settingLine = /^\s*(?:export\s+)?([^\s=#]+)\s*=\s*(.*)$/
const quotes = ['"', "'", '`']

function lineHints(text: string, path: string): string[] {
  const lines = text.split(/\r?\n/)
  const hints: string[] = []
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index]!.trim()
    if (line === '' || line.startsWith('#')) continue
    const where = `${path}, line ${index + 1}`
    const [, name, value] = settingLine.exec(line) ?? []
    if (name === undefined || value === undefined) {
      hints.push(`${where}${beginningOf(line)} is not a setting: write NAME=value`)
      continue
    }
    const end = lastLineOf(value, lines, index)
    if (end === null) {
      hints.push(
        `${where}: the quote of ${name} is not closed: close it, or put other quotes around the value`,
      )
      continue
    }
    if (lines.slice(index + 1, end + 1).some((inner) => settingLine.test(inner)))
      hints.push(
        `${where}: the quote of ${name} is closed only in line ${end + 1}, so all up to there is its value`,
      )
    index = end
  }
  return hints
}

/** Where the value ends that begins in line `index`: a quoted one goes on to the next such quote, or for ever. */
function lastLineOf(value: string, lines: readonly string[], index: number): number | null {
  const quote = quotes.find((each) => value.startsWith(each))
  if (quote === undefined || value.includes(quote, 1)) return index
  const end = lines.findIndex((line, at) => at > index && line.includes(quote))
  return end === -1 ? null : end
}

/** Only what looks like the name of a variable is shown: the line may hold a password. */
function beginningOf(line: string): string {
  const name = /^[A-Z][A-Z0-9_]*_[A-Z0-9_]+\b/.exec(line)?.[0]
  return name === undefined ? '' : `, which begins with ${name},`
}
