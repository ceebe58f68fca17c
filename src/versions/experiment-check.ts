// Whether this lakehouse can carry out an experiment: before it is written, and decides.
import { LakehouseError } from '../errors/errors.ts'
import { withLists } from '../project/rule-lists.ts'
import type { ExperimentPlan } from './experiment.ts'
import type { RuleVersion, Versions } from './rule-version.ts'
import { type RulesOfLakehouse, rulesOfVersion } from './rules-in-force.ts'

/** Fails with RULES_VERSION_REFUSED, or with what is wrong with the rules or the column of the customers. */
export function checkExperiment(
  of: RulesOfLakehouse,
  { active }: Versions,
  plan: ExperimentPlan,
  candidate: RuleVersion,
): void {
  const { lakehouse, parameters } = of
  const { events, scored, rulesFrom } = lakehouse
  if (active === null || scored === null || rulesFrom === undefined) return
  for (const { path, rows } of [events, scored]) {
    if (Object.hasOwn(rows.schema, plan.by)) continue
    throw refused(`${path} has no column ${plan.by}: customers are named by one that events and scores have.`)
  }
  if (plan.by === lakehouse.names.event.column)
    throw refused(
      `${plan.by} names a transaction: arms are of customers, as in --by ${lakehouse.names.person.column}.`,
    )
  const [ofActive, ofCandidate] = [active, candidate].map((one) => rulesOfVersion(lakehouse, one).lists)
  const common = Object.keys(ofCandidate!).filter((name) => Object.hasOwn(ofActive!, name))
  const [own, other] = [ofActive!, ofCandidate!].map((lists) => withLists(lakehouse, parameters, lists))
  const differs = common.find((name) => String(own![name]) !== String(other![name]))
  if (differs !== undefined) {
    throw refused(
      `version ${candidate.version} has other elements in the list ${differs}, which a variable may set and so is one for both arms: ` +
        'give the list of the candidate another name.',
    )
  }
  // It is made as a run would make it.
  rulesFrom.by({ ...active, experiment: { ...plan, candidate } })
}

function refused(message: string): LakehouseError {
  return new LakehouseError('RULES_VERSION_REFUSED', message)
}
