// What is other in one set of rules than in another, in words.
import type { RuleSet } from './rule-set.ts'

/** What is other in the candidate than in the active rules. */
export function ruleDifference(active: RuleSet, candidate: RuleSet): string[] {
  const before = new Map(active.rules.map((rule) => [rule.name, rule]))
  const after = new Set(candidate.rules.map(({ name }) => name))
  const changed = candidate.rules.flatMap(({ name, when, points }) => {
    const was = before.get(name)
    if (was === undefined) return [`${name}: new, ${points} points where ${when}`]
    return [
      ...(was.points === points ? [] : [`${name}: ${points} points, ${was.points} before`]),
      ...(was.when === when ? [] : [`${name}: where ${when}; before where ${was.when}`]),
    ]
  })
  const levels = (rules: RuleSet): string =>
    rules.levels.map(({ name, scoreMin }) => `${name} ${scoreMin}`).join(', ')
  const model = ({ model: one }: RuleSet): string => JSON.stringify(one?.score ?? null)
  const modelName = ({ model: one }: RuleSet): string => one?.file ?? 'none'
  const lists = (rules: RuleSet): string => JSON.stringify(rules.lists)
  return [
    ...changed,
    ...active.rules.filter(({ name }) => !after.has(name)).map(({ name }) => `${name}: gone`),
    ...(levels(active) === levels(candidate)
      ? []
      : [`levels: ${levels(candidate)}; before ${levels(active)}`]),
    ...(active.reviewFrom === candidate.reviewFrom
      ? []
      : [`reviewed from ${candidate.reviewFrom}, from ${active.reviewFrom} before`]),
    ...(lists(active) === lists(candidate) ? [] : ['lists: other elements than before']),
    ...(model(active) === model(candidate)
      ? []
      : [`model: ${modelName(candidate)}; before ${modelName(active)}`]),
  ]
}
