// The log of the command, on stderr: JSON lines for machines, one readable line an entry for people.
import { type Logger, pino } from 'pino'
import type { Config } from '../config/config.ts'
import { printable, printableLine } from './printable.ts'

export type { Logger } from 'pino'

export function createLogger(config: Config['log'], stderr: NodeJS.WriteStream = process.stderr): Logger {
  const options = { level: config.level, base: null, timestamp: pino.stdTimeFunctions.isoTime }
  if (isPretty(config, stderr)) {
    const colours = stderr.isTTY === true && !process.env.NO_COLOR
    return pino(options, { write: (line) => void stderr.write(prettyLine(line, colours)) })
  }
  // Words in place of pino's numbers: that is what log collectors look for.
  const formatters = { level: (label: string) => ({ level: label }) }
  return pino({ ...options, formatters }, { write: (line) => void stderr.write(line) })
}

/** Whether the log is for people. */
export function isPretty({ format }: Config['log'], stderr: NodeJS.WriteStream = process.stderr): boolean {
  return format === 'pretty' || (format === 'auto' && stderr.isTTY === true)
}

const levelNames: Readonly<Record<number, readonly [name: string, colour: number]>> = {
  10: ['trace', 90],
  20: ['debug', 90],
  30: ['info', 32],
  40: ['warn', 33],
  50: ['error', 31],
  60: ['fatal', 31],
}

/**
 * pino's JSON line as `12:00:00.000 info  message  key=value`, without the texts that the message says as well; an
 * error's stack follows on lines of its own.
 */
export function prettyLine(json: string, colours: boolean): string {
  const { level, time, msg, err, ...rest } = JSON.parse(json) as Record<string, unknown>
  const [name, colour] = levelNames[Number(level)] ?? ['?', 0]
  const paint = (text: string, code: number) => (colours ? `\x1b[${code}m${text}\x1b[0m` : text)
  const clock = String(time).slice(11, 23)
  const message = printable(String(msg ?? ''))
  const fields = Object.entries(rest)
    .filter(([, value]) => typeof value !== 'string' || !message.includes(printableLine(value)))
    .map(([key, value]) => paint(`${printableLine(key)}=`, 90) + printableLine(fieldText(value)))
  const line = [paint(clock, 90), paint(name.padEnd(5), colour), [message, ...fields].join('  ')].join(' ')
  return `${line}\n${err === undefined ? '' : errorLines(err)}`
}

function fieldText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function errorLines(error: unknown): string {
  const { stack, message } = Object(error) as { stack?: unknown; message?: unknown }
  const text = printable(String(stack ?? message ?? error))
  return `${text.replace(/^/gm, '    ')}\n`
}
