// One SELECT over the tables, within limits; its rows as a table, as a chart, or as CSV.
import { useEffect, useRef, useState } from 'preact/hooks'
import type { LakehouseAnswer, RowsAnswer } from '../../src/dashboard/api.ts'
import { Card, Failed } from '../parts/card.tsx'
import { DataTable } from '../parts/data-table.tsx'
import { runSql, sqlCsv } from '../server.ts'
import { ResultChart } from './result-chart.tsx'

type SqlBoxProps = { readonly lakehouse: LakehouseAnswer; readonly table: string | null }

/** Each table has a box of its own (`key`): an effect that sets the text would run after what is typed at once. */
export function SqlBox({ lakehouse, table }: SqlBoxProps) {
  const [sql, setSql] = useState(`from ${table ?? 'ops.batches'} limit 100`)
  const [answer, setAnswer] = useState<RowsAnswer | null>(null)
  const [failure, setFailure] = useState<string | null>(null)
  const [view, setView] = useState<'table' | 'chart'>('table')
  const [isBusy, setBusy] = useState(false)
  const running = useRef<AbortController | null>(null)
  useEffect(() => () => running.current?.abort(), [])
  const run = async (): Promise<void> => {
    running.current?.abort()
    const stop = new AbortController()
    running.current = stop
    setBusy(true)
    setFailure(null)
    try {
      setAnswer(await runSql(sql, stop.signal))
    } catch (error) {
      if (!stop.signal.aborted) setFailure((error as Error).message)
    } finally {
      if (running.current === stop) setBusy(false)
    }
  }
  const save = async (): Promise<void> => {
    setFailure(null)
    await sqlCsv(sql).then(download, (error: Error) => setFailure(error.message))
  }
  const onKey = (event: KeyboardEvent): void => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) void run()
  }
  return (
    <Card
      title="Ask"
      note="one SELECT, read only; 10 s, 1,000 rows"
      className="sql"
      {...(answer === null ? {} : { asOfMs: answer.asOfMs })}
    >
      <label>
        <span class="hidden">SQL</span>
        <textarea
          rows={4}
          spellcheck={false}
          value={sql}
          onInput={(event) => setSql(event.currentTarget.value)}
          onKeyDown={onKey}
        />
      </label>
      <div class="row">
        <button type="button" class="primary" onClick={() => void run()} disabled={isBusy}>
          {isBusy ? 'Running' : 'Run'} <kbd>Ctrl ↵</kbd>
        </button>
        <button type="button" onClick={() => void save()}>
          As CSV
        </button>
        {answer !== null && (
          <fieldset class="switch">
            <legend class="hidden">Show as</legend>
            {(['table', 'chart'] as const).map((name) => (
              <label key={name}>
                <input type="radio" name="view" checked={view === name} onChange={() => setView(name)} />{' '}
                {name}
              </label>
            ))}
          </fieldset>
        )}
        {answer !== null && <span class="note">{answer.ms} ms</span>}
        <span class="note names">
          tables:{' '}
          {lakehouse.tables
            .slice(0, 4)
            .map(({ sqlName }) => sqlName)
            .join(', ')}
          , ..
        </span>
      </div>
      {failure !== null && <Failed message={failure} />}
      {answer !== null &&
        (view === 'table' ? <DataTable label="Rows" answer={answer} /> : <ResultChart answer={answer} />)}
    </Card>
  )
}

function download(blob: Blob): void {
  const url = URL.createObjectURL(blob)
  const link = document.createElement('a')
  link.href = url
  link.download = 'query.csv'
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}
