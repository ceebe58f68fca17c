// The transactions, each a line that opens its details.
import type { FeedRow, LakehouseAnswer } from '../../src/dashboard/api.ts'
import { seen, shortInstant } from '../format.ts'
import { Nothing } from '../parts/card.tsx'
import { Level } from './level.tsx'
import { placeOf } from './matching.ts'
import { tellingColumns } from './telling-columns.ts'

type FeedListProps = {
  readonly lakehouse: LakehouseAnswer
  readonly rows: readonly FeedRow[]
  readonly chosen: FeedRow | null
  readonly onChoose: (row: FeedRow) => void
}

export function FeedList({ lakehouse, rows, chosen, onChoose }: FeedListProps) {
  if (rows.length === 0) return <Nothing>No transaction is like that.</Nothing>
  const columns = tellingColumns(lakehouse)
  const chosenPlace = chosen === null ? null : placeOf(chosen)
  return (
    <ol class="feed-list">
      {rows.map((row) => (
        <li key={placeOf(row)}>
          <button type="button" aria-pressed={placeOf(row) === chosenPlace} onClick={() => onChoose(row)}>
            <Level row={row} />
            <span class="feed-told">
              <span class="feed-cells">
                {columns.map((name) => (
                  <bdi key={name} class={name === columns[0] ? 'strong' : ''}>
                    {seen(String(row.cells[name] ?? '–'))}
                  </bdi>
                ))}
              </span>
              <span class="feed-why">
                {seen(row.sentences.map(({ text, rule }) => text || rule).join(' · ')) || 'no rule fired'}
              </span>
            </span>
            <time class="feed-time">{shortInstant(String(row.cells.event_time ?? '')).slice(5)}</time>
          </button>
        </li>
      ))}
    </ol>
  )
}
