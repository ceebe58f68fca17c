// Relations of a batch that the server computes once and holds, until the batch is over.
import type { SharedStatement } from '../../sql/index.ts'
import { type Inputs, inputsNamed, type Relation, sqlRelation } from './connect/relations.ts'
import type { CallOptions, HeldRelation, SparkSession } from './connect/session.ts'

export class HeldRows {
  readonly #session: SparkSession
  readonly #callOf: (what: string) => CallOptions
  readonly #held = new Map<HeldRelation, string>()

  constructor(session: SparkSession, callOf: (what: string) => CallOptions) {
    this.#session = session
    this.#callOf = callOf
  }

  async hold(name: string, relation: Relation): Promise<Relation> {
    const what = `${name} could not be computed`
    const held = await this.#session.checkpoint(relation, this.#callOf(what))
    this.#held.set(held, name)
    return held.relation
  }

  /** The shared relations of a statement, by name; at once where they do not read one another. */
  async holdShared(shared: readonly SharedStatement[], inputs: Inputs): Promise<Inputs> {
    const held = new Map<string, Promise<Relation>>()
    for (const { name, sql, reads } of shared) {
      const computed = async (): Promise<Relation> => {
        const given: Record<string, Relation> = { ...inputs }
        for (const one of reads) {
          const before = held.get(one)
          if (before !== undefined) given[one] = await before
        }
        return await this.hold(name, sqlRelation(sql, inputsNamed(reads, given)))
      }
      held.set(name, computed())
    }
    // All of them: what is under way when one fails would be held for as long as the session lives.
    const outcomes = await Promise.allSettled(held.values())
    const failed = outcomes.find((outcome) => outcome.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    const relations: Record<string, Relation> = {}
    for (const [name, relation] of held) relations[name] = await relation
    return relations
  }

  /** Lets go of all but the relation of that name. */
  async dropOthers(kept: string | null): Promise<void> {
    for (const [held, name] of this.#held) {
      if (name === kept) continue
      this.#held.delete(held)
      // A session that is gone holds nothing any more.
      await held.drop(this.#callOf(`${name} could not be dropped`)).catch(() => undefined)
    }
  }
}
