// What every command starts with: the configuration and the log.
import { type Config, loadConfig } from '../config/config.ts'
import type { Lakehouse } from '../plan/index.ts'
import { createLogger, type Logger } from './logger.ts'

export type Session = { readonly config: Config; readonly log: Logger }

/** Fails with CONFIG_INVALID, before anything is touched, where the configuration has mistakes. */
export function openSession(lakehouse: Lakehouse): Session {
  const config = loadConfig(lakehouse)
  const log = createLogger(config.log)
  for (const hint of config.hints) log.warn(hint)
  return { config, log }
}
