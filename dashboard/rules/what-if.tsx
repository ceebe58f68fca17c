// A transaction that somebody makes up, and what would be decided of it: nothing is written.
import { useEffect, useRef, useState } from 'preact/hooks'
import type { WhatIfAnswer } from '../../src/dashboard/api.ts'
import { seen } from '../format.ts'
import { toneOfLevel } from '../fraud/level.tsx'
import { Card, Failed } from '../parts/card.tsx'
import { loadExample, session, tryOut } from '../server.ts'
import { useStore } from '../store.ts'

type Decided = WhatIfAnswer['decisions'][number]

export function WhatIf() {
  const who = useStore(session)
  const [text, setText] = useState('')
  const [answer, setAnswer] = useState<WhatIfAnswer | null>(null)
  const [failure, setFailure] = useState<string | null>(null)
  const [isBusy, setBusy] = useState(false)
  const asking = useRef<AbortController | null>(null)
  useEffect(() => {
    loadExample().then(
      ({ example }) => setText((typed) => (typed === '' ? example : typed)),
      (error: Error) => setFailure(error.message),
    )
    return () => asking.current?.abort()
  }, [])
  const mayTry = who?.user?.seesIds === true
  const run = async (event: Event): Promise<void> => {
    event.preventDefault()
    asking.current?.abort()
    const stop = new AbortController()
    asking.current = stop
    setBusy(true)
    setFailure(null)
    try {
      setAnswer(await tryOut(text, stop.signal))
    } catch (error) {
      if (stop.signal.aborted) return
      setAnswer(null)
      setFailure((error as Error).message)
    } finally {
      if (asking.current === stop) setBusy(false)
    }
  }
  return (
    <Card
      title="What if"
      note="a transaction, or a list of them, decided by the active rules as if it came now; nothing is written"
      className="what-if"
    >
      <form onSubmit={(event) => void run(event)}>
        <label>
          <span class="hidden">Transaction as JSON</span>
          <textarea
            rows={12}
            spellcheck={false}
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </label>
        <div class="row">
          <button type="submit" class="primary" disabled={isBusy || !mayTry}>
            {isBusy ? 'Deciding' : 'Decide'}
          </button>
          {!mayTry && <span class="note">An analyst may try.</span>}
          {answer !== null && <span class="note">{answer.ms} ms</span>}
        </div>
      </form>
      <div class="decided" role="status">
        {failure !== null && <Failed message={failure} />}
        {answer?.decisions.map((decision, index) => (
          <DecidedOf key={index} decision={decision} />
        ))}
      </div>
    </Card>
  )
}

function DecidedOf({ decision }: { readonly decision: Decided }) {
  if (decision.decision === 'refused')
    return (
      <section aria-label="Refused">
        <h3>Refused</h3>
        <ul class="changes">
          {decision.reasons.map(({ name, meaning }) => (
            <li key={name}>
              <b>{name}</b> {seen(meaning)}
            </li>
          ))}
        </ul>
      </section>
    )
  const { id, fraud_score, risk_level, requires_review, rules, features } = decision
  return (
    <section aria-label={`Decision of ${seen(id)}`}>
      <h3>
        <bdi>{seen(id)}</bdi>{' '}
        <span class={`level ${toneOfLevel(risk_level)}`}>
          <b>{fraud_score}</b>
          <span>{seen(risk_level.toLowerCase())}</span>
        </span>{' '}
        {requires_review && <span class="note">requires review</span>}
      </h3>
      <ul class="changes">
        {rules.length === 0 && <li>No rule fires.</li>}
        {rules.map(({ name, points, says }) => (
          <li key={name}>
            <b>
              {points !== null && points >= 0 ? '+' : ''}
              {points ?? '?'} {name}
            </b>{' '}
            <bdi>{seen(says)}</bdi>
          </li>
        ))}
      </ul>
      <dl class="facts">
        {Object.entries(features).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              <bdi>{value === null ? 'unknown' : seen(String(value))}</bdi>
            </dd>
          </div>
        ))}
      </dl>
    </section>
  )
}
