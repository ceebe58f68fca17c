// The open cases in the chosen order: who holds which, and what each may cost.
import type { LakehouseAnswer, ReviewAnswer, ReviewCase } from '../../src/dashboard/api.ts'
import { count, seen, shortInstant } from '../format.ts'
import { Level } from '../fraud/level.tsx'
import { placeOf } from '../fraud/matching.ts'
import { Card, Nothing } from '../parts/card.tsx'
import { lossText, moneyColumnOf, moneyText } from './money.ts'

export const orders = [
  ['score', 'Score'],
  ['loss', 'At risk'],
  ['money', 'Money'],
  ['age', 'Age'],
] as const
export type Order = (typeof orders)[number][0]

type QueueProps = {
  readonly lakehouse: LakehouseAnswer
  readonly answer: ReviewAnswer
  readonly order: Order
  readonly chosen: ReviewCase | null
  readonly onOrder: (order: Order) => void
  readonly onChoose: (one: ReviewCase) => void
}

export function Queue({ lakehouse, answer, order, chosen, onOrder, onChoose }: QueueProps) {
  const { cases, mine, figures, isCut, asOfMs } = answer
  const chosenPlace = chosen === null ? null : placeOf(chosen)
  return (
    <Card title="Queue" asOfMs={asOfMs} className="queue">
      <fieldset class="orders">
        <legend class="hidden">Order, key o</legend>
        {orders.map(([name, title]) => (
          <label key={name} class={name === order ? 'chosen' : ''}>
            <input type="radio" name="order" checked={name === order} onChange={() => onOrder(name)} />
            {title}
          </label>
        ))}
      </fieldset>
      {cases.length === 0 && <Nothing>Nothing is open. New cases come by themselves.</Nothing>}
      <ol class="case-list">
        {cases.map((one) => (
          <li key={placeOf(one)}>
            <QueueItem
              lakehouse={lakehouse}
              one={one}
              isChosen={placeOf(one) === chosenPlace}
              isMine={mine !== null && placeOf(one) === placeOf(mine)}
              onChoose={() => onChoose(one)}
            />
          </li>
        ))}
      </ol>
      <p class="note">
        {count(figures.open)} open
        {figures.open > cases.length && `, the first ${cases.length} are shown`}
        {isCut && '; older ones are not in the queue, which is full'}
      </p>
    </Card>
  )
}

type QueueItemProps = {
  readonly lakehouse: LakehouseAnswer
  readonly one: ReviewCase
  readonly isChosen: boolean
  readonly isMine: boolean
  readonly onChoose: () => void
}

function QueueItem({ lakehouse, one, isChosen, isMine, onChoose }: QueueItemProps) {
  const money = moneyColumnOf(lakehouse)
  const { person } = lakehouse.names
  return (
    <button type="button" aria-pressed={isChosen} onClick={onChoose}>
      <Level row={one} />
      <span class="queue-told">
        <span class="queue-money">
          <b>{money === null ? '' : moneyText(one.cells[money])}</b>
          <span class="note">≈ {lossText(one.expectedLoss)} at risk</span>
        </span>
        <span class="note">
          <bdi>{seen(String(one.cells[person] ?? '–'))}</bdi> ·{' '}
          {shortInstant(String(one.cells.event_time ?? '')).slice(5, 16)}
        </span>
        {(one.heldBy !== null || one.unsureBy.length > 0) && (
          <span class="queue-tags">
            {one.heldBy !== null && <HeldBy name={isMine ? null : one.heldBy} />}
            {one.unsureBy.length > 0 && <span class="pill">unsure: {seen(one.unsureBy.join(', '))}</span>}
          </span>
        )}
      </span>
    </button>
  )
}

/** null is who reads it. */
function HeldBy({ name }: { readonly name: string | null }) {
  if (name === null) return <span class="pill good">yours</span>
  return (
    <span class="pill warn">
      <bdi>{seen(name)}</bdi>
      looks at it
    </span>
  )
}
