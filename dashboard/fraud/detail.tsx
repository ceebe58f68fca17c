// One transaction: what its rules say, and all of its columns.
import type { FeedRow, LakehouseAnswer } from '../../src/dashboard/api.ts'
import { seen, words } from '../format.ts'
import { Card } from '../parts/card.tsx'
import { Icon } from '../parts/icon.tsx'
import { linkTo } from '../router.ts'
import type { RowFilter } from '../server.ts'
import { Level } from './level.tsx'

type DetailProps = {
  readonly lakehouse: LakehouseAnswer
  readonly row: FeedRow
  readonly onClose: () => void
  readonly onFilter: (filter: RowFilter) => void
}

export function Detail({ lakehouse, row, onClose, onFilter }: DetailProps) {
  const { names } = lakehouse
  const cells = Object.entries(row.cells).filter(([name]) => name !== 'reasons')
  return (
    <Card
      title="Transaction"
      className="detail"
      actions={
        <button type="button" class="plain" aria-label="Close the transaction" onClick={onClose}>
          <Icon name="close" />
        </button>
      }
    >
      <div class="detail-head">
        <Level row={row} />
        <bdi class="mono">{seen(String(row.cells[names.event] ?? ''))}</bdi>
      </div>
      <Sentences row={row} />
      <dl class="facts">
        {cells.map(([name, value]) => (
          <div key={name}>
            <dt>{words(name)}</dt>
            <dd>
              {value === null ? (
                <span class="null">null</span>
              ) : name === names.person ? (
                <a href={linkTo('person', String(value))}>
                  <bdi>{seen(String(value))}</bdi>
                </a>
              ) : (
                <button
                  type="button"
                  class="value"
                  title={`Only those with this ${words(name)}`}
                  onClick={() => onFilter({ column: name, operator: 'is', value: String(value) })}
                >
                  <bdi>{seen(String(value))}</bdi>
                </button>
              )}
            </dd>
          </div>
        ))}
      </dl>
    </Card>
  )
}

function Sentences({ row }: { readonly row: FeedRow }) {
  if (row.sentences.length === 0) return <p class="note">No rule fired.</p>
  return (
    <ul class="sentences">
      {row.sentences.map(({ rule, points, text }) => (
        <li key={rule}>
          <b>{points === null ? '?' : points > 0 ? `+${points}` : points}</b>
          <span>
            <bdi>{seen(text === '' ? 'a rule that is gone' : text)}</bdi>{' '}
            <span class="note">{words(rule)}</span>
          </span>
        </li>
      ))}
    </ul>
  )
}
