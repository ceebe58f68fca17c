// The tables as they are, and a place to ask them anything.
import { useEffect, useState } from 'preact/hooks'
import type { LakehouseAnswer, TableDetailAnswer } from '../../src/dashboard/api.ts'
import { bytes, count, instant, shortCount } from '../format.ts'
import { live } from '../live.ts'
import { Card, Failed, Nothing } from '../parts/card.tsx'
import { linkTo } from '../router.ts'
import { loadTable } from '../server.ts'
import { useStore } from '../store.ts'
import { SqlBox } from './sql-box.tsx'
import { TableDetail } from './table-detail.tsx'

export function TablesPage({
  lakehouse,
  wanted,
}: {
  readonly lakehouse: LakehouseAnswer
  readonly wanted: string | null
}) {
  const path = wanted ?? lakehouse.roles.events
  const table = lakehouse.tables.find((one) => one.path === path)
  const [detail, setDetail] = useState<TableDetailAnswer | null>(null)
  const [failure, setFailure] = useState<string | null>(null)
  useEffect(() => {
    setDetail(null)
    setFailure(null)
    loadTable(path).then(setDetail, (error: Error) => setFailure(error.message))
  }, [path])
  return (
    <div class="page tables">
      <h1 class="hidden">Tables</h1>
      <TableList lakehouse={lakehouse} chosen={path} />
      <div class="table-side">
        <SqlBox key={path} lakehouse={lakehouse} table={table?.sqlName ?? null} />
        {failure !== null && <Failed message={failure} />}
        {detail !== null && <TableDetail detail={detail} meaning={table?.meaning ?? ''} />}
      </div>
    </div>
  )
}

function TableList({ lakehouse, chosen }: { readonly lakehouse: LakehouseAnswer; readonly chosen: string }) {
  const { state } = useStore(live)
  return (
    <Card title="Tables" {...(state === null ? {} : { asOfMs: state.asOfMs })} className="table-list">
      {lakehouse.tables.length === 0 && <Nothing>There is no table.</Nothing>}
      <ul>
        {lakehouse.tables.map(({ path, sqlName }) => {
          const now = state?.tables[path]
          return (
            <li key={path}>
              <a href={linkTo('tables', path)} aria-current={path === chosen ? 'true' : undefined}>
                <span class="mono">{sqlName}</span>
                <span class="note">
                  {now === undefined
                    ? ''
                    : `${shortCount(now.rows)} rows · ${bytes(now.bytes)} · ${count(now.files)} files · ${instant(now.committedMs).slice(11)}`}
                </span>
              </a>
            </li>
          )
        })}
      </ul>
    </Card>
  )
}
