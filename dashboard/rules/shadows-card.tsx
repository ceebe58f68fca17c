// What shadows said beside what was decided: asked for, because it reads all that they ever said.
import { useState } from 'preact/hooks'
import type { ShadowsAnswer, VersionsAnswer } from '../../src/dashboard/api.ts'
import { Card, Failed } from '../parts/card.tsx'
import { compareShadows } from '../server.ts'
import { ReportSections } from './report-sections.tsx'

export function ShadowsCard({ versions }: { readonly versions: VersionsAnswer }) {
  const [answer, setAnswer] = useState<ShadowsAnswer | null>(null)
  const [failure, setFailure] = useState<string | null>(null)
  const [isBusy, setBusy] = useState(false)
  const compare = async (): Promise<void> => {
    setBusy(true)
    setFailure(null)
    try {
      setAnswer(await compareShadows())
    } catch (error) {
      setFailure((error as Error).message)
    } finally {
      setBusy(false)
    }
  }
  return (
    <Card
      title="Shadows"
      note="what versions said that decide nothing, beside what was decided, by labels that became known since"
      className="shadows"
      {...(answer === null ? {} : { asOfMs: answer.asOfMs })}
      actions={
        <button type="button" disabled={isBusy || !versions.mayPropose} onClick={() => void compare()}>
          {isBusy ? 'Comparing' : 'Compare'}
        </button>
      }
    >
      {!versions.mayPropose && <p class="note">An analyst may compare them.</p>}
      {failure !== null && <Failed message={failure} />}
      {answer !== null && (
        <div class="backtest-report">
          <ReportSections sections={answer.sections} />
        </div>
      )}
    </Card>
  )
}
