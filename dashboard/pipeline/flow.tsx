// The tables and what each reads, from left to right; from top to bottom where there is no room.
import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { LakehouseAnswer, LiveState, LiveTable, TableAnswer } from '../../src/dashboard/api.ts'
import { bytes, count, duration, shortCount, tableTitle } from '../format.ts'
import { linkTo } from '../router.ts'

type FlowProps = { readonly lakehouse: LakehouseAnswer; readonly state: LiveState }

type Edge = { readonly from: string; readonly to: string; readonly path: string; readonly isBusy: boolean }

const input = 'input'

export function Flow({ lakehouse, state }: FlowProps) {
  const tables = lakehouse.tables.filter(({ stream, isMadeLater, path }) => {
    return stream !== null && (!isMadeLater || state.tables[path] !== undefined)
  })
  const depths = depthsOf(tables)
  const columns = [...Map.groupBy(tables, ({ path }) => depths.get(path) ?? 1)].sort(([a], [b]) => a - b)
  const box = useRef<HTMLDivElement>(null)
  const [edges, setEdges] = useState<readonly Edge[]>([])
  useLayoutEffect(() => {
    const draw = (): void => setEdges(edgesOf(box.current!, tables, state))
    draw()
    const observer = new ResizeObserver(draw)
    observer.observe(box.current!)
    return () => observer.disconnect()
  }, [state.batch === null, tables.length])
  return (
    <div class="flow" ref={box}>
      <svg aria-hidden="true">
        {edges.map(({ from, to, path }) => (
          <path key={`${from} ${to}`} d={path} class={isBusy(state, to) ? 'busy' : ''} />
        ))}
      </svg>
      <div class="hop">
        <div class="node input" data-node={input}>
          <h3>{lakehouse.reads.startsWith('topic') ? 'Kafka' : 'Input'}</h3>
          <p class="rate">
            <b>{shortCount(state.recordsPerSecond)}</b> /s
          </p>
          <p>{waitingText(state)}</p>
        </div>
      </div>
      {columns.map(([depth, nodes]) => (
        <div class="hop" key={depth}>
          {nodes.map((table) => (
            <Node
              key={table.path}
              table={table}
              now={state.tables[table.path] ?? null}
              state={state}
              lakehouse={lakehouse}
            />
          ))}
        </div>
      ))}
    </div>
  )
}

type NodeProps = FlowProps & { readonly table: TableAnswer; readonly now: LiveTable | null }

function Node({ table, now, state, lakehouse }: NodeProps) {
  const { path, meaning } = table
  const isRefused = path === lakehouse.roles.refused
  const isElsewhere = now === null
  const age = now?.committedMs == null ? null : Math.max(0, state.asOfMs - now.committedMs)
  return (
    <a
      class={`node ${isRefused ? 'refused' : ''} ${isElsewhere ? 'elsewhere' : ''}`}
      href={linkTo('tables', path)}
      data-node={path}
      title={meaning}
    >
      <h3>{tableTitle(path)}</h3>
      {now === null ? (
        <p>{state.state === 'starting' ? 'opening' : 'of another process'}</p>
      ) : (
        <>
          <p class="rate">
            <b>{shortCount(now.rowsPerSecond)}</b> rows/s
          </p>
          <p>
            {shortCount(now.rows)} rows, {bytes(now.bytes)}
          </p>
          <p>
            {now.hopMs === null ? '' : `+${duration(now.hopMs)} · `}
            {age === null ? 'no commit yet' : `version ${count(now.version)}, ${duration(age)} ago`}
          </p>
        </>
      )}
    </a>
  )
}

function waitingText({ lag }: LiveState): string {
  if (lag.records !== null)
    return lag.records === 0 ? 'nothing waits' : `${shortCount(lag.records)} records wait`
  if (lag.bytes !== null) return lag.bytes === 0 ? 'nothing waits' : `${bytes(lag.bytes)} wait`
  return 'what waits is not known'
}

function isBusy({ tables }: LiveState, path: string): boolean {
  return (tables[path]?.rowsPerSecond ?? 0) > 0
}

/** How many hops from the input. */
function depthsOf(tables: readonly TableAnswer[]): ReadonlyMap<string, number> {
  const depths = new Map<string, number>()
  for (const { path, from } of tables) {
    depths.set(path, 1 + Math.max(0, ...from.map((one) => depths.get(one) ?? 0)))
  }
  return depths
}

function edgesOf(box: HTMLElement, tables: readonly TableAnswer[], state: LiveState): readonly Edge[] {
  const around = box.getBoundingClientRect()
  const at = (name: string): DOMRect | null => {
    for (const node of box.querySelectorAll<HTMLElement>('[data-node]')) {
      if (node.dataset.node === name) return node.getBoundingClientRect()
    }
    return null
  }
  return tables.flatMap(({ path, from }) => {
    const to = at(path)
    const sources = from.length === 0 ? [input] : from
    return sources.flatMap((source) => {
      const of = at(source)
      if (of === null || to === null || to.left < of.right) return [] // No room for lines.
      const [x1, y1] = [of.right - around.left, of.top + of.height / 2 - around.top]
      const [x2, y2] = [to.left - around.left, to.top + to.height / 2 - around.top]
      const middle = (x1 + x2) / 2
      const line = `M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`
      return [{ from: source, to: path, path: line, isBusy: isBusy(state, path) }]
    })
  })
}
