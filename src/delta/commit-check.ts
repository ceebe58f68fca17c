// Whether a commit is whole. A file that was cut at the end of a line is JSON line by line; what its writer
// says of it tells that lines are missing. docs/decisions/damaged-commits.md says who is taken at his word.
import { counted } from '../errors/counted.ts'
import { LakehouseError } from '../errors/errors.ts'
import { type DeltaCommit, engineInfo, sumRecords } from './actions.ts'

/** The lines of a commit file by kind, as far as the commit itself does not keep them. */
export type LineCounts = { readonly actions: number; readonly cdcs: number }

/** Fails with DELTA_LOG_CORRUPT where lines of the commit are missing. */
export function checkWhole(commit: DeltaCommit, counts: LineCounts, where: string): void {
  const damage = counts.actions === 0 ? 'the file is empty' : damageOf(commit, counts)
  if (damage === null) return
  const message = `${where}: ${damage}. The file was cut off or damaged: restore it from a backup.`
  throw new LakehouseError('DELTA_LOG_CORRUPT', message, { details: { file: where } })
}

function damageOf(commit: DeltaCommit, counts: LineCounts): string | null {
  const engine = String(commit.commitInfo?.engineInfo ?? '')
  if (engine === engineInfo) return differsFromOurs(commit, counts)
  const isKnown = engine.startsWith('Apache-Spark/') || engine.startsWith('delta-rs')
  return isKnown ? lacksOfTheirs(commit, counts) : null
}

/** Our own figures are exact. Commits of versions before 0.2 have no count of their actions. */
function differsFromOurs(commit: DeltaCommit, { actions }: LineCounts): string | null {
  const promised = commit.commitInfo?.actionCount
  // commitInfo itself is not counted.
  if (typeof promised === 'number' && promised !== actions - 1)
    return differs(promised, 'action', actions - 1)
  const said = saidOf(commit)
  if (said.adds !== null && said.adds !== commit.adds.length)
    return differs(said.adds, 'added file', commit.adds.length)
  if (said.removes !== null && said.removes !== commit.removes.length)
    return differs(said.removes, 'removed file', commit.removes.length)
  const rows = rowCount(commit)
  return said.rows === null || rows === null || said.rows === rows ? null : differs(said.rows, 'row', rows)
}

/**
 * Others have commits with more than they say (files of the change data feed), and Spark counts files without
 * rows, which it leaves out of the commit. Less, with rows, is damage.
 */
function lacksOfTheirs(commit: DeltaCommit, { cdcs }: LineCounts): string | null {
  const { adds, removes } = commit
  const said = saidOf(commit)
  const rows = rowCount(commit)
  const hasAllRows = said.rows !== null && rows !== null && rows >= said.rows
  if (said.adds !== null && adds.length + cdcs < said.adds && !hasAllRows)
    return differs(said.adds, 'added file', adds.length + cdcs)
  if (said.removes !== null && removes.length < said.removes)
    return differs(said.removes, 'removed file', removes.length)
  // What is copied or kept for the change data feed is in some counts of rows and not in others.
  const isAppend = said.isPlainWrite && removes.length === 0 && cdcs === 0
  return isAppend && said.rows !== null && rows !== null && rows < said.rows
    ? differs(said.rows, 'row', rows)
    : null
}

function differs(promised: number, what: string, found: number): string {
  return `its commitInfo says ${counted(promised, what)}, the file has ${found}`
}

/** What commitInfo says of the actions of its commit; null where it does not. */
type Said = {
  readonly adds: number | null
  readonly removes: number | null
  readonly rows: number | null
  readonly isPlainWrite: boolean
}

const addNames = [
  ...['numfiles', 'numaddedfiles', 'numfilesadded', 'numtargetfilesadded'],
  ...['numrestoredfiles', 'numrestoredfile'],
]
const removeNames = ['numremovedfiles', 'numremovedfile', 'numfilesremoved', 'numtargetfilesremoved']
const rowNames = ['numoutputrows', 'numaddedrows']
/** In the others, rows are counted by accumulators, which count a repeated task twice. */
const plainWrites = ['WRITE', 'STREAMING UPDATE']

/** Spark writes `"numAddedFiles": "1"`, delta-rs `"num_added_files": 1`. */
function saidOf({ commitInfo }: DeltaCommit): Said {
  const metrics = commitInfo?.operationMetrics
  const entries = typeof metrics === 'object' && metrics !== null ? Object.entries(metrics) : []
  const figures = new Map(entries.map(([name, value]) => [name.replaceAll('_', '').toLowerCase(), value]))
  const figure = (names: readonly string[]): number | null => {
    const text = String(names.map((name) => figures.get(name)).find((value) => value !== undefined))
    return /^\d{1,15}$/.test(text) ? Number(text) : null
  }
  return {
    adds: figure(addNames),
    removes: figure(removeNames),
    rows: figure(rowNames),
    isPlainWrite: plainWrites.includes(String(commitInfo?.operation)),
  }
}

/** null where a file has no statistics. */
function rowCount({ adds }: DeltaCommit): number | null {
  const sum = sumRecords(adds)
  return sum === null ? null : Number(sum)
}
