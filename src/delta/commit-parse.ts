// A commit as its file has it: one JSON object a line.
import { LakehouseError } from '../errors/errors.ts'
import {
  type AddFile,
  type CommitInfo,
  type DeltaCommit,
  type Metadata,
  numberOr,
  objectOf,
  type Protocol,
  parseAdd,
  parseMetadata,
  parseProtocol,
  parseRemove,
  parseTxn,
  type RemoveFile,
  type Txn,
} from './actions.ts'
import { checkWhole } from './commit-check.ts'
import { parseExact } from './json.ts'

/** Fails with DELTA_LOG_CORRUPT where the text is not a whole commit; `where` is the path of its file. */
export function parseCommit(version: bigint, text: string, fileTimeMs: number, where: string): DeltaCommit {
  const adds: AddFile[] = []
  const removes: RemoveFile[] = []
  const txns: Txn[] = []
  let metadata: Metadata | null = null
  let protocol: Protocol | null = null
  let commitInfo: CommitInfo | null = null
  const counts = { actions: 0, cdcs: 0 }
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue
    const action = objectOf(parseLine(line, where), where)
    counts.actions += 1
    if (action.add) adds.push(parseAdd(objectOf(action.add, where), where))
    else if (action.remove) removes.push(parseRemove(objectOf(action.remove, where), where))
    else if (action.txn) txns.push(parseTxn(objectOf(action.txn, where), where))
    else if (action.metaData) metadata = parseMetadata(objectOf(action.metaData, where), where)
    else if (action.protocol) protocol = parseProtocol(objectOf(action.protocol, where), where)
    else if (action.commitInfo) commitInfo = objectOf(action.commitInfo, where)
    else if (action.cdc) counts.cdcs += 1
    // cdc, domainMetadata and actions of later protocols do not change which rows the table has.
  }
  const timestamp = numberOr(commitInfo?.inCommitTimestamp ?? commitInfo?.timestamp, fileTimeMs)
  const dataChange = adds.some((file) => file.dataChange) || removes.some((file) => file.dataChange)
  const commit = { version, timestamp, adds, removes, dataChange, txns, metadata, protocol, commitInfo }
  checkWhole(commit, counts, where)
  return commit
}

function parseLine(line: string, where: string): unknown {
  try {
    return parseExact(line)
  } catch (cause) {
    const advice = 'The file is damaged: restore it from a backup.'
    throw new LakehouseError('DELTA_LOG_CORRUPT', `${where}: a line is not JSON. ${advice}`, { cause })
  }
}
