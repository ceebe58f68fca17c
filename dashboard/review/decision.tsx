// What is decided: large buttons, each with its key, and why.
import type { Ref } from 'preact'

export type Verdict = 'fraud' | 'legitimate' | 'unsure'

const verdicts: readonly (readonly [Verdict, string, string])[] = [
  ['fraud', 'Fraud', 'f'],
  ['legitimate', 'Legitimate', 'l'],
  ['unsure', 'Unsure', 'u'],
]

type DecisionProps = {
  readonly reason: string
  readonly note: string
  readonly isBusy: boolean
  readonly reasonField: Ref<HTMLInputElement>
  readonly noteField: Ref<HTMLTextAreaElement>
  readonly onReason: (text: string) => void
  readonly onNote: (text: string) => void
  readonly onDecide: (verdict: Verdict) => void
  readonly onSkip: () => void
}

/** Offered, and nothing else is refused. */
const reasonsOffered = [
  ...['stolen card', 'account taken over', 'card testing', 'friendly fraud'],
  ...['known customer', 'customer confirmed', 'usual pattern'],
]

export function Decision(props: DecisionProps) {
  const { reason, note, isBusy, reasonField, noteField, onReason, onNote, onDecide, onSkip } = props
  return (
    <section class="card decision" aria-label="Decision">
      <div class="decision-texts">
        <label>
          <span>
            Reason <kbd>r</kbd>
          </span>
          <input
            ref={reasonField}
            value={reason}
            maxLength={200}
            list="reasons-offered"
            onInput={(event) => onReason(event.currentTarget.value)}
          />
        </label>
        <datalist id="reasons-offered">
          {reasonsOffered.map((text) => (
            <option key={text} value={text} />
          ))}
        </datalist>
        <label>
          <span>
            Note <kbd>e</kbd>
          </span>
          <textarea
            ref={noteField}
            rows={1}
            value={note}
            maxLength={2_000}
            onInput={(event) => onNote(event.currentTarget.value)}
          />
        </label>
      </div>
      <div class="decision-buttons">
        {verdicts.map(([name, title, key]) => (
          <button
            key={name}
            type="button"
            class={`verdict ${name}`}
            disabled={isBusy}
            aria-keyshortcuts={key}
            onClick={() => onDecide(name)}
          >
            {title} <kbd>{key}</kbd>
          </button>
        ))}
        <button
          type="button"
          class="verdict skip-case"
          disabled={isBusy}
          aria-keyshortcuts="s"
          onClick={onSkip}
        >
          Skip <kbd>s</kbd>
        </button>
      </div>
    </section>
  )
}
