// What came of it: the verdicts, one's own with undo, how often each rule was right, and who decided how fast.
import type { ReviewAnswer } from '../../src/dashboard/api.ts'
import { count, duration, seen, timeOfDay, words } from '../format.ts'
import { Card, Nothing } from '../parts/card.tsx'
import { Scroll } from '../parts/scroll.tsx'
import { VerdictPill } from './history.tsx'
import { moneyText } from './money.ts'
import { percent, shareOf } from './precision.ts'

export function Figures({ answer }: { readonly answer: ReviewAnswer }) {
  const { open, unsure, verdicts } = answer.figures
  const figures = [
    ['open', open],
    ['unsure', unsure],
    ['fraud', verdicts.fraud],
    ['legitimate', verdicts.legitimate],
  ] as const
  return (
    <dl class="review-figures wide">
      {figures.map(([name, value]) => (
        <div key={name} class={name}>
          <dt>{name}</dt>
          <dd>{count(value)}</dd>
        </div>
      ))}
    </dl>
  )
}

type OwnProps = {
  readonly answer: ReviewAnswer
  readonly onUndo: (sequence: string) => void
}

export function Own({ answer, onUndo }: OwnProps) {
  return (
    <Card title="Your verdicts" note="z takes the last one back" asOfMs={answer.asOfMs} className="own">
      {answer.own.length === 0 && <Nothing>None yet.</Nothing>}
      <ol class="own-list">
        {answer.own.map((row) => {
          const event = seen(String(row.event ?? ''))
          return (
            <li key={String(row.sequence)}>
              <VerdictPill verdict={String(row.verdict)} />
              <span class="own-told">
                <span>
                  <b>{moneyText(row.money)}</b> <bdi class="mono">{event}</bdi>
                </span>
                <span class="note">
                  {timeOfDay(Number(row.decided_ms))}
                  {row.took_seconds === null ? '' : `, took ${duration(1000 * Number(row.took_seconds))}`}
                  {row.reason !== null && (
                    <>
                      {' '}
                      · <bdi>{seen(String(row.reason))}</bdi>
                    </>
                  )}
                </span>
              </span>
              <button
                type="button"
                aria-label={`Undo ${String(row.verdict)} of ${event}`}
                onClick={() => onUndo(String(row.sequence))}
              >
                Undo
              </button>
            </li>
          )
        })}
      </ol>
    </Card>
  )
}

export function Rules({ answer }: { readonly answer: ReviewAnswer }) {
  return (
    <Card
      title="How often rules were right"
      note="fraud of the decided cases; interval of 95 %"
      asOfMs={answer.asOfMs}
      className="rules-right"
    >
      {answer.rules.length === 0 && <Nothing>Nothing is decided yet.</Nothing>}
      {answer.rules.length > 0 && (
        <ul class="rules-list">
          {answer.rules.map((row) => {
            const [hits, decided] = [Number(row.fraud), Number(row.decided)]
            const { share, low, high } = shareOf(hits, decided)
            return (
              <li key={String(row.rule)}>
                <span class="rules-name">
                  <bdi>{seen(words(String(row.rule)))}</bdi>
                  <b>{percent(share)}</b>
                </span>
                <span class="interval" aria-hidden="true">
                  <i style={{ left: `${100 * low}%`, width: `${100 * (high - low)}%` }} />
                  <b style={{ left: `${100 * share}%` }} />
                </span>
                <span class="note">
                  {count(hits)} of {count(decided)}, {percent(low)} to {percent(high)}
                </span>
              </li>
            )
          })}
        </ul>
      )}
    </Card>
  )
}

export function Reviewers({ answer }: { readonly answer: ReviewAnswer }) {
  if (answer.reviewers.length === 0) return null
  return (
    <Card title="Reviewers" note="the last 24 hours" asOfMs={answer.asOfMs} className="reviewers">
      <Scroll label="Reviewers" isShort>
        <table>
          <thead>
            <tr>
              <th scope="col">who</th>
              <th scope="col" class="number">
                verdicts
              </th>
              <th scope="col" class="number">
                usual time
              </th>
            </tr>
          </thead>
          <tbody>
            {answer.reviewers.map((row) => (
              <tr key={String(row.reviewer)}>
                <td>
                  <bdi>{seen(String(row.reviewer))}</bdi>
                </td>
                <td class="number">{count(Number(row.decided))}</td>
                <td class="number">{row.seconds === null ? '–' : duration(1000 * Number(row.seconds))}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Card>
  )
}
