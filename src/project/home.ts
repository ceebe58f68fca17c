// Where a project is: the folder that has its config.
import { existsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { LakehouseError } from '../errors/errors.ts'

export type ProjectHome = {
  /** Absolute. */
  readonly directory: string
  readonly configFile: string
}

const configNames = ['assay.config.ts', 'assay.config.js', 'assay.config.mjs']

/** null where neither the directory nor one above it has a config. */
export function homeAbove(directory: string): ProjectHome | null {
  const found = homeIn(directory)
  if (found !== null) return found
  const above = dirname(directory)
  return above === directory ? null : homeAbove(above)
}

function homeIn(directory: string): ProjectHome | null {
  const name = configNames.find((one) => existsSync(join(directory, one)))
  return name === undefined ? null : { directory, configFile: join(directory, name) }
}

/** `path` is the directory, or the config itself. Fails with PROJECT_INVALID where there is none. */
export function homeNamed(path: string): ProjectHome {
  const isFile = statSync(path, { throwIfNoEntry: false })?.isFile() === true
  if (isFile) return { directory: dirname(path), configFile: path }
  const found = homeIn(path)
  if (found !== null) return found
  const message = `${path} has no ${configNames[0]}: "assay init <directory>" makes a project.`
  throw new LakehouseError('PROJECT_INVALID', message)
}
