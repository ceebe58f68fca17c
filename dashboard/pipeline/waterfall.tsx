// The last batches: each a row from its start to its end, with its phases as bars and its commits as marks.
import type { BatchTrace } from '../../src/dashboard/api.ts'
import { count, duration, shortCount, timeOfDay } from '../format.ts'
import { Nothing } from '../parts/card.tsx'

const rowsShown = 12
/** Windows are computed beside the rest, by table: they share a colour and a lane of their own. */
const windowsColour = 6
const colours = 5

export function Waterfall({ batches }: { readonly batches: readonly BatchTrace[] }) {
  const shown = batches.slice(-rowsShown).reverse()
  if (shown.length === 0) return <Nothing>No batch yet.</Nothing>
  const widthMs = Math.max(...shown.map(extentMs), 1)
  const all = [...new Set(shown.flatMap(({ spans }) => spans.map(({ name }) => name)))].sort()
  const names = all.filter((name) => !isOfWindows(name))
  return (
    <div class="waterfall">
      <p class="legend">
        {names.map((name) => (
          <span key={name} class="key">
            <i class={`swatch chart-${colourOf(names, name)}`} /> {name}
          </span>
        ))}
        {all.length > names.length && (
          <span class="key">
            <i class={`swatch chart-${windowsColour}`} /> windows
          </span>
        )}
        <span class="key">
          <i class="mark" /> commit
        </span>
      </p>
      <ol>
        {shown.map((batch) => (
          <Row key={batch.batch} batch={batch} widthMs={widthMs} names={names} />
        ))}
      </ol>
      <p class="scale" aria-hidden="true">
        <span>0</span>
        <span>{duration(widthMs / 2)}</span>
        <span>{duration(widthMs)}</span>
      </p>
    </div>
  )
}

type RowProps = { readonly batch: BatchTrace; readonly widthMs: number; readonly names: readonly string[] }

function Row({ batch, widthMs, names }: RowProps) {
  const share = (ms: number): string => `${(100 * Math.min(Math.max(ms, 0), widthMs)) / widthMs}%`
  const told = batch.spans.map(({ name, fromMs, toMs }) => `${name} ${duration(toMs - fromMs)}`).join(', ')
  return (
    <li title={told}>
      <span class="batch-name">
        <b>{count(batch.batch)}</b> {timeOfDay(batch.endMs)}
      </span>
      <span class="lane">
        {batch.spans.map(({ name, fromMs, toMs }, index) => (
          <i
            key={index}
            class={`span ${isOfWindows(name) ? 'beside' : ''} chart-${colourOf(names, name)}`}
            style={{ left: share(fromMs), width: share(Math.max(toMs - Math.max(fromMs, 0), widthMs / 400)) }}
          />
        ))}
        {batch.commits.map(({ table, atMs }) => (
          <i key={table} class="mark" style={{ left: share(atMs) }} title={`${table} committed`} />
        ))}
      </span>
      <span class="batch-told">
        {duration(batch.totalMs)}, {shortCount(batch.records)} rec.
      </span>
    </li>
  )
}

function extentMs({ totalMs, spans, commits }: BatchTrace): number {
  return Math.max(totalMs, ...spans.map(({ toMs }) => toMs), ...commits.map(({ atMs }) => atMs))
}

function colourOf(names: readonly string[], name: string): number {
  return isOfWindows(name) ? windowsColour : 1 + (names.indexOf(name) % colours)
}

/** They are told by the path of their table. */
function isOfWindows(name: string): boolean {
  return name.includes('/')
}
