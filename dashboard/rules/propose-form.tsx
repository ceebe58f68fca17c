// Makes the text of the editor a version, which decides nothing yet.
import { useState } from 'preact/hooks'
import type { VersionsAnswer } from '../../src/dashboard/api.ts'
import { Failed } from '../parts/card.tsx'
import { changeVersion } from '../server.ts'

type ProposeFormProps = {
  readonly text: string
  readonly versions: VersionsAnswer
  readonly onVersions: (versions: VersionsAnswer) => void
}

export function ProposeForm({ text, versions, onVersions }: ProposeFormProps) {
  const [reason, setReason] = useState('')
  const [failure, setFailure] = useState<string | null>(null)
  const [isBusy, setBusy] = useState(false)
  const same = versions.versions.find((one) => one.text === text)
  if (same !== undefined) return <p class="note">This is version {same.version}.</p>
  if (!versions.mayPropose) return <p class="note">An analyst may propose them.</p>
  const propose = async (event: Event): Promise<void> => {
    event.preventDefault()
    setBusy(true)
    setFailure(null)
    try {
      onVersions(await changeVersion('propose', { text, reason }))
      setReason('')
    } catch (error) {
      setFailure((error as Error).message)
    } finally {
      setBusy(false)
    }
  }
  return (
    <>
      <form class="row" onSubmit={(event) => void propose(event)}>
        <label>
          <span>Why</span>
          <input
            type="text"
            maxLength={1000}
            value={reason}
            onInput={(event) => setReason(event.currentTarget.value)}
          />
        </label>
        <button type="submit" class="primary" disabled={isBusy}>
          Propose as a version
        </button>
      </form>
      {failure !== null && <Failed message={failure} />}
    </>
  )
}
