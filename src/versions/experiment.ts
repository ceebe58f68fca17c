// Experiments as the rows of rules/versions tell them: one starts with a row of its own, and ends with
// another one, or with whatever version becomes active then.
import type { VersionRow } from './version-row.ts'

export type RuleExperiment = {
  readonly name: string
  /** Of the customers, the share that the candidate decides for. */
  readonly share: number
  /** The column that names the customer. */
  readonly by: string
  readonly candidateVersion: number
  /** The version that decides for the others. */
  readonly controlVersion: number
  readonly startedAtMicros: bigint
  readonly startedBy: string
  readonly reason: string | null
  readonly status: 'running' | 'stopped' | 'promoted' | 'ended by another version'
  /** null while it goes on. */
  readonly endedAtMicros: bigint | null
}

export type ExperimentPlan = Pick<RuleExperiment, 'name' | 'share' | 'by'>

/** What a name of an experiment looks like: it is part of what is hashed, and of commands. */
export const experimentName = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/

export function experimentText({ name, share, by }: ExperimentPlan): string {
  return JSON.stringify({ name, share, by })
}

/** Why the text says no experiment, or what it says. */
export function readExperiment(text: string | null): ExperimentPlan | string {
  const given = parsed(text)
  if (typeof given !== 'object' || given === null) return 'it says no experiment'
  const { name, share, by } = given as Readonly<Record<string, unknown>>
  if (typeof name !== 'string' || !experimentName.test(name)) return 'its experiment has no name'
  if (typeof share !== 'number' || share <= 0 || share >= 1) return 'its share is not between 0 and 1'
  return typeof by === 'string' ? { name, share, by } : 'it names no column of customers'
}

function parsed(text: string | null): unknown {
  try {
    return JSON.parse(text ?? '')
  } catch {
    return null
  }
}

/** Experiments in the order in which they started; the last one may go on. */
export class ExperimentFold {
  readonly #all: RuleExperiment[] = []

  get running(): RuleExperiment | null {
    const last = this.#all.at(-1)
    return last?.status === 'running' ? last : null
  }

  get all(): readonly RuleExperiment[] {
    return this.#all
  }

  /** Why the row counts for nothing; null where it counts. */
  start({ version, text, user, reason, atMicros }: VersionRow, active: number | null): string | null {
    const plan = readExperiment(text)
    if (typeof plan === 'string') return plan
    if (this.running !== null) return `experiment ${this.running.name} goes on`
    if (this.#all.some(({ name }) => name === plan.name)) return `experiment ${plan.name} has been there`
    if (active === null) return 'no version decides yet'
    if (version === active) return `version ${version} decides for all customers`
    this.#all.push({
      ...plan,
      ...{ candidateVersion: version, controlVersion: active, startedBy: user, reason },
      ...{ startedAtMicros: atMicros, status: 'running', endedAtMicros: null },
    })
    return null
  }

  stop({ version, atMicros }: VersionRow): string | null {
    if (this.running?.candidateVersion !== version) return `no experiment with version ${version} goes on`
    this.#end('stopped', atMicros)
    return null
  }

  /** Two versions are compared: whichever becomes active, it decides for all. */
  activated({ version, atMicros }: VersionRow): void {
    if (this.running === null) return
    const isCandidate = this.running.candidateVersion === version
    this.#end(isCandidate ? 'promoted' : 'ended by another version', atMicros)
  }

  #end(status: RuleExperiment['status'], endedAtMicros: bigint): void {
    this.#all.push({ ...this.#all.pop()!, status, endedAtMicros })
  }
}
