// The versions of the rules: what became of each, what is other in it, and what may be done to it.
import { useState } from 'preact/hooks'
import type { VersionsAnswer } from '../../src/dashboard/api.ts'
import { instant, seen } from '../format.ts'
import { Card, Failed, Nothing } from '../parts/card.tsx'
import { Scroll } from '../parts/scroll.tsx'
import { changeVersion, type VersionAction } from '../server.ts'

type VersionsCardProps = {
  readonly versions: VersionsAnswer
  readonly onVersions: (versions: VersionsAnswer) => void
  readonly onText: (text: string) => void
}

type Version = VersionsAnswer['versions'][number]

export function VersionsCard({ versions, onVersions, onText }: VersionsCardProps) {
  const [failure, setFailure] = useState<string | null>(null)
  const [isBusy, setBusy] = useState(false)
  const act = async (action: VersionAction, version?: number): Promise<void> => {
    setBusy(true)
    setFailure(null)
    try {
      onVersions(await changeVersion(action, { ...(version === undefined ? {} : { version }), reason: '' }))
    } catch (error) {
      setFailure((error as Error).message)
    } finally {
      setBusy(false)
    }
  }
  const note =
    versions.approval === 'none'
      ? 'one is active; another decides from the next batch on'
      : 'what becomes active another user than its author has approved'
  return (
    <Card
      title="Versions"
      className="versions"
      note={note}
      actions={
        versions.mayDecide &&
        versions.mayRollBack && (
          <button type="button" disabled={isBusy} onClick={() => void act('rollback')}>
            Roll back
          </button>
        )
      }
    >
      {failure !== null && <Failed message={failure} />}
      {versions.ignored.length > 0 && (
        <p class="failure" role="alert">
          Rows of rules/versions count for nothing: {seen(versions.ignored.join('; '))}
        </p>
      )}
      {versions.versions.length === 0 && <Nothing>The rules are numbered by the first run.</Nothing>}
      {versions.versions.length > 0 && (
        <Scroll label="Versions">
          <table>
            <thead>
              <tr>
                <th scope="col" class="number">
                  version
                </th>
                <th scope="col">status</th>
                <th scope="col">proposed</th>
                <th scope="col">approved by</th>
                <th scope="col">active since, UTC</th>
                <th scope="col">other than the active one</th>
                <th scope="col">
                  <span class="hidden">actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {versions.versions.map((version) => (
                <VersionRow
                  key={version.version}
                  version={version}
                  of={versions}
                  isBusy={isBusy}
                  onAct={(action) => void act(action, version.version)}
                  onText={onText}
                />
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </Card>
  )
}

type VersionRowProps = {
  readonly version: Version
  readonly of: VersionsAnswer
  readonly isBusy: boolean
  readonly onAct: (action: VersionAction) => void
  readonly onText: (text: string) => void
}

function VersionRow({ version, of, isBusy, onAct, onText }: VersionRowProps) {
  return (
    <tr>
      <th scope="row" class="number">
        {version.version}
      </th>
      <td>
        {version.status}
        {version.shadowSinceMs !== null && (
          <div class="note">shadow since {instant(version.shadowSinceMs)}</div>
        )}
      </td>
      <td>
        {seen(version.authors.join(', '))}, {instant(version.proposedAtMs)}
        {version.reason !== null && <div class="note">{seen(version.reason)}</div>}
      </td>
      <td>{version.approvedBy === null ? '' : seen(version.approvedBy)}</td>
      <td>{version.activatedAtMs === null ? '' : instant(version.activatedAtMs)}</td>
      <td>
        <ul class="changes">
          {version.changes.map((change) => (
            <li key={change}>{seen(change)}</li>
          ))}
        </ul>
      </td>
      <td>
        <div class="row">
          <button type="button" onClick={() => onText(version.text)}>
            Look
          </button>
          {of.mayPropose &&
            shadowActionsOf(version).map((action) => (
              <button key={action} type="button" disabled={isBusy} onClick={() => onAct(action)}>
                {labels[action]}
              </button>
            ))}
          {of.mayDecide &&
            actionsOf(version, of).map((action) => (
              <button key={action} type="button" disabled={isBusy} onClick={() => onAct(action)}>
                {labels[action]}
              </button>
            ))}
        </div>
      </td>
    </tr>
  )
}

const labels = {
  ...{ approve: 'Approve', reject: 'Reject', activate: 'Activate' },
  ...{ shadow: 'Run as shadow', unshadow: 'Stop shadow' },
} as const

/** What is asked beside the version that decides needs nobody's approval: it decides nothing. */
function shadowActionsOf({ status, shadowSinceMs }: Version): ('shadow' | 'unshadow')[] {
  if (shadowSinceMs !== null) return ['unshadow']
  return status === 'active' || status === 'rejected' ? [] : ['shadow']
}

/** Nobody approves his own where another has to. */
function actionsOf(
  { status, authors }: Version,
  { approval, user }: VersionsAnswer,
): ('approve' | 'reject' | 'activate')[] {
  if (status === 'active') return []
  if (status === 'retired' || status === 'approved')
    return status === 'approved' ? ['activate', 'reject'] : ['activate']
  if (approval === 'none') return status === 'proposed' ? ['activate', 'reject'] : []
  const approving = authors.includes(user) ? [] : (['approve'] as const)
  return status === 'proposed' ? [...approving, 'reject'] : [...approving]
}
