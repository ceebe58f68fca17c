// The project that a command works for: the folder that has an `assay.config.ts`, or none, which is the
// lakehouse that ships.
import { basename, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { LakehouseError } from '../errors/errors.ts'
import { standardLakehouse } from '../lakehouse/index.ts'
import type { Lakehouse } from '../plan/index.ts'
import { configMistake } from './config-mistake.ts'
import { homeAbove, homeNamed, type ProjectHome } from './home.ts'
import { useThisPackage } from './this-package.ts'

export type Project = {
  readonly lakehouse: Lakehouse
  /** Where its config is; null for the lakehouse that ships. */
  readonly home: ProjectHome | null
}

/**
 * What a config may have as its default export beside a lakehouse: the lakehouse, once it is known where the
 * files are that the config names.
 */
export type ProjectLakehouse = { readonly kind: 'project'; readonly in: (directory: string) => Lakehouse }

export const standardProject: Project = { lakehouse: standardLakehouse, home: null }

/**
 * The project of a directory, which is looked for from there upwards; `named` says it instead. Fails with
 * PROJECT_INVALID, or LAKEHOUSE_INVALID, whose messages say where in the config the mistake is.
 */
export async function openProject(from: string, named: string | null): Promise<Project> {
  const home = named === null ? homeAbove(resolve(from)) : homeNamed(resolve(from, named))
  return home === null ? standardProject : { lakehouse: await lakehouseOf(home), home }
}

/** How a project is named to people; null for the lakehouse that ships. */
export function projectTitle({ home }: Project): string | null {
  return home === null ? null : `${basename(home.directory)} (${home.configFile})`
}

async function lakehouseOf(home: ProjectHome): Promise<Lakehouse> {
  useThisPackage()
  try {
    const module: { readonly default?: unknown } = await import(pathToFileURL(home.configFile).href)
    return lakehouseFrom(module.default, home.directory)
  } catch (error) {
    throw configMistake(error, home)
  }
}

/** The lakehouse of what a config exports. */
export function lakehouseFrom(exported: unknown, directory: string): Lakehouse {
  if (isProjectLakehouse(exported)) return exported.in(directory)
  if (isLakehouse(exported)) return exported
  const message = 'the default export must be a lakehouse: export default transactions({ .. })'
  throw new LakehouseError('PROJECT_INVALID', message)
}

function isProjectLakehouse(exported: unknown): exported is ProjectLakehouse {
  return typeof exported === 'object' && exported !== null && 'kind' in exported && 'in' in exported
}

function isLakehouse(exported: unknown): exported is Lakehouse {
  return typeof exported === 'object' && exported !== null && 'tables' in exported && 'events' in exported
}
