// One case: what it is, why it is here, what is new about it, and what the person did before.
import { useEffect, useRef, useState } from 'preact/hooks'
import type { LakehouseAnswer, ReviewCase, ReviewContextAnswer } from '../../src/dashboard/api.ts'
import { count, seen, shortInstant, words } from '../format.ts'
import { toneOfLevel } from '../fraud/level.tsx'
import { placeOf } from '../fraud/matching.ts'
import { live } from '../live.ts'
import { Card, Failed, Nothing } from '../parts/card.tsx'
import { linkTo } from '../router.ts'
import { loadReviewContext } from '../server.ts'
import { useStore } from '../store.ts'
import { History } from './history.tsx'
import { lossText, moneyColumnOf, moneyText } from './money.ts'
import { percent } from './precision.ts'

type CaseProps = {
  readonly lakehouse: LakehouseAnswer
  readonly one: ReviewCase
  readonly isMine: boolean
}

export function Case({ lakehouse, one, isMine }: CaseProps) {
  const place = placeOf(one)
  const head = useRef<HTMLHeadingElement>(null)
  const [context, setContext] = useState<ReviewContextAnswer | null>(null)
  const [failure, setFailure] = useState<string | null>(null)
  useEffect(() => {
    let isOver = false
    setContext(null)
    setFailure(null)
    head.current?.focus({ preventScroll: true })
    loadReviewContext(one).then(
      (answer) => void (isOver || setContext(answer)),
      (error: Error) => void (isOver || setFailure(error.message)),
    )
    return () => {
      isOver = true
    }
  }, [place])
  return (
    <Card title="Case" className="case">
      <div class="case-head">
        <Score one={one} />
        <div class="case-told">
          <h3 class="case-money" tabIndex={-1} ref={head}>
            <Money lakehouse={lakehouse} one={one} />
            <span class="hidden">
              , score {String(one.cells.fraud_score)}, {String(one.cells.risk_level)}
            </span>
          </h3>
          <Amounts lakehouse={lakehouse} one={one} context={context} />
          <p class="case-who">
            <Person lakehouse={lakehouse} one={one} />
            <span>{shortInstant(String(one.cells.event_time ?? ''))} UTC</span>
            <bdi class="mono">{seen(String(one.cells[lakehouse.names.event] ?? ''))}</bdi>
          </p>
        </div>
        {isMine && <Lock untilMs={one.heldUntilMs} />}
      </div>
      {one.unsureBy.length > 0 && (
        <p class="case-unsure">Unsure of it: {seen(one.unsureBy.join(', '))}. What do you see?</p>
      )}
      <h3 class="case-part">Why it is here</h3>
      <Reasons one={one} />
      {failure !== null && <Failed message={failure} />}
      {context === null && failure === null && <Nothing>Reading what came before.</Nothing>}
      {context !== null && (
        <>
          <Facts context={context} />
          <History lakehouse={lakehouse} context={context} one={one} />
        </>
      )}
      <AllColumns one={one} />
    </Card>
  )
}

function Score({ one }: { readonly one: ReviewCase }) {
  const level = String(one.cells.risk_level ?? '')
  return (
    <p class={`case-score ${toneOfLevel(level)}`} aria-hidden="true">
      <b>{String(one.cells.fraud_score ?? '')}</b>
      <span>{seen(level.toLowerCase())}</span>
    </p>
  )
}

function Money({ lakehouse, one }: { readonly lakehouse: LakehouseAnswer; readonly one: ReviewCase }) {
  const column = moneyColumnOf(lakehouse)
  return <>{column === null ? 'A transaction' : moneyText(one.cells[column])}</>
}

type AmountsProps = Omit<CaseProps, 'isMine'> & { readonly context: ReviewContextAnswer | null }

function Amounts({ lakehouse, one, context }: AmountsProps) {
  const column = moneyColumnOf(lakehouse)
  const usual = context?.before?.usual ?? null
  const times = column === null || usual === null || usual <= 0 ? null : Number(one.cells[column]) / usual
  return (
    <p class="case-amounts">
      <span>
        ≈ <b>{lossText(one.expectedLoss)}</b> expected to be lost, at {percent(one.probability)}
      </span>
      {times !== null && (
        <span class={times >= 3 ? 'pill warn' : 'pill'}>
          {times >= 10 ? Math.round(times) : times.toFixed(1)} × the usual {lossText(usual)}
        </span>
      )}
    </p>
  )
}

function Person({ lakehouse, one }: Omit<CaseProps, 'isMine'>) {
  const { person } = lakehouse.names
  const id = one.cells[person]
  if (id == null) return null
  return (
    <a href={linkTo('person', String(id))}>
      {words(person)} <bdi>{seen(String(id))}</bdi>
    </a>
  )
}

/** By the clock of the server. Who decides later is told whether somebody else has the case. */
function Lock({ untilMs }: { readonly untilMs: number | null }) {
  const { state, heardMs } = useStore(live)
  const aheadMs = state === null ? 0 : heardMs - state.asOfMs
  const [browserMs, setBrowserMs] = useState(Date.now())
  useEffect(() => {
    const timer = setInterval(() => setBrowserMs(Date.now()), 1_000)
    return () => clearInterval(timer)
  }, [])
  const nowMs = browserMs - aheadMs
  const leftMs = (untilMs ?? 0) - nowMs
  if (leftMs <= 0) return <p class="pill warn lock">Your lock is over: n takes the case again</p>
  const seconds = Math.floor(leftMs / 1000)
  return (
    <p class="pill lock">
      yours for {Math.floor(seconds / 60)}:{String(seconds % 60).padStart(2, '0')}
    </p>
  )
}

type Sentence = ReviewCase['sentences'][number]

/** What weighs most comes first. */
function byPoints(a: Sentence, b: Sentence): number {
  return Math.abs(b.points ?? 0) - Math.abs(a.points ?? 0)
}

function Reasons({ one }: { readonly one: ReviewCase }) {
  if (one.sentences.length === 0) return <p class="note">No rule fired.</p>
  return (
    <ul class="case-reasons">
      {[...one.sentences].sort(byPoints).map(({ rule, points, text }) => (
        <li key={rule}>
          <b>{points === null ? '?' : points > 0 ? `+${points}` : points}</b>
          <bdi>{seen(text === '' ? 'a rule that is gone' : text)}</bdi>
          <span class="note">{words(rule)}</span>
        </li>
      ))}
    </ul>
  )
}

function Facts({ context: { before, facts } }: { readonly context: ReviewContextAnswer }) {
  if (before === null) return null
  return (
    <>
      <h3 class="case-part">
        What is new about it
        <span class="note">
          {before.count === 0
            ? 'the first transaction of this person'
            : `${count(before.count)} before, since ${shortInstant(before.first ?? '').slice(0, 10)}`}
        </span>
      </h3>
      <dl class="case-facts">
        {facts.map(({ column, value, count: times }) => (
          <div key={column} class={times === 0 && before.count > 0 ? 'new' : ''}>
            <dt>{words(column)}</dt>
            <dd>
              <bdi>{seen(value)}</bdi>
              {before.count > 0 && (
                <span class={times === 0 ? 'pill bad' : 'pill'}>
                  {times === 0 ? 'never before' : times === 1 ? 'once before' : `${count(times)} × before`}
                </span>
              )}
            </dd>
          </div>
        ))}
      </dl>
    </>
  )
}

function AllColumns({ one }: { readonly one: ReviewCase }) {
  const cells = Object.entries(one.cells).filter(([name]) => name !== 'reasons')
  return (
    <details>
      <summary>All columns</summary>
      <dl class="facts across">
        {cells.map(([name, value]) => (
          <div key={name}>
            <dt>{words(name)}</dt>
            <dd>{value === null ? <span class="null">null</span> : <bdi>{seen(String(value))}</bdi>}</dd>
          </div>
        ))}
      </dl>
    </details>
  )
}
