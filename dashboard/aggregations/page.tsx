// The tables of windows: one window with its keys, one key over the windows, and the rows behind both.
import { useEffect, useState } from 'preact/hooks'
import type { LakehouseAnswer, RowsAnswer, TableAnswer } from '../../src/dashboard/api.ts'
import { shortInstant, tableTitle, words } from '../format.ts'
import { Card, Failed, Nothing } from '../parts/card.tsx'
import { DataTable } from '../parts/data-table.tsx'
import { linkTo } from '../router.ts'
import { type Keys, loadKey, loadWindow, loadWindowRows, loadWindows, type ShownWindow } from '../server.ts'
import { KeyBars } from './key-bars.tsx'
import { KeyLine } from './key-line.tsx'

export type WindowTable = TableAnswer & { readonly windows: NonNullable<TableAnswer['windows']> }

export function AggregationsPage({
  lakehouse,
  wanted,
}: {
  readonly lakehouse: LakehouseAnswer
  readonly wanted: string | null
}) {
  const tables = lakehouse.tables.filter((table): table is WindowTable => table.windows !== null)
  const table =
    tables.find(({ path }) => path === wanted) ??
    tables.find(({ windows }) => windows.keys.length > 0) ??
    tables[0]
  if (table === undefined) return <Nothing>This lakehouse has no table of windows.</Nothing>
  return (
    <div class="page aggregations">
      <h1 class="hidden">Aggregations</h1>
      <nav class="tabs wide" aria-label="Tables of windows">
        {tables.map(({ path }) => (
          <a
            key={path}
            href={linkTo('aggregations', path)}
            aria-current={path === table.path ? 'true' : undefined}
          >
            {tableTitle(path)}
          </a>
        ))}
      </nav>
      <Windows key={table.path} table={table} />
    </div>
  )
}

function Windows({ table }: { readonly table: WindowTable }) {
  const { keys, numbers } = table.windows
  const [by, setBy] = useState(numbers[0] ?? '')
  const [windows, setWindows] = useState<readonly ShownWindow[] | null>(null)
  const [at, setAt] = useState<ShownWindow | null>(null)
  const [rows, setRows] = useState<RowsAnswer | null>(null)
  const [key, setKey] = useState<Keys>({})
  const [history, setHistory] = useState<RowsAnswer | null>(null)
  const [behind, setBehind] = useState<RowsAnswer | null>(null)
  const [failure, setFailure] = useState<string | null>(null)
  const told = (error: Error): void => setFailure(error.message)
  useEffect(() => {
    loadWindows(table.path).then((answer) => {
      const found = answer.rows.map(([start, end, open]) => ({
        start: start!,
        end: end!,
        isOpen: open === 'true',
      }))
      setWindows(found)
      setAt(found.find(({ isOpen }) => !isOpen) ?? found[0] ?? null)
    }, told)
  }, [table.path])
  useEffect(() => {
    if (at !== null) loadWindow(table.path, at, by).then(setRows, told)
  }, [table.path, at, by])
  useEffect(() => {
    const isChosen = keys.every((name) => name in key)
    setBehind(null)
    if (isChosen) loadKey(table.path, key).then(setHistory, told)
  }, [table.path, key])
  if (failure !== null) return <Failed message={failure} />
  if (windows === null) return <Nothing>Reading the tables.</Nothing>
  if (at === null) return <Nothing>No window has rows yet.</Nothing>
  const openRows = (): void => {
    loadWindowRows(table.path, at.start, at.end, key).then(setBehind, told)
  }
  return (
    <>
      <Card title={table.meaning} className="wide">
        <div class="row">
          <label>
            Window, UTC
            <select
              value={at.start}
              onChange={(event) => setAt(windows.find(({ start }) => start === event.currentTarget.value)!)}
            >
              {windows.map(({ start, end, isOpen }) => (
                <option key={start} value={start}>
                  {shortInstant(start).slice(0, 16)} to {shortInstant(end).slice(11, 16)}
                  {isOpen ? ' (open)' : ''}
                </option>
              ))}
            </select>
          </label>
          <label>
            Figure
            <select value={by} onChange={(event) => setBy(event.currentTarget.value)}>
              {numbers.map((name) => (
                <option key={name} value={name}>
                  {words(name)}
                </option>
              ))}
            </select>
          </label>
          {at.isOpen && <span class="pill warn">open: it may still change</span>}
        </div>
      </Card>
      <Card
        title={`${words(by)} by ${keys.map(words).join(' and ') || 'window'}`}
        {...(rows === null ? {} : { asOfMs: rows.asOfMs })}
      >
        {rows === null ? (
          <Nothing>Reading the tables.</Nothing>
        ) : (
          <KeyBars table={table} rows={rows} by={by} chosen={key} onChoose={setKey} />
        )}
      </Card>
      <Card
        title={`${words(by)} over the windows`}
        note={
          Object.values(key)
            .map((value) => value ?? 'null')
            .join(', ') || (keys.length > 0 ? 'choose a bar' : '')
        }
        {...(history === null ? {} : { asOfMs: history.asOfMs })}
      >
        {history === null ? (
          <Nothing>Choose one on the left to see it over time.</Nothing>
        ) : (
          <KeyLine answer={history} by={by} />
        )}
        {history !== null && (
          <button type="button" onClick={openRows}>
            Rows of this window
          </button>
        )}
      </Card>
      {behind !== null && (
        <Card title="Rows of the window" asOfMs={behind.asOfMs} className="wide">
          <DataTable label="Rows of the window" answer={behind} />
        </Card>
      )}
      {rows !== null && (
        <Card title="The window in figures" asOfMs={rows.asOfMs} className="wide">
          <DataTable label="The window in figures" answer={rows} />
        </Card>
      )}
    </>
  )
}
