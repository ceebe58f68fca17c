// The rules that decide, by the configuration: those of the active version, and the key of their seals.
import { createHash, randomBytes } from 'node:crypto'
import { chmod, link, readFile, rm, writeFile } from 'node:fs/promises'
import type { Config } from '../config/config.ts'
import { LakehouseError } from '../errors/errors.ts'
import { anchorsIn } from './anchor.ts'
import type { Actor } from './change-versions.ts'
import type { ApprovalPolicy } from './rule-version.ts'
import { decidingRules, type RulesOfLakehouse, startingRules } from './rules-in-force.ts'
import { versionLogVersion, withVersionLog } from './version-log.ts'

const keyBytes = 32
const keyForm = /^[0-9a-f]{64}\s*$/

export async function versionedRules(config: Config): Promise<RulesOfLakehouse> {
  const { lakehouse, parameters, deltaBasePath } = config
  const clock = (): bigint => BigInt(Date.now()) * 1000n
  return { lakehouse, parameters, deltaBasePath, clock, policy: await policyOf(config, clock) }
}

/** The configuration with the lakehouse by the rules that decide. */
export async function withDecidingRules(config: Config): Promise<Config> {
  const { lakehouse, parameters } = await decidingRules(await versionedRules(config))
  return { ...config, lakehouse, parameters }
}

/** The configuration with the lakehouse by the rules that a start would decide by. */
export async function withStartingRules(config: Config, by: Omit<Actor, 'origin'>): Promise<Config> {
  const { lakehouse, parameters } = await startingRules(await versionedRules(config), by)
  return { ...config, lakehouse, parameters }
}

/** The key is made where there is none, and no row has a seal. */
async function policyOf(
  { rules: { keyFile }, deltaBasePath }: Config,
  clock: () => bigint,
): Promise<ApprovalPolicy> {
  if (keyFile === null) return { kind: 'none' }
  let text = await keyText(keyFile)
  if (text === null) {
    await refuseSealed(deltaBasePath, keyFile, clock)
    text = await makeKey(keyFile)
  }
  if (!keyForm.test(text)) {
    throw new LakehouseError(
      'CONFIG_INVALID',
      `${keyFile} (RULES_KEY_FILE) is no key of Assay: 64 hexadecimal digits are expected. With another key all versions lose their seals.`,
    )
  }
  const place = createHash('sha256').update(deltaBasePath).digest('hex').slice(0, 16)
  return {
    kind: 'other_person',
    key: Buffer.from(text.trim(), 'hex'),
    anchors: anchorsIn(`${keyFile}.${place}.sealed`),
  }
}

/** With another key no row would have a right seal. */
async function refuseSealed(deltaBasePath: string, keyFile: string, clock: () => bigint): Promise<void> {
  if ((await versionLogVersion(deltaBasePath)) === null) return
  const none = { kind: 'none' } as const
  const rows = await withVersionLog({ deltaBasePath, policy: none, clock }, (log) => log.rows())
  if (rows.every(({ seal }) => seal === null)) return
  throw new LakehouseError(
    'RULES_LOG_BROKEN',
    `rows of rules/versions are sealed, and their key is gone: there is no ${keyFile} (RULES_KEY_FILE). Bring it back.`,
  )
}

async function keyText(file: string): Promise<string | null> {
  return await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return null
    throw new LakehouseError('CONFIG_INVALID', `${file} (RULES_KEY_FILE) cannot be read: ${cause.message}.`, {
      cause,
    })
  })
}

/** Of two processes that make one at once the first has made it for both. */
async function makeKey(file: string): Promise<string> {
  const draft = `${file}.${process.pid}.tmp`
  try {
    await writeFile(draft, `${randomBytes(keyBytes).toString('hex')}\n`, { mode: 0o600, flag: 'wx' })
    await chmod(draft, 0o600)
    await link(draft, file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new LakehouseError('CONFIG_INVALID', `${file} (RULES_KEY_FILE) cannot be written: ${why}.`, {
      cause,
    })
  } finally {
    await rm(draft, { force: true })
  }
  return (await keyText(file)) ?? ''
}
