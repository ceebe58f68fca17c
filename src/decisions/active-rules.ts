// The rules that decide, where another version of them may become active meanwhile.
import type { Config } from '../config/config.ts'
import { versionedRules } from '../versions/configured-rules.ts'
import { listLogVersion } from '../versions/list-log.ts'
import { type DecidingRules, decidingRules, type RulesOfLakehouse } from '../versions/rules-in-force.ts'
import { versionLogVersion } from '../versions/version-log.ts'

export class ActiveRules {
  readonly #of: RulesOfLakehouse
  #logs: string

  private constructor(of: RulesOfLakehouse, logs: string) {
    this.#of = of
    this.#logs = logs
  }

  /** The rules that decide now, and what tells of others; `config` is by the file of rules. */
  static async open(
    config: Config,
  ): Promise<{ readonly rules: DecidingRules; readonly active: ActiveRules }> {
    const of = await versionedRules(config)
    // What is written between the two is met by the next look.
    const logs = await logsOf(of)
    return { rules: await decidingRules(of), active: new ActiveRules(of, logs) }
  }

  /** The rules that decide now; null where nothing has happened to any version or list meanwhile. */
  async changed(): Promise<DecidingRules | null> {
    const logs = await logsOf(this.#of)
    if (logs === this.#logs) return null
    const rules = await decidingRules(this.#of)
    this.#logs = logs
    return rules
  }
}

/** How far the tables are that say which rules decide, and what their lists have. */
async function logsOf({ deltaBasePath }: RulesOfLakehouse): Promise<string> {
  const versions = [await versionLogVersion(deltaBasePath), await listLogVersion(deltaBasePath)]
  return versions.join(' ')
}
