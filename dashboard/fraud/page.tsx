// Risky transactions as they are decided, and those of before, by any of their columns.
import { useEffect, useMemo, useState } from 'preact/hooks'
import type { FeedRow, LakehouseAnswer, RowsAnswer } from '../../src/dashboard/api.ts'
import { live } from '../live.ts'
import { Card, Failed, Nothing } from '../parts/card.tsx'
import { type FeedAnswer, loadFacets, loadTransactions, type RowFilter } from '../server.ts'
import { useStore } from '../store.ts'
import { Detail } from './detail.tsx'
import { Facets } from './facets.tsx'
import { FeedList } from './feed-list.tsx'
import { Filters } from './filters.tsx'
import { matches, placeOf } from './matching.ts'

const wantedFirst: readonly RowFilter[] = [{ column: 'requires_review', operator: 'is', value: 'true' }]
const asksAfterMs = 250

export function FraudPage({ lakehouse }: { readonly lakehouse: LakehouseAnswer }) {
  const { feed, isAway } = useStore(live)
  const [filters, setFilters] = useState(wantedFirst)
  const [text, setText] = useState('')
  const [past, setPast] = useState<FeedAnswer | null>(null)
  const [facets, setFacets] = useState<RowsAnswer | null>(null)
  const [failure, setFailure] = useState<string | null>(null)
  const [chosen, setChosen] = useState<FeedRow | null>(null)
  const [asked, setAsked] = useState(0)
  useEffect(() => {
    let isOver = false
    const timer = setTimeout(async () => {
      try {
        const [rows, counts] = await Promise.all([loadTransactions(filters, text), loadFacets(filters, text)])
        if (isOver) return
        setPast(rows)
        setFacets(counts)
        setFailure(null)
      } catch (error) {
        if (!isOver) setFailure((error as Error).message)
      }
    }, asksAfterMs)
    return () => {
      isOver = true
      clearTimeout(timer)
    }
  }, [filters, text, asked])
  const rows = useMemo(() => {
    const fresh = feed.filter((row) => matches(row, filters, text))
    const known = new Set(fresh.map(placeOf))
    return [...fresh, ...(past?.feed ?? []).filter((row) => !known.has(placeOf(row)))].slice(0, 200)
  }, [feed, past, filters, text])
  if (lakehouse.roles.scored === null) return <Nothing>This lakehouse scores no transactions.</Nothing>
  const add = (filter: RowFilter): void => {
    setFilters([
      ...filters.filter(({ column, operator }) => column !== filter.column || operator !== filter.operator),
      filter,
    ])
  }
  return (
    <div class={`page fraud ${isAway ? 'stale' : ''}`}>
      <h1 class="hidden">Fraud</h1>
      <Card title="Which" className="wide">
        <Filters
          lakehouse={lakehouse}
          filters={filters}
          text={text}
          onText={setText}
          onFilters={setFilters}
        />
      </Card>
      <Card
        title="Transactions"
        note="new ones come by themselves"
        className="feed"
        asOfMs={past?.asOfMs ?? null}
        actions={
          <button type="button" onClick={() => setAsked(asked + 1)}>
            Read again
          </button>
        }
      >
        {failure !== null && <Failed message={failure} />}
        {past === null && failure === null ? (
          <Nothing>Reading the tables.</Nothing>
        ) : (
          <FeedList lakehouse={lakehouse} rows={rows} chosen={chosen} onChoose={setChosen} />
        )}
      </Card>
      <aside class="beside" aria-label="Details">
        {chosen !== null && (
          <Detail lakehouse={lakehouse} row={chosen} onClose={() => setChosen(null)} onFilter={add} />
        )}
        {facets !== null && <Facets answer={facets} filters={filters} onFilter={add} />}
      </aside>
    </div>
  )
}
