// What may be done to a version of the rules, and by whom: each function gives the rows that say it, or fails
// with RULES_VERSION_REFUSED, which says why not.
import { LakehouseError } from '../errors/errors.ts'
import { type ExperimentPlan, experimentText, type RuleExperiment } from './experiment.ts'
import type { ApprovalPolicy, RuleVersion, Versions } from './rule-version.ts'
import { approvalMistake } from './rule-version.ts'
import type { VersionOrigin, VersionRow } from './version-row.ts'

/** Who acts: `role` is null for one who is no user of the users file. */
export type Actor = {
  readonly user: string
  readonly role: string | null
  readonly origin: VersionOrigin
}

/** A row that is not numbered yet. */
export type NewRow = Pick<
  VersionRow,
  'event' | 'version' | 'hash' | 'text' | 'reason' | 'user' | 'role' | 'origin'
>

export type ProposedText = { readonly text: string; readonly hash: string; readonly reason: string | null }

/** A text that is a version already stays that version. */
export function proposeVersion(
  versions: Versions,
  { text, hash, reason }: ProposedText,
  by: Actor,
): NewRow[] {
  const same = versions.all.find((one) => one.hash === hash)
  const isKnown = by.role !== null
  const isAuthor = same?.authors.some((one) => one.user === by.user && one.isKnown === isKnown) === true
  if (same !== undefined && isAuthor && same.status !== 'rejected' && by.origin !== 'file') return []
  const version = same?.version ?? (versions.all.at(-1)?.version ?? 0) + 1
  return [{ event: 'proposed', version, hash, text: same === undefined ? text : null, reason, ...by }]
}

export function approveVersion(
  versions: Versions,
  version: number,
  reason: string | null,
  by: Actor,
): NewRow[] {
  const found = versionAt(versions, version)
  if (found.status !== 'proposed' && found.status !== 'rejected') {
    throw refused(`version ${version} is ${found.status}: only what is proposed can be approved.`)
  }
  const mistake = by.role === null ? null : approvalMistake(found, by.user, by.role)
  if (mistake !== null) throw refused(`${mistake}. Somebody else has to approve it.`)
  return [eventOf('approved', found, reason, by)]
}

export function rejectVersion(
  versions: Versions,
  version: number,
  reason: string | null,
  by: Actor,
): NewRow[] {
  const found = versionAt(versions, version)
  if (found.status !== 'proposed' && found.status !== 'approved') {
    throw refused(`version ${version} is ${found.status}: only what is proposed or approved can be rejected.`)
  }
  const { experiment } = versions
  if (experiment?.candidateVersion === version)
    throw refused(`experiment ${experiment.name} tries version ${version}: stop it first.`)
  return [eventOf('rejected', found, reason, by)]
}

/** What happened to a version whose text is known. */
function eventOf(
  event: NewRow['event'],
  { version, hash }: Pick<NewRow, 'version' | 'hash'>,
  reason: string | null,
  by: Actor,
): NewRow {
  return { event, version, hash, text: null, reason, ...by }
}

/** The version may decide for customers: for all of them, or for those of an experiment. */
function refuseUnapproved(
  { version, status, approvedBy, activatedAtMicros }: RuleVersion,
  policy: ApprovalPolicy,
): void {
  if (policy.kind === 'other_person' && approvedBy === null && activatedAtMicros === null) {
    throw refused(
      `version ${version} is not approved: "assay rules approve ${version}", by another user than its author.`,
    )
  }
  if (status === 'rejected') throw refused(`version ${version} was rejected: propose it again first.`)
}

/** One that is active already stays so, and nothing is written. */
export function activateVersion(
  versions: Versions,
  version: number,
  reason: string | null,
  by: Actor,
  policy: ApprovalPolicy,
): NewRow[] {
  const found = versionAt(versions, version)
  if (found.status === 'active') return []
  refuseUnapproved(found, policy)
  return activation(versions, found, reason, by)
}

/** The version that was active before is active again. */
export function rollBack(versions: Versions, reason: string | null, by: Actor): NewRow[] {
  if (versions.before === null)
    throw refused('no other version was active before: there is nothing to go back to.')
  return activation(versions, versions.before, reason, by)
}

/** The version is asked of every transaction, and decides nothing. One that is asked already stays so. */
export function shadowVersion(
  versions: Versions,
  version: number,
  reason: string | null,
  by: Actor,
): NewRow[] {
  const found = versionAt(versions, version)
  if (found.status === 'active')
    throw refused(`version ${version} is active: its rows are those that decide.`)
  if (found.status === 'rejected') throw refused(`version ${version} was rejected: propose it again first.`)
  if (found.shadowSinceMicros !== null) return []
  return [eventOf('shadowed', found, reason, by)]
}

/** What the version said stays. */
export function unshadowVersion(
  versions: Versions,
  version: number,
  reason: string | null,
  by: Actor,
): NewRow[] {
  const found = versionAt(versions, version)
  if (found.shadowSinceMicros === null) return []
  return [eventOf('unshadowed', found, reason, by)]
}

/** The candidate decides for a share of the customers; `plan` says which. */
export function startExperiment(
  versions: Versions,
  { candidate, ...plan }: ExperimentPlan & { readonly candidate: number },
  reason: string | null,
  by: Actor,
  policy: ApprovalPolicy,
): NewRow[] {
  const { experiment, experiments, active } = versions
  const { version, hash } = versionAt(versions, candidate)
  if (active === null) throw refused('no version decides yet: the first run makes the rules of the file one.')
  if (experiment !== null)
    throw refused(`experiment ${experiment.name} goes on: stop it or promote its version first.`)
  if (experiments.some(({ name }) => name === plan.name)) {
    throw refused(`there was an experiment ${plan.name}: another name puts the customers into other arms.`)
  }
  if (version === active.version) throw refused(`version ${version} is active: it decides for all customers.`)
  refuseUnapproved(versionAt(versions, candidate), policy)
  return [{ event: 'experiment_started', version, hash, text: experimentText(plan), reason, ...by }]
}

/** The active version decides for all customers again. */
export function stopExperiment(versions: Versions, name: string, reason: string | null, by: Actor): NewRow[] {
  const { candidateVersion } = runningExperiment(versions, name)
  return [eventOf('experiment_stopped', versionAt(versions, candidateVersion), reason, by)]
}

/** The candidate decides for all customers. */
export function promoteExperiment(
  versions: Versions,
  name: string,
  reason: string | null,
  by: Actor,
): NewRow[] {
  const { candidateVersion } = runningExperiment(versions, name)
  return activation(versions, versionAt(versions, candidateVersion), reason, by)
}

function runningExperiment({ experiment }: Versions, name: string): RuleExperiment {
  if (experiment?.name === name) return experiment
  throw refused(
    experiment === null ? 'no experiment goes on.' : `the experiment that goes on is ${experiment.name}.`,
  )
}

/** Takes in what was written before approval was asked for. */
export function sealVersions({ all, active, isSealed }: Versions, by: Actor): NewRow[] {
  const last = active ?? all.at(-1)
  if (isSealed || last === undefined) return []
  return [{ event: 'sealed', version: last.version, hash: null, text: null, reason: null, ...by }]
}

/** Takes in all that there is: an admin has looked at it. */
export function sealAnew({ all, active }: Versions, reason: string | null, by: Actor): NewRow[] {
  const last = active ?? all.at(-1)
  if (last === undefined) throw refused('there is no version that could be sealed.')
  return [{ event: 'sealed', version: last.version, hash: null, text: null, reason, ...by }]
}

/** What a start makes of the file of rules as it is now; nothing where the last start saw it as it is. */
export function takeFile(
  versions: Versions,
  file: Pick<ProposedText, 'text' | 'hash'>,
  by: Omit<Actor, 'origin'>,
  policy: ApprovalPolicy,
): NewRow[] {
  if (versions.fileHash === file.hash) return []
  const actor = { ...by, origin: 'file' } as const
  const proposed = proposeVersion(versions, { ...file, reason: null }, actor)
  const [{ version, hash }] = proposed as [NewRow]
  const isFirst = versions.active === null
  const isActive = versions.active?.version === version
  if (isActive || (policy.kind === 'other_person' && !isFirst)) return proposed
  return [...proposed, ...activation(versions, { version, hash }, null, actor)]
}

function activation(
  { active }: Versions,
  version: Pick<NewRow, 'version' | 'hash'>,
  reason: string | null,
  by: Actor,
): NewRow[] {
  const activated = eventOf('activated', version, reason, by)
  return active === null ? [activated] : [eventOf('retired', active, reason, by), activated]
}

function versionAt({ all }: Versions, version: number): RuleVersion {
  const found = all.find((one) => one.version === version)
  if (found !== undefined) return found
  const known = all.length === 0 ? 'there is none' : `there is ${all.map((one) => one.version).join(', ')}`
  throw refused(`there is no version ${version}; ${known}.`)
}

function refused(message: string): LakehouseError {
  return new LakehouseError('RULES_VERSION_REFUSED', message)
}
