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

/**
 * The parameters of batches, with the lists of other rules: what a variable sets stays, where it is not what
 * the lakehouse has without it.
 */
export function withLists({ settings }: Lakehouse, parameters: Parameters, lists: ListsOfRules): Parameters {
  const changed = settings.flatMap((setting): [string, readonly string[]][] => {
    const { kind, parameter } = setting
    const [value, list] = [parameters[parameter], lists[parameter]]
    const isSet = !Array.isArray(value) || listText(value) !== setting.default
    return kind !== 'names' || isSet || list === undefined ? [] : [[parameter, list.elements.map(String)]]
  })
  return { ...parameters, ...Object.fromEntries(changed) }
}

function listText(elements: readonly unknown[]): string {
  return elements.join(',') || 'none'
}
