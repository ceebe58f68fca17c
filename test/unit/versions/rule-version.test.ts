// What the rows of rules/versions say together: who may do what, and what counts for nothing.
import { describe, expect, test } from 'vitest'
import { LakehouseError } from '../../../src/errors/errors.ts'
import {
  type Actor,
  activateVersion,
  approveVersion,
  type NewRow,
  proposeVersion,
  rejectVersion,
  rollBack,
  sealAnew,
  shadowVersion,
  takeFile,
  unshadowVersion,
} from '../../../src/versions/change-versions.ts'
import { type ApprovalPolicy, versionsOf } from '../../../src/versions/rule-version.ts'
import { linkOf, sealOf } from '../../../src/versions/seal.ts'
import type { VersionRow } from '../../../src/versions/version-row.ts'

const none: ApprovalPolicy = { kind: 'none' }
const asked: ApprovalPolicy = { kind: 'other_person', key: Buffer.alloc(32, 7) }
const ann: Actor = { user: 'ann', role: 'analyst', origin: 'command line' }
const bob: Actor = { user: 'bob', role: 'approver', origin: 'dashboard' }
const machine: Actor = { user: 'deploy', role: null, origin: 'command line' }
const text = (hash: string) => ({ text: `text of ${hash}`, hash, reason: null })

/** A log in memory, sealed as a process with the key seals it. */
class Log {
  readonly rows: VersionRow[] = []
  readonly policy: ApprovalPolicy

  constructor(policy: ApprovalPolicy) {
    this.policy = policy
  }

  get versions() {
    return versionsOf(this.rows, this.policy)
  }

  get statuses() {
    return this.versions.all.map(({ version, status }) => `${version} ${status}`)
  }

  add(rows: readonly NewRow[]): this {
    for (const row of rows) {
      const sequence = BigInt(this.rows.length + 1)
      const numbered = { ...row, sequence, atMicros: sequence }
      const link = linkOf(this.versions.link, numbered)
      this.rows.push({
        ...numbered,
        seal: this.policy.kind === 'none' ? null : sealOf(this.policy.key, link),
      })
    }
    return this
  }
}

function refusal(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    expect(error).toBeInstanceOf(LakehouseError)
    expect((error as LakehouseError).code).toBe('RULES_VERSION_REFUSED')
    return (error as LakehouseError).message
  }
  throw new Error('nothing was refused')
}

describe('without approval', () => {
  test('the file of a first start is version 1 and active; a changed one is the next, an old one is itself again', () => {
    const log = new Log(none)
    const start = (hash: string) => log.add(takeFile(log.versions, text(hash), machine, none))
    expect(start('a').statuses).toEqual(['1 active'])
    expect(start('a').rows.length).toBe(2)
    expect(start('b').statuses).toEqual(['1 retired', '2 active'])
    expect(start('a').statuses).toEqual(['1 active', '2 retired'])
  })

  test('what a command activates stays active at the next start of an unchanged file', () => {
    const log = new Log(none).add(takeFile(versionsOf([], none), text('a'), machine, none))
    log.add(proposeVersion(log.versions, text('b'), machine))
    expect(log.statuses).toEqual(['1 active', '2 proposed'])
    log.add(activateVersion(log.versions, 2, null, machine, none))
    expect(log.add(takeFile(log.versions, text('a'), machine, none)).statuses).toEqual([
      '1 retired',
      '2 active',
    ])
    log.add(rollBack(log.versions, 'too many reviews', machine))
    expect(log.statuses).toEqual(['1 active', '2 retired'])
    expect(log.add(rollBack(log.versions, null, machine)).statuses).toEqual(['1 retired', '2 active'])
  })

  test('a text is proposed once; one that was rejected can be proposed anew', () => {
    const log = new Log(none).add(proposeVersion(versionsOf([], none), text('a'), ann))
    expect(proposeVersion(log.versions, text('a'), ann)).toEqual([])
    log.add(rejectVersion(log.versions, 1, 'no', bob))
    expect(refusal(() => activateVersion(log.versions, 1, null, bob, none))).toContain('was rejected')
    expect(log.add(proposeVersion(log.versions, text('a'), ann)).statuses).toEqual(['1 proposed'])
    expect(refusal(() => activateVersion(log.versions, 9, null, bob, none))).toContain('there is 1')
    expect(refusal(() => rollBack(log.versions, null, bob))).toContain('nothing to go back to')
  })
})

describe('shadows', () => {
  const shadows = (log: Log): number[] =>
    log.versions.all.flatMap((one) => (one.shadowSinceMicros === null ? [] : [one.version]))
  const begun = (policy: ApprovalPolicy): Log => {
    const log = new Log(policy).add(takeFile(versionsOf([], policy), text('a'), machine, policy))
    for (const hash of ['b', 'c']) log.add(proposeVersion(log.versions, text(hash), ann))
    return log
  }

  test('any number of versions are shadows, until they decide, are rejected, or are stopped', () => {
    const log = begun(none)
    expect(log.versions.hasShadows).toBe(false)
    log.add(shadowVersion(log.versions, 2, null, ann)).add(shadowVersion(log.versions, 3, null, ann))
    expect([shadows(log), log.statuses]).toEqual([
      [2, 3],
      ['1 active', '2 proposed', '3 proposed'],
    ])
    expect(shadowVersion(log.versions, 3, null, ann)).toEqual([])
    log.add(activateVersion(log.versions, 2, null, bob, none))
    expect(shadows(log)).toEqual([3])
    // The one that decided before may be asked on.
    expect(shadows(log.add(shadowVersion(log.versions, 1, null, bob)))).toEqual([1, 3])
    expect(shadows(log.add(rollBack(log.versions, null, bob)))).toEqual([3])
    expect(shadows(log.add(rejectVersion(log.versions, 3, null, bob)))).toEqual([])
    expect(refusal(() => shadowVersion(log.versions, 3, null, ann))).toContain('was rejected')
    expect(refusal(() => shadowVersion(log.versions, 1, null, ann))).toContain('is active')
    expect(refusal(() => shadowVersion(log.versions, 7, null, ann))).toContain('there is no version 7')
    log.add(shadowVersion(log.versions, 2, null, ann)).add(unshadowVersion(log.versions, 2, null, ann))
    expect([shadows(log), log.versions.hasShadows]).toEqual([[], true])
    expect(unshadowVersion(log.versions, 2, null, ann)).toEqual([])
  })

  test('where approval is asked for they need none, and a row that somebody wrote by hand starts nothing', () => {
    const log = begun(asked)
    expect(shadows(log.add(shadowVersion(log.versions, 2, null, ann)))).toEqual([2])
    expect(refusal(() => activateVersion(log.versions, 2, null, bob, asked))).toContain('not approved')
    const [row] = shadowVersion(log.versions, 3, null, ann)
    const sequence = BigInt(log.rows.length + 1)
    log.rows.push({ ...row!, sequence, atMicros: sequence, seal: null })
    expect(shadows(log)).toEqual([2])
    expect(log.versions.ignored.map(({ why }) => why)).toEqual(['it has no seal of Assay'])
  })
})

describe('with approval by another person', () => {
  const begun = (): Log => {
    const log = new Log(asked)
    return log.add(takeFile(log.versions, text('a'), machine, asked))
  }

  test('a changed file is proposed alone, and the active version runs on', () => {
    const log = begun()
    expect(log.statuses).toEqual(['1 active'])
    expect(log.add(takeFile(log.versions, text('b'), machine, asked)).statuses).toEqual([
      '1 active',
      '2 proposed',
    ])
    expect(log.add(takeFile(log.versions, text('b'), machine, asked)).rows.length).toBe(3)
    // Nobody knows who changed the file.
    expect(refusal(() => approveVersion(log.versions, 2, null, bob))).toContain('ASSAY_TOKEN')
    log.add(proposeVersion(log.versions, text('b'), ann))
    log
      .add(approveVersion(log.versions, 2, null, bob))
      .add(activateVersion(log.versions, 2, null, ann, asked))
    expect(log.statuses).toEqual(['1 retired', '2 active'])
  })

  test('nobody approves his own, and nothing is active without approval', () => {
    const log = begun().add(proposeVersion(begun().versions, text('b'), ann))
    expect(refusal(() => approveVersion(log.versions, 2, null, ann))).toContain('ann proposed version 2')
    expect(refusal(() => activateVersion(log.versions, 2, null, bob, asked))).toContain('not approved')
    // Written past the commands, with a right seal, it counts for nothing either.
    log.add([{ event: 'approved', version: 2, hash: 'b', text: null, reason: null, ...ann }])
    log.add([{ event: 'activated', version: 2, hash: 'b', text: null, reason: null, ...ann }])
    expect(log.statuses).toEqual(['1 active', '2 proposed'])
    expect(log.versions.ignored.map(({ why }) => why)).toEqual([
      'ann proposed version 2',
      'version 2 is not approved',
    ])
  })

  test('who proposes the text of another is its author too', () => {
    const log = begun().add(proposeVersion(begun().versions, text('b'), ann))
    log.add(proposeVersion(log.versions, text('b'), bob))
    expect(refusal(() => approveVersion(log.versions, 2, null, bob))).toContain('bob proposed')
  })

  const changes: Readonly<Record<string, (rows: VersionRow[]) => void>> = {
    'without a seal': (rows) => void rows.splice(-1, 1, { ...rows.at(-1)!, seal: null }),
    altered: (rows) => void rows.splice(2, 1, { ...rows[2]!, text: 'another text' }),
    removed: (rows) => void rows.splice(2, 1),
    moved: (rows) => void rows.splice(2, 2, rows[3]!, rows[2]!),
  }
  test.each(Object.keys(changes))(
    'rows that are %s count for nothing, and take those behind them along',
    (how) => {
      const log = begun().add(proposeVersion(begun().versions, text('b'), ann))
      log
        .add(approveVersion(log.versions, 2, null, bob))
        .add(activateVersion(log.versions, 2, null, bob, asked))
      expect(log.versions.active?.version).toBe(2)
      changes[how]!(log.rows)
      expect(log.versions.active?.version).toBe(1)
      expect(log.versions.ignored.length).toBeGreaterThan(0)
    },
  )

  const altered: Readonly<Record<string, (rows: VersionRow[]) => void>> = {
    'first row': (rows) => void rows.splice(0, 1, { ...rows[0]!, user: 'someone' }),
    'text of the first row': (rows) => void rows.splice(0, 1, { ...rows[0]!, text: 'evil' }),
    'row before all': (rows) => void rows.unshift({ ...rows[0]!, sequence: 0n }),
    'removed first row': (rows) => void rows.splice(0, 1),
    'removed last row': (rows) => void rows.pop(),
    'table that is empty': (rows) => void rows.splice(0),
  }
  test.each(Object.keys(altered))('behind an anchor, a changed log is broken: %s', (how) => {
    const log = begun().add(proposeVersion(begun().versions, text('b'), ann))
    const { sealedTo, broken } = log.versions
    expect(broken).toBe(null)
    expect(versionsOf(log.rows, asked, sealedTo).broken).toBe(null)
    altered[how]!(log.rows)
    expect(versionsOf(log.rows, asked, sealedTo).broken).toContain('was altered or removed')
  })

  test('with another key, rows that are sealed are broken; sealed anew they count, and what comes is judged', () => {
    const log = begun().add(proposeVersion(begun().versions, text('b'), ann))
    const other = new Log({ kind: 'other_person', key: Buffer.alloc(32, 8) })
    other.rows.push(...log.rows)
    expect(other.versions.broken).toContain('not the key')
    other.add(sealAnew(other.versions, 'the key was lost', { ...bob, role: 'admin' }))
    expect(other.versions.broken).toBe(null)
    expect(other.statuses).toEqual(['1 active', '2 proposed'])
    expect(refusal(() => approveVersion(other.versions, 2, null, ann))).toContain('ann proposed')
    other.rows.push({ ...other.rows[1]!, version: 2, sequence: BigInt(other.rows.length + 1), seal: null })
    expect(other.statuses).toEqual(['1 active', '2 proposed'])
  })

  test('a rejection takes the approval along, whoever proposes the text again', () => {
    const log = begun().add(proposeVersion(begun().versions, text('b'), ann))
    log.add(approveVersion(log.versions, 2, null, bob)).add(rejectVersion(log.versions, 2, null, bob))
    expect(log.add(proposeVersion(log.versions, text('b'), ann)).statuses).toEqual(['1 active', '2 proposed'])
    expect(refusal(() => activateVersion(log.versions, 2, null, ann, asked))).toContain('not approved')
  })

  test('who is named as an author without being known proposes it by a token, and then others approve it', () => {
    const log = begun().add(takeFile(begun().versions, text('b'), { user: 'ann', role: null }, asked))
    expect(refusal(() => approveVersion(log.versions, 2, null, bob))).toContain('ASSAY_TOKEN')
    log.add(proposeVersion(log.versions, text('b'), ann)).add(approveVersion(log.versions, 2, null, bob))
    expect(log.statuses).toEqual(['1 active', '2 approved'])
  })

  test('what was there before approval was asked for is taken in by the first seal, and not what comes after', () => {
    const before = new Log(none).add(takeFile(versionsOf([], none), text('a'), machine, none))
    before.add(takeFile(before.versions, text('b'), machine, none))
    const log = new Log(asked)
    log.rows.push(...before.rows)
    expect(log.versions.isSealed).toBe(false)
    expect(log.statuses).toEqual(['1 retired', '2 active'])
    log.add(proposeVersion(log.versions, text('c'), ann))
    expect(log.versions.isSealed).toBe(true)
    expect(log.statuses).toEqual(['1 retired', '2 active', '3 proposed'])
    // A rollback goes to what was active before.
    expect(log.add(rollBack(log.versions, null, bob)).statuses).toEqual([
      '1 active',
      '2 retired',
      '3 proposed',
    ])
    log.rows.push({ ...before.rows.at(-1)!, sequence: BigInt(log.rows.length + 1), seal: null })
    expect(log.versions.active?.version).toBe(1)
  })
})
