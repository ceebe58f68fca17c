// Reviewers decide here: the queue, the case at hand, and what came of it. Everything has a key.
import type { LakehouseAnswer, ReviewAnswer } from '../../src/dashboard/api.ts'
import { live } from '../live.ts'
import { Card, Failed, Nothing } from '../parts/card.tsx'
import { useStore } from '../store.ts'
import { Case } from './case.tsx'
import { Decision } from './decision.tsx'
import { Queue } from './queue.tsx'
import { Figures, Own, Reviewers, Rules } from './results.tsx'
import { useReview } from './use-review.ts'

export function ReviewPage({ lakehouse }: { readonly lakehouse: LakehouseAnswer }) {
  const { isAway } = useStore(live)
  const review = useReview(lakehouse)
  if (lakehouse.roles.scored === null) return <Nothing>This lakehouse scores no transactions.</Nothing>
  const { answer, current, isBusy, failure, message, order } = review
  return (
    <div class={`page review ${isAway ? 'stale' : ''}`}>
      <h1 class="hidden">Review</h1>
      <p class="hidden" role="status">
        {message}
      </p>
      {failure !== null && (
        <div class="wide">
          <Failed message={failure} />
        </div>
      )}
      {answer === null && failure === null && <Nothing>Reading the tables.</Nothing>}
      {answer !== null && (
        <>
          <Figures answer={answer} />
          <div class="review-main">
            {current === null ? (
              <Idle answer={answer} isBusy={isBusy} onNext={review.next} />
            ) : (
              <Case lakehouse={lakehouse} one={current} isMine={answer.mayDecide} />
            )}
            {current !== null && answer.mayDecide && (
              <Decision
                reason={review.reason}
                note={review.note}
                isBusy={isBusy}
                reasonField={review.reasonField}
                noteField={review.noteField}
                onReason={review.setReason}
                onNote={review.setNote}
                onDecide={review.decide}
                onSkip={review.skip}
              />
            )}
          </div>
          <Queue
            lakehouse={lakehouse}
            answer={answer}
            order={order}
            chosen={current}
            onOrder={review.setOrder}
            onChoose={review.choose}
          />
          <div class="review-results">
            {answer.mayDecide && <Own answer={answer} onUndo={review.undo} />}
            <Rules answer={answer} />
            <Reviewers answer={answer} />
          </div>
        </>
      )}
    </div>
  )
}

type IdleProps = { readonly answer: ReviewAnswer; readonly isBusy: boolean; readonly onNext: () => void }

function Idle({ answer, isBusy, onNext }: IdleProps) {
  const { mayDecide, figures } = answer
  return (
    <Card title="Case" className="case idle">
      {mayDecide ? (
        <>
          <p>
            {figures.open === 0
              ? 'Nothing is open.'
              : 'Take a case: it is held for you while you look at it, and nobody else gets it.'}
          </p>
          <button type="button" class="primary" disabled={isBusy} aria-keyshortcuts="n" onClick={onNext}>
            Take the next case <kbd>n</kbd>
          </button>
          <p class="note">
            Then <kbd>f</kbd> fraud, <kbd>l</kbd> legitimate, <kbd>u</kbd> unsure, <kbd>s</kbd> skip,{' '}
            <kbd>z</kbd> undo, <kbd>r</kbd> reason, <kbd>e</kbd> note, <kbd>o</kbd> order.
          </p>
        </>
      ) : (
        <p>Choose a case of the queue to see it. The role analyst decides.</p>
      )}
    </Card>
  )
}
