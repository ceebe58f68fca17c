// What a failure looks like to the person at the terminal, and the exit code of the process.
import { AssertionError, type ErrorCode, LakehouseError } from '../errors/errors.ts'
import { printable } from './printable.ts'

export const exitCodes = { ok: 0, failed: 1, usage: 2 } as const

/** Failures of what was asked for, not of doing it. */
const usageCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'CONFIG_INVALID',
  'GENERATOR_OPTIONS_INVALID',
  'LABELS_INVALID',
  'LAKEHOUSE_INVALID',
  'PROJECT_INVALID',
  'RULES_INVALID',
  'TABLE_UNKNOWN',
])

/** Writes one clear line (a stack only for bugs and with LOG_LEVEL=debug) and returns the exit code. */
export function reportFailure(error: unknown, to: { write(text: string): unknown }): number {
  to.write(`assay: ${printable(sentenceOf(error))}\n`)
  const isBug = error instanceof AssertionError || !(error instanceof Error)
  if (isBug || process.env.LOG_LEVEL === 'debug') to.write(`${printable(stackOf(error))}\n`)
  return error instanceof LakehouseError && usageCodes.has(error.code) ? exitCodes.usage : exitCodes.failed
}

function sentenceOf(error: unknown): string {
  if (error instanceof LakehouseError) {
    // The code goes to the end of the first line: further lines are a list below it.
    const [heading = '', ...list] = error.message.split('\n')
    return [`${heading} [${error.code}]`, ...list].join('\n')
  }
  if (error instanceof AssertionError) return `this is a bug in Assay, please report it: ${error.message}`
  if (error instanceof Error) return `${error.message} (LOG_LEVEL=debug shows where)`
  return `this is a bug in Assay, please report it: ${String(error)}`
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return ''
  const cause = error.cause === undefined ? '' : `\ncaused by ${stackOf(error.cause)}`
  return `${error.stack ?? error.message}${cause}`
}
