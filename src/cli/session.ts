// What every command starts with: the configuration and the log.
import { join } from 'node:path'
import { type Config, type Environment, loadConfig } from '../config/config.ts'
import { readEnvFile } from '../config/env-file.ts'
import type { Project } from '../project/project.ts'
import { mountLakehouse } from './lakehouse-store.ts'
import { createLogger, type Logger } from './logger.ts'

export type Session = { readonly config: Config; readonly log: Logger }

/** `settings` win over the environment. Fails with CONFIG_INVALID, before anything is touched, where the configuration has mistakes. */
export function openSession(project: Project, settings: Readonly<Record<string, string>> = {}): Session {
  const config = projectConfig(project, settings)
  mountLakehouse(config)
  const log = createLogger(config.log)
  for (const hint of config.hints) log.warn(hint)
  return { config, log }
}

/** Of a project the .env beside its config counts, wherever the command is called. */
export function projectConfig(project: Project, settings: Readonly<Record<string, string>> = {}): Config {
  const environment = { ...process.env, ...settings }
  return loadConfig(project.lakehouse, environment, envFileOf(project), projectDefaults(project))
}

/** Where sinks of alerts have their secrets, which are no variables of ours; the environment wins. */
export function sinkEnvironment(project: Project): Environment {
  return { ...readEnvFile(envFileOf(project)).settings, ...process.env }
}

function envFileOf({ home }: Project): string {
  return home === null ? '.env' : join(home.directory, '.env')
}

/** A project has its tables beside its config: those of two projects do not meet. */
export function projectDefaults({ home }: Project): Readonly<Record<string, string>> {
  return home === null ? {} : { DELTA_BASE_PATH: join(home.directory, 'lakehouse') }
}
