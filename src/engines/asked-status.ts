// How the streams of a lakehouse are: the process that holds their locks is asked, and where there is
// none, or none that answers, the tables tell.
import { type MetricsAddress, tokenOf } from '../metrics/token.ts'
import type { Lakehouse } from '../plan/index.ts'
import { leaseOf, streamLock } from './lock.ts'
import { type Holder, isGone, thisProcess } from './lock-holder.ts'
import { readAddress } from './run-address.ts'
import type { RunStatus } from './run-status.ts'
import { stoppedStatus } from './stopped-status.ts'

/** A process that is well answers at once. */
const answerMaxMs = 3_000

/** One status for each process, and one for all streams that have none. */
export async function askStatus(
  lakehouse: Lakehouse,
  deltaBasePath: string,
  metrics: MetricsAddress,
  nowMs: () => number,
): Promise<RunStatus[]> {
  const statuses: RunStatus[] = []
  const silent: { readonly stream: string; readonly holder: Holder | null }[] = []
  for (const stream of lakehouse.streams) {
    if (statuses.some(({ streams }) => streams.includes(stream))) continue
    const holder = await livingHolder(deltaBasePath, stream)
    const answer = holder === null ? null : await askHolder({ deltaBasePath, stream, holder, metrics })
    if (answer === null) silent.push({ stream, holder })
    else statuses.push(answer)
  }
  for (const [, group] of Map.groupBy(silent, ({ holder }) => holder?.owner ?? '')) {
    const { holder } = group[0]!
    const streams = group.map(({ stream }) => stream)
    statuses.push(await stoppedStatus({ lakehouse, deltaBasePath, streams, holder, nowMs: nowMs() }))
  }
  return statuses
}

/** Who holds the lock of the stream; null where nobody does, or its process can be seen to be gone. */
async function livingHolder(deltaBasePath: string, stream: string): Promise<Holder | null> {
  const holder = (await leaseOf(streamLock(deltaBasePath, stream)).look())?.holder ?? null
  return holder !== null && (await isGone(holder, await thisProcess())) ? null : holder
}

type Asked = {
  readonly deltaBasePath: string
  readonly stream: string
  readonly holder: Holder
  readonly metrics: MetricsAddress
}

/** null where the process does not answer, or another one does. */
async function askHolder({ deltaBasePath, stream, holder, metrics }: Asked): Promise<RunStatus | null> {
  const address = await readAddress(deltaBasePath, stream, metrics.host)
  if (address?.pid !== holder.pid) return null
  try {
    const token = await tokenOf(metrics.token)
    const response = await fetch(`${address.url}/status`, {
      headers: token === null ? {} : { authorization: `Bearer ${token}` },
      redirect: 'error', // Nobody else is told the token.
      signal: AbortSignal.timeout(answerMaxMs),
    })
    const status = (await response.json()) as RunStatus // Of this package, as its process says.
    const isOfHolder = status.writer?.pid === holder.pid && status.streams.includes(stream)
    if (!isOfHolder || status.deltaBasePath !== deltaBasePath) return null
    return { ...status, writer: { ...status.writer!, host: holder.host, since: holder.since } }
  } catch {
    return null // Another host has that address, or the process is paused: the tables tell.
  }
}
