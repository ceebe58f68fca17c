// Lists of a file of rules that a variable of the environment overrides.
import type { Parameters } from '../batches/plan.ts'
import type { Lakehouse, Setting } from '../plan/index.ts'

export type ListOfRules = { readonly elements: readonly unknown[] }
export type ListsOfRules = Readonly<Record<string, ListOfRules>>

/** The names of lists that are parameters of every batch. */
export function listParameters(settings: readonly Setting[]): string[] {
  return settings.flatMap(({ kind, parameter }) => (kind === 'names' ? [parameter] : []))
}

/** A list of the file is the default of its variable. */
export function withListDefault(setting: Setting, lists: ListsOfRules): Setting {
  const list = setting.kind === 'names' ? lists[setting.parameter] : undefined
  return list === undefined ? setting : { ...setting, default: listText(list.elements) }
}

/** The names of lists that no variable sets: they are what the lakehouse has without it. */
export function ownLists({ settings }: Pick<Lakehouse, 'settings'>, parameters: Parameters): string[] {
  return settings.flatMap((setting) => {
    const value = parameters[setting.parameter]
    const isOwn = Array.isArray(value) && listText(value) === setting.default
    return setting.kind === 'names' && isOwn ? [setting.parameter] : []
  })
}

/** The parameters of batches, with the lists of other rules: what a variable sets stays. */
export function withLists(lakehouse: Lakehouse, parameters: Parameters, lists: ListsOfRules): Parameters {
  const changed = ownLists(lakehouse, parameters).flatMap((name): [string, readonly string[]][] => {
    const list = lists[name]
    return list === undefined ? [] : [[name, list.elements.map(String)]]
  })
  return { ...parameters, ...Object.fromEntries(changed) }
}

function listText(elements: readonly unknown[]): string {
  return elements.join(',') || 'none'
}
