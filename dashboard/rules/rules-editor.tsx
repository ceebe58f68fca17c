// The text of rules to try: it is looked at as one types, and each mistake leads to its place.
import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { RulesCheckAnswer } from '../../src/dashboard/api.ts'
import { seen } from '../format.ts'
import { Card, Failed } from '../parts/card.tsx'
import { checkRules } from '../server.ts'

const checkAfterMs = 400

type RulesEditorProps = {
  readonly text: string
  readonly isChanged: boolean
  readonly onText: (text: string) => void
  readonly onReset: () => void
  /** What can be done with them. */
  readonly children: ComponentChildren
}

export function RulesEditor({ text, isChanged, onText, onReset, children }: RulesEditorProps) {
  const box = useRef<HTMLTextAreaElement>(null)
  const [answer, setAnswer] = useState<RulesCheckAnswer | null>(null)
  const [failure, setFailure] = useState<string | null>(null)
  useEffect(() => {
    const stop = new AbortController()
    const ask = (): void => {
      checkRules(text, stop.signal).then(
        (checked) => {
          setAnswer(checked)
          setFailure(null)
        },
        (error: Error) => stop.signal.aborted || setFailure(error.message),
      )
    }
    const timer = setTimeout(ask, checkAfterMs)
    return () => {
      clearTimeout(timer)
      stop.abort()
    }
  }, [text])
  const goTo = (line: number, column: number): void => {
    const area = box.current!
    const at = text.split('\n', line - 1).reduce((sum, before) => sum + before.length + 1, 0) + column - 1
    area.focus()
    area.setSelectionRange(at, at)
    // A browser does not bring the place into sight by itself.
    area.scrollTop = (area.scrollHeight / Math.max(1, text.split('\n').length)) * Math.max(0, line - 4)
  }
  return (
    <Card
      title="Try other rules"
      note="nothing here counts before it is a version that is active"
      actions={
        isChanged && (
          <button type="button" onClick={onReset}>
            Back to the active ones
          </button>
        )
      }
    >
      <label>
        <span class="hidden">Text of the rules</span>
        <textarea
          ref={box}
          rows={22}
          spellcheck={false}
          value={text}
          onInput={(event) => onText(event.currentTarget.value)}
        />
      </label>
      {failure !== null && <Failed message={failure} />}
      <div role="status">{answer !== null && <Checked answer={answer} onPlace={goTo} />}</div>
      {isChanged && answer?.mistakes.length === 0 && answer.changes.length > 0 && children}
    </Card>
  )
}

type CheckedProps = {
  readonly answer: RulesCheckAnswer
  readonly onPlace: (line: number, column: number) => void
}

function Checked({ answer, onPlace }: CheckedProps) {
  const { mistakes, wrongExamples, changes } = answer
  const wrong = [
    ...mistakes.map(({ line, column, message }) => ({ line, column, text: message })),
    ...wrongExamples.map(({ line, text }) => ({ line, column: 1, text })),
  ]
  return (
    <>
      {wrong.length === 0 ? (
        <p class="note">
          No mistakes, and every example is right. {changes.length === 0 && 'They are the active rules.'}
        </p>
      ) : (
        <ul class="mistakes">
          {wrong.map(({ line, column, text }) => (
            <li key={`${line} ${column} ${text}`}>
              <button type="button" class="plain" onClick={() => onPlace(line, column)}>
                line {line}:{column}
              </button>{' '}
              <span>{seen(text)}</span>
            </li>
          ))}
        </ul>
      )}
      {changes.length > 0 && (
        <>
          <h3>Other than the active ones</h3>
          <ul class="changes">
            {changes.map((change) => (
              <li key={change}>{seen(change)}</li>
            ))}
          </ul>
        </>
      )}
    </>
  )
}
