// The rules of a run: another version may become active while it goes on.
import type { Config } from '../config/config.ts'
import type { OnEvent } from '../engines/events.ts'
import { versionedRules } from '../versions/configured-rules.ts'
import { RulesInForce } from '../versions/rules-in-force.ts'
import { commandActor } from './command-user.ts'

export async function rulesInForce(config: Config, tell: OnEvent): Promise<RulesInForce> {
  return new RulesInForce({ ...(await versionedRules(config)), by: await commandActor(config), tell })
}
