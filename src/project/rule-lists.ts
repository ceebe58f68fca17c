// Lists of a file of rules that a variable of the environment overrides.
import type { Lakehouse, Setting } from '../plan/index.ts'
import type { RuleSet } from '../rules/index.ts'

/** The lakehouse whose settings have the lists of other rules for their defaults. */
export function withListDefaults(lakehouse: Lakehouse, lists: RuleSet['lists']): Lakehouse {
  return { ...lakehouse, settings: lakehouse.settings.map((setting) => withListDefault(setting, lists)) }
}

/** A list of the file is the default of its variable. */
export function withListDefault(setting: Setting, lists: Readonly<Record<string, ListOfRules>>): Setting {
  const list = setting.kind === 'names' ? lists[setting.parameter] : undefined
  return list === undefined ? setting : { ...setting, default: list.elements.join(',') || 'none' }
}

export type ListOfRules = { readonly elements: readonly unknown[] }
