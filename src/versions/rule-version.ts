// What the rows of rules/versions say together: which versions there are, what became of each, and which one
// is active. Pure: rows in, a value out.
import { createHash } from 'node:crypto'
import { storedText } from '../plan/index.ts'
import type { RuleSet } from '../rules/index.ts'
import type { Anchor, Anchors } from './anchor.ts'
import { ExperimentFold, type RuleExperiment } from './experiment.ts'
import { isSealOf, linkOf } from './seal.ts'
import type { VersionRow } from './version-row.ts'

export type VersionStatus = 'proposed' | 'approved' | 'rejected' | 'active' | 'retired'

export type RuleVersion = {
  readonly version: number
  readonly hash: string
  readonly text: string
  readonly status: VersionStatus
  /** Users of the users file who proposed it, and whoever else did. */
  readonly authors: readonly { readonly user: string; readonly isKnown: boolean }[]
  readonly proposedAtMicros: bigint
  readonly reason: string | null
  readonly approvedBy: string | null
  /** The last time that it became active; null where it never did. */
  readonly activatedAtMicros: bigint | null
  /** Since when it is asked of every transaction, beside the version that decides; null where it is not. */
  readonly shadowSinceMicros: bigint | null
}

/** A row that counts for nothing, and why. */
export type IgnoredRow = { readonly sequence: bigint; readonly why: string }

export type Versions = {
  /** In the order of their numbers. */
  readonly all: readonly RuleVersion[]
  readonly active: RuleVersion | null
  /** The one that was active before it: where a rollback goes. */
  readonly before: RuleVersion | null
  /** In the order in which they started. */
  readonly experiments: readonly RuleExperiment[]
  /** The experiment that goes on. */
  readonly experiment: RuleExperiment | null
  /** False where no version ever was a shadow. */
  readonly hasShadows: boolean
  /** What the file of rules said when a start last looked at it; null where none did. */
  readonly fileHash: string | null
  readonly ignored: readonly IgnoredRow[]
  /** What the seal of the next row is over. */
  readonly link: string
  readonly isSealed: boolean
  /** The last row whose seal is right. */
  readonly sealedTo: Anchor | null
  /** Why the rows are not those that were sealed; null where they are. */
  readonly broken: string | null
}

/** How changes of rules come into force: `none` asks nobody, `other_person` asks for another user. */
export type ApprovalPolicy =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'other_person'
      readonly key: Buffer
      /** Absent: how far the rows were sealed is not remembered. */
      readonly anchors?: Anchors
    }

/** The first 16 hexadecimal digits of SHA-256 over what the rules say: neither comments nor layout count. */
export function contentHash({ rules, levels, reviewFrom, lists, model }: RuleSet): string {
  const said = rules.map(({ name, points, meaning, when, says }) => ({ name, points, meaning, when, says }))
  const text = storedText({
    rules: said,
    levels,
    reviewFrom,
    lists,
    ...(model === null ? {} : { model: model.score }),
  })
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}

type Known = { -readonly [K in keyof Omit<RuleVersion, 'status'>]: RuleVersion[K] } & { isRejected: boolean }

/**
 * `rows` in the order of their numbers. With approval asked for, a row counts where its seal is right, or a
 * right seal behind it takes it in; and what is not allowed counts for nothing, whoever wrote it. `anchor`: how
 * far they were sealed when they were last looked at.
 */
export function versionsOf(
  rows: readonly VersionRow[],
  policy: ApprovalPolicy,
  anchor: Anchor | null = null,
): Versions {
  const key = policy.kind === 'other_person' ? policy.key : null
  const links = linksOf(rows)
  const isRight = rows.map(({ seal }, index) => key !== null && isSealOf(seal, key, links[index]!))
  const isTakenIn = rows.map(({ event }, index) => event === 'sealed' && isRight[index]!)
  // What was written before approval was asked for, or before an admin has sealed it anew, is not judged.
  const judgedFrom = Math.max(isTakenIn.lastIndexOf(true), isRight.indexOf(true))
  const fold = new Fold()
  const ignored: IgnoredRow[] = []
  for (const [index, row] of rows.entries()) {
    const { sequence } = row
    const expected = (rows[index - 1]?.sequence ?? 0n) + 1n
    if (sequence !== expected) ignored.push({ sequence, why: `row ${expected} is missing before it` })
    const isJudged = judgedFrom >= 0 && index >= judgedFrom
    const why = isJudged && !isRight[index]! ? 'it has no seal of Assay' : fold.take(row, isJudged)
    if (why !== null) ignored.push({ sequence, why })
  }
  const last = isRight.lastIndexOf(true)
  return {
    ...fold.versions(),
    ...{ ignored, link: links.at(-1) ?? '', isSealed: judgedFrom >= 0 },
    sealedTo: last < 0 ? null : { sequence: rows[last]!.sequence, link: links[last]! },
    broken: key === null ? null : brokenBy(rows, links, last >= 0, anchor),
  }
}

/** Why the rows are not those that were sealed; null where they are. */
function brokenBy(
  rows: readonly VersionRow[],
  links: readonly string[],
  hasRight: boolean,
  anchor: Anchor | null,
): string | null {
  if (anchor !== null) {
    const at = rows.findIndex(({ sequence }) => sequence === anchor.sequence)
    const isThere = at >= 0 && links[at] === anchor.link
    return isThere ? null : `a row up to ${anchor.sequence} was altered or removed after it was sealed`
  }
  const isOfOther = !hasRight && rows.some(({ seal }) => seal !== null)
  return isOfOther ? 'its rows have seals, and RULES_KEY_FILE is not the key of any of them' : null
}

function linksOf(rows: readonly VersionRow[]): string[] {
  const links: string[] = []
  for (const row of rows) links.push(linkOf(links.at(-1) ?? '', row))
  return links
}

class Fold {
  readonly #all = new Map<number, Known>()
  readonly #activated: number[] = []
  readonly #experiments = new ExperimentFold()
  #hasShadows = false
  #fileHash: string | null = null

  /** Why the row counts for nothing; null where it counts. `isJudged`: approval was asked for by then. */
  take(row: VersionRow, isJudged: boolean): string | null {
    const { event, version, hash, origin } = row
    if (origin === 'file' && hash !== null) this.#fileHash = hash
    if (event === 'sealed') return null
    if (event === 'proposed') return this.#propose(row)
    const known = this.#all.get(version)
    if (known === undefined) return `there is no version ${version}`
    const why = isJudged ? this.#whyNot(row, known) : null
    if (why !== null) return why
    if (event === 'experiment_started') return this.#experiments.start(row, this.#activated.at(-1) ?? null)
    if (event === 'experiment_stopped') return this.#experiments.stop(row)
    if (event === 'shadowed') return this.#shadow(row, known)
    // A version that decides, or may not, has nothing to show beside the one that does.
    known.shadowSinceMicros = event === 'approved' ? known.shadowSinceMicros : null
    if (event === 'activated') {
      this.#experiments.activated(row)
      known.activatedAtMicros = row.atMicros
      this.#activated.push(version)
    }
    if (event === 'approved') known.approvedBy = row.user
    if (event === 'rejected') known.approvedBy = null
    if (event === 'rejected' || event === 'approved') known.isRejected = event === 'rejected'
    return null
  }

  #shadow({ version, atMicros }: VersionRow, known: Known): string | null {
    if (version === this.#activated.at(-1)) return `version ${version} decides`
    if (known.isRejected) return `version ${version} was rejected`
    known.shadowSinceMicros ??= atMicros
    this.#hasShadows = true
    return null
  }

  #propose({ version, hash, text, user, role, atMicros, reason }: VersionRow): string | null {
    const author = { user, isKnown: role !== null }
    const known = this.#all.get(version)
    if (known !== undefined) {
      if (known.hash !== hash) return `version ${version} is another text`
      known.authors = [...known.authors, author]
      known.isRejected = false
      return null
    }
    if (hash === null || text === null) return 'it has no text'
    this.#all.set(version, {
      ...{ version, hash, text, reason, isRejected: false, authors: [author] },
      ...{ proposedAtMicros: atMicros, approvedBy: null, activatedAtMicros: null, shadowSinceMicros: null },
    })
    return null
  }

  /** Why the event is not allowed; null where it is. */
  #whyNot({ event, user, role }: VersionRow, known: Known): string | null {
    if (event === 'approved') return approvalMistake(known, user, role)
    // The first version of all has nobody whose rules it could change.
    const isFirst = event === 'activated' && this.#activated.length === 0
    const decides = event === 'activated' || event === 'experiment_started'
    if (!decides || isFirst) return null
    if (known.isRejected) return `version ${known.version} was rejected`
    if (known.activatedAtMicros !== null) return null
    return known.approvedBy === null ? `version ${known.version} is not approved` : null
  }

  versions(): Omit<Versions, 'ignored' | 'link' | 'isSealed' | 'sealedTo' | 'broken'> {
    const active = this.#activated.at(-1) ?? null
    const all = [...this.#all.values()]
      .map((known) => versionOf(known, active))
      .toSorted((a, b) => a.version - b.version)
    const at = (version: number | null | undefined) => all.find((one) => one.version === version) ?? null
    return {
      all,
      active: at(active),
      before: at(this.#activated.findLast((version) => version !== active)),
      experiments: this.#experiments.all,
      experiment: this.#experiments.running,
      hasShadows: this.#hasShadows,
      fileHash: this.#fileHash,
    }
  }
}

function versionOf({ isRejected, ...known }: Known, active: number | null): RuleVersion {
  const { version, activatedAtMicros, approvedBy } = known
  if (version === active) return { ...known, status: 'active' }
  if (isRejected) return { ...known, status: 'rejected' }
  if (activatedAtMicros !== null) return { ...known, status: 'retired' }
  return { ...known, status: approvedBy === null ? 'proposed' : 'approved' }
}

/** Why this user cannot approve the version; null where nothing speaks against it. */
export function approvalMistake(
  { version, authors }: Pick<RuleVersion, 'version' | 'authors'>,
  user: string,
  role: string | null,
): string | null {
  if (role === null) return `${user} is no user of the users file`
  if (authors.some((author) => author.user === user)) return `${user} proposed version ${version}`
  if (!authors.some(({ isKnown }) => isKnown)) {
    return `nobody knows who proposed version ${version}: its author has to propose it with ASSAY_TOKEN`
  }
  return null
}
