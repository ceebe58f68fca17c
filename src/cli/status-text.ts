// The status of the streams, for people.
import type { LagStatus, RunStatus, TableStatus } from '../engines/run-status.ts'
import { unitOf } from '../errors/counted.ts'
import { sqlName } from '../query/table-name.ts'
import { printableLine } from './printable.ts'
import { tableText } from './result-output.ts'
import { formatCount, formatElapsed } from './terminal-text.ts'

const labelWidth = 11

export function statusText(status: RunStatus): string {
  const { streams, asOf, state, reads, deltaBasePath, tables, findings } = status
  return [
    `${streams.join(', ')}: ${state}, as of ${asOf.slice(0, 19).replace('T', ' ')}Z`,
    ...labelled('writer', writerText(status)),
    ...labelled('reads', reads),
    ...labelled('writes', deltaBasePath),
    ...labelled('batch', batchText(status)),
    ...labelled('lag', lagText(status.lag)),
    ...(tables.length === 0 ? [] : ['', ...tableLines(tables)]),
    '',
    ...(findings.length === 0 ? ['Nothing is wrong.'] : findings.map(findingText)),
    '',
  ]
    .map((line) => printableLine(line))
    .join('\n')
}

function labelled(label: string, text: string | null): string[] {
  return text === null ? [] : [`  ${label.padEnd(labelWidth)}${text}`]
}

function writerText({ writer, engine, version }: RunStatus): string {
  if (writer === null) return 'nobody'
  const host = writer.host === null ? '' : ` on ${writer.host}`
  const what = engine === null ? '' : `, Assay ${version} on the engine ${engine}`
  const url = writer.url === null ? '' : `, ${writer.url}`
  return `process ${writer.pid}${host} since ${writer.since.slice(0, 19).replace('T', ' ')}Z${what}${url}`
}

function batchText({ batch, lastBatchAgeSeconds, recordsPerSecond }: RunStatus): string | null {
  if (batch === null) return 'none yet'
  const facts = [
    formatCount(batch),
    lastBatchAgeSeconds === null ? null : `${age(lastBatchAgeSeconds)} ago`,
    recordsPerSecond === null ? null : `${formatCount(Math.round(recordsPerSecond))} records/s`,
  ]
  return facts.filter((fact) => fact !== null).join(', ')
}

function lagText(lag: LagStatus | null): string | null {
  if (lag === null) return null
  const { records, seconds, drainSeconds } = lag
  if (records === 0) return 'nothing waits'
  const oldest = seconds === null ? '' : `, the oldest for ${age(seconds)}`
  const drained = drainSeconds === null ? '' : `, drained in ${age(drainSeconds)}`
  return `${formatCount(records)} ${unitOf(records, 'record')}${oldest}${drained}`
}

const columns = [
  ['table', 'left', ({ table }) => sqlName({ path: table })],
  ['batch', 'right', ({ batch }) => (batch === null ? '-' : formatCount(batch))],
  ['version', 'right', ({ version }) => formatCount(version)],
  ['rows', 'right', ({ rows }) => (rows === null ? '-' : formatCount(rows))],
  ['committed', 'right', ({ commitAgeSeconds: seconds }) => (seconds === null ? '-' : `${age(seconds)} ago`)],
  ['watermark', 'right', ({ watermarkDelaySeconds: seconds }) => behind(seconds)],
] as const satisfies readonly (readonly [string, 'left' | 'right', (table: TableStatus) => string])[]

function tableLines(tables: readonly TableStatus[]): string[] {
  const names = columns.map(([title]) => title)
  const rows = tables.map((table) => columns.map(([, , text]) => text(table)))
  const isRight = columns.map(([, side]) => side === 'right')
  return tableText(names, rows, { isRight })
    .trimEnd()
    .split('\n')
    .map((line) => `  ${line}`)
}

function findingText({ severity, text, help }: RunStatus['findings'][number]): string {
  return `${severity === 'error' ? 'WRONG' : 'warn '}  ${text}. See: ${help}`
}

function behind(seconds: number | null): string {
  if (seconds === null) return '-'
  return seconds < 0 ? 'in the future' : `${age(seconds)} behind`
}

function age(seconds: number): string {
  return formatElapsed(seconds * 1000)
}
