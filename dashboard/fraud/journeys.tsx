// What a person did in one go, as a line of time: the newest journey first.
import type { RowsAnswer } from '../../src/dashboard/api.ts'
import { count, seen, shortInstant } from '../format.ts'
import { Card, Nothing } from '../parts/card.tsx'

/** What looks like fraud, by the column that says so. */
const signs = { is_card_testing: 'card testing', is_impossible_travel: 'impossible travel' } as const

export function Journeys({ journeys }: { readonly journeys: RowsAnswer }) {
  const { columns, rows, asOfMs } = journeys
  const all = rows.map((row) => {
    return Object.fromEntries(columns.map(({ name }, index) => [name, row[index] ?? null]))
  })
  return (
    <Card title="Journeys" note="that are over" asOfMs={asOfMs} className="journeys">
      {all.length === 0 && <Nothing>None is over yet.</Nothing>}
      <ol>
        {all.map((journey) => (
          <Journey key={journey.session_start} journey={journey} />
        ))}
      </ol>
    </Card>
  )
}

function Journey({ journey }: { readonly journey: Readonly<Record<string, string | null>> }) {
  const { session_start: from, session_end: to } = journey
  const found = Object.entries(signs).filter(([column]) => journey[column] === 'true')
  const changes = [
    [journey.country_changes, 'country', 'countries'],
    [journey.device_changes, 'device', 'devices'],
  ] as const
  return (
    <li class={found.length > 0 ? 'odd' : ''}>
      <p>
        <b>
          {shortInstant(from ?? '')} to {shortInstant(to ?? '').slice(11, 19)}
        </b>{' '}
        <span class="note">
          {count(Number(journey.transaction_count))} transactions
          {journey.total_amount !== undefined && `, ${seen(journey.total_amount ?? '')}`}
          {changes.map(([times, , many]) => (Number(times ?? 0) > 0 ? `, ${times} changes of ${many}` : ''))}
        </span>
      </p>
      {found.length > 0 && <p class="signs">{found.map(([, sign]) => sign).join(', ')}</p>}
      {journey.journey != null && (
        <p class="way" title={seen(journey.journey)}>
          <bdi>{seen(journey.journey)}</bdi>
        </p>
      )}
    </li>
  )
}
