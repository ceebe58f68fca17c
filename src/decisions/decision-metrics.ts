// What a process that decides tells of itself as metrics.
import { type MetricFamily, MetricValues } from '../metrics/metric-values.ts'
import { setProcessMetrics } from '../metrics/process-metrics.ts'
import type { Decider } from './decider.ts'
import type { DecidedRecord, DecisionLedger } from './decision-ledger.ts'
import type { Share } from './decision-share.ts'
import type { RequestKeys } from './request-keys.ts'

export class DecisionMetrics {
  readonly #values = new MetricValues()
  readonly #keys: RequestKeys
  #decider: Decider | null = null
  #ledger: DecisionLedger | null = null
  #share: Share | null = null

  constructor(version: string, keys: RequestKeys) {
    this.#keys = keys
    this.#values.set('assay_build_info', { version, engine: 'embedded', streams: 'decisions' }, 1)
    // A rate needs a first value.
    for (const decision of ['scored', 'refused']) this.#values.add('assay_decisions_total', { decision }, 0)
  }

  /** The process decides from now on. */
  opened(decider: Decider, ledger: DecisionLedger): void {
    this.#decider = decider
    this.#ledger = ledger
  }

  /** What of the topic is its own, and of how many processes it is one; null before its group says so. */
  get share(): Share | null {
    return this.#share
  }

  readonly onShare = (share: Share): void => {
    this.#share = share
  }

  readonly onPublished = (decided: readonly DecidedRecord[], nowMs: number): void => {
    for (const { decision, timestampMs } of decided) {
      this.#values.add('assay_decisions_total', { decision: decision.decision })
      // A clock that is ahead of this one is no negative wait.
      if (timestampMs !== null)
        this.#values.observe('assay_decision_latency_seconds', {}, Math.max(0, nowMs - timestampMs) / 1000)
    }
  }

  readonly onAnswer = (status: number): void => {
    this.#values.add('assay_decision_requests_total', { status: String(status) })
  }

  readonly onNotice = ({ code }: { readonly code: string }): void => {
    this.#values.add('assay_notices_total', { code })
  }

  families(): readonly MetricFamily[] {
    this.#values.set('assay_state_rows', {}, this.#decider?.rowCount ?? 0)
    this.#values.set('assay_state_bytes', {}, this.#decider?.bytes ?? 0)
    this.#values.set('assay_decision_keys', {}, this.#keys.count)
    this.#values.set('assay_decision_partitions', {}, this.#share?.partitions.length ?? 0)
    this.#values.set('assay_decision_processes', {}, this.#share?.memberCount ?? 0)
    this.#values.set('assay_decisions_awaited', {}, this.#ledger?.count ?? 0)
    setProcessMetrics(this.#values)
    return this.#values.families()
  }
}
