// One person: what was bought last, from where and with what, and how often.
import { useEffect, useState } from 'preact/hooks'
import type { FeedRow, LakehouseAnswer, RowsAnswer } from '../../src/dashboard/api.ts'
import { count, seen, shortCount, shortInstant, words } from '../format.ts'
import { Bars } from '../parts/bars.tsx'
import { Card, Failed, Nothing } from '../parts/card.tsx'
import { goTo, linkTo } from '../router.ts'
import { loadPerson, type PersonAnswer } from '../server.ts'
import { Detail } from './detail.tsx'
import { FeedList } from './feed-list.tsx'
import { Journeys } from './journeys.tsx'

export function PersonPage({ lakehouse, id }: { readonly lakehouse: LakehouseAnswer; readonly id: string }) {
  const [answer, setAnswer] = useState<PersonAnswer | null>(null)
  const [failure, setFailure] = useState<string | null>(null)
  const [chosen, setChosen] = useState<FeedRow | null>(null)
  useEffect(() => {
    setAnswer(null)
    loadPerson(id).then(setAnswer, (error: Error) => setFailure(error.message))
  }, [id])
  if (failure !== null) return <Failed message={failure} />
  if (answer === null) return <Nothing>Reading the tables.</Nothing>
  const { feed, facets, hours, journeys, asOfMs } = answer
  const risky = feed.filter(({ cells }) => cells.requires_review === true).length
  return (
    <div class="page fraud">
      <div class="wide person-head">
        <p>
          <a href={linkTo('fraud')}>Fraud</a>
        </p>
        <h1>
          {words(lakehouse.names.person)} <bdi>{seen(id)}</bdi>
        </h1>
        <p class="note">
          {count(feed.length)} transactions, the newest first; {count(risky)} of them require review.
        </p>
      </div>
      <Card title="Transactions" asOfMs={asOfMs} className="feed">
        <FeedList lakehouse={lakehouse} rows={feed} chosen={chosen} onChoose={setChosen} />
      </Card>
      <aside class="beside" aria-label="Details">
        {chosen !== null && (
          <Detail
            lakehouse={lakehouse}
            row={chosen}
            onClose={() => setChosen(null)}
            onFilter={() => goTo('fraud')}
          />
        )}
        {journeys !== null && <Journeys journeys={journeys} />}
        <Velocity hours={hours} />
        <Used facets={facets} />
      </aside>
    </div>
  )
}

function Velocity({ hours }: { readonly hours: RowsAnswer }) {
  const bars = hours.rows.slice(0, 24).map(([hour, rows]) => {
    return { name: shortInstant(hour!).slice(0, 16), value: Number(rows), text: count(Number(rows)) }
  })
  return (
    <Card title="Transactions by hour" note="UTC" asOfMs={hours.asOfMs}>
      <Bars label="Transactions by hour" bars={bars} />
    </Card>
  )
}

function Used({ facets }: { readonly facets: RowsAnswer }) {
  const rows = facets.rows.map(([column, value, rows, , last]) => ({
    column: column!,
    value: value!,
    rows: Number(rows),
    last: last!,
  }))
  return (
    <>
      {[...Map.groupBy(rows, ({ column }) => column)].map(([column, values]) => (
        <Card key={column} title={words(column)} note={`${values.length} seen`} className="facet">
          <Bars
            label={words(column)}
            bars={values.map(({ value, rows: found }) => ({
              name: value,
              value: found,
              text: shortCount(found),
            }))}
          />
        </Card>
      ))}
    </>
  )
}
