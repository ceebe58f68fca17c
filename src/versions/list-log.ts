// rules/lists read and written: what is added to the lists of the rules, and which rules are snoozed for
// whom.
import { LakehouseError } from '../errors/errors.ts'
import {
  ruleListsAppId as appId,
  ruleListsDefinition as definition,
  ruleListsPath as path,
} from '../ops/rule-lists.ts'
import type { AddedToRules, CountedTime } from '../plan/index.ts'
import type { Actor } from './change-versions.ts'
import { logVersion, type ReadCells, type SequencedLogTable, withSequencedLog } from './sequenced-log.ts'

const table: SequencedLogTable = { path, definition, appId }

/** Entries of one list, and snoozes, that count at once. */
const addedMax = 10_000

/** What one row says of: an element of a list, or a person for whom a rule is snoozed. */
export type Addition = {
  /** null in a snooze. */
  readonly list: string | null
  /** null in an element of a list. */
  readonly rule: string | null
  readonly value: string
  /** It counts in batches before; null: in all. */
  readonly untilMicros: bigint | null
  readonly note: string | null
  readonly user: string
  readonly atMicros: bigint
  /** When it was taken back; null where it stands. */
  readonly removedAtMicros: bigint | null
}

export function listLogVersion(deltaBasePath: string): Promise<bigint | null> {
  return logVersion(deltaBasePath, table)
}

/** All that ever were added, in the order in which they were. */
export async function readAdditions(deltaBasePath: string): Promise<readonly Addition[]> {
  if ((await listLogVersion(deltaBasePath)) === null) return []
  return await withSequencedLog(deltaBasePath, table, async (log) => additionsOf(await log.read()))
}

/** Those that stand, and whose end has not come. */
export function standing(additions: readonly Addition[], nowMicros: bigint): readonly Addition[] {
  return additions.filter(({ removedAtMicros, untilMicros }) => {
    return removedAtMicros === null && (untilMicros === null || untilMicros > nowMicros)
  })
}

/** What counts from the next batch on, of those that stand. */
export function addedFrom(additions: readonly Addition[]): AddedToRules {
  return addedBy(additions, ({ untilMicros }) => ({ untilMicros }))
}

/** What counted in batches that were, of all that ever were added. */
export function addedBefore(additions: readonly Addition[]): AddedToRules {
  return addedBy(additions, ({ atMicros, untilMicros, removedAtMicros }) => {
    const [end, back] = [untilMicros, removedAtMicros]
    const isBack = back !== null && (end === null || back < end)
    return { sinceMicros: atMicros, untilMicros: isBack ? back : end }
  })
}

function addedBy(additions: readonly Addition[], timesOf: (addition: Addition) => CountedTime): AddedToRules {
  return {
    entries: additions.flatMap((one) => {
      return one.list === null ? [] : [{ list: one.list, value: one.value, ...timesOf(one) }]
    }),
    snoozes: additions.flatMap((one) => {
      return one.rule === null ? [] : [{ rule: one.rule, person: one.value, ...timesOf(one) }]
    }),
  }
}

export type ListChange = Pick<Addition, 'list' | 'rule' | 'value' | 'untilMicros' | 'note'> & {
  readonly event: 'added' | 'removed'
}

/** Fails with RULES_VERSION_REFUSED where nothing is there to be removed, or too much is there already. */
export async function changeLists(
  deltaBasePath: string,
  change: ListChange,
  { user, role }: Actor,
  nowMicros: bigint,
): Promise<void> {
  await withSequencedLog(deltaBasePath, table, (log) =>
    log.change((rows, next) => {
      const there = standing(additionsOf(rows), nowMicros)
      const isIt = ({ list, rule, value }: Addition): boolean =>
        list === change.list && rule === change.rule && value === change.value
      if (change.event === 'removed' && !there.some(isIt)) {
        throw new LakehouseError(
          'RULES_VERSION_REFUSED',
          `${JSON.stringify(change.value)} was not added: "assay rules entries" shows what was.`,
        )
      }
      if (change.event === 'added' && there.length >= addedMax) {
        const message = `${path} has ${there.length} entries that count, and ${addedMax} may: remove some, or make a version of them.`
        throw new LakehouseError('RULES_VERSION_REFUSED', message)
      }
      const { untilMicros: until, ...more } = change
      return [{ ...more, until, sequence: next, user, role, at: nowMicros }]
    }),
  )
}

/** A later row of the same value takes the place of an earlier one. */
function additionsOf(rows: readonly ReadCells[]): Addition[] {
  const all: { -readonly [K in keyof Addition]: Addition[K] }[] = []
  for (const row of rows) {
    const { list = null, rule = null, value } = row
    const atMicros = BigInt(row.at ?? 0)
    const before = all.findLast((one) => {
      return one.list === list && one.rule === rule && one.value === value && one.removedAtMicros === null
    })
    if (before !== undefined) before.removedAtMicros = atMicros
    if (row.event !== 'added' || value == null) continue
    const untilMicros = row.until == null ? null : BigInt(row.until)
    const { note = null, user } = row
    all.push({ list, rule, value, untilMicros, note, user: user ?? '', atMicros, removedAtMicros: null })
  }
  return all
}
