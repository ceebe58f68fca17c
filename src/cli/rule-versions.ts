// assay rules list, log, show, diff, propose, approve, reject, activate, shadow, unshadow, rollback: the
// versions of the rules.
import { existsSync } from 'node:fs'
import { Argument, type Command, InvalidArgumentError } from 'commander'
import type { Config } from '../config/config.ts'
import { mayDo, type UserRole } from '../dashboard/roles.ts'
import { LakehouseError } from '../errors/errors.ts'
import type { AddedToRules } from '../plan/index.ts'
import type { Project } from '../project/project.ts'
import { type RuleSet, ruleDifference } from '../rules/index.ts'
import {
  type Actor,
  activateVersion,
  approveVersion,
  type NewRow,
  proposeVersion,
  rejectVersion,
  rollBack,
  sealAnew,
  shadowVersion,
  unshadowVersion,
} from '../versions/change-versions.ts'
import { versionedRules } from '../versions/configured-rules.ts'
import type { RuleVersion, Versions } from '../versions/rule-version.ts'
import {
  type RulesOfLakehouse,
  readVersions,
  refuseInvalid,
  rulesOfFile,
  rulesOfVersion,
} from '../versions/rules-in-force.ts'
import { withVersionLog } from '../versions/version-log.ts'
import { commandActor } from './command-user.ts'
import { instantText } from './instant-text.ts'
import { textUpTo } from './option-values.ts'
import { printable, printableLine } from './printable.ts'
import { tableText } from './result-output.ts'
import { openSession } from './session.ts'

export type Reason = { readonly reason?: string }
const reasonLengthMax = 1_000

export function addVersionCommands(command: Command, project: Project): void {
  addReading(command, project)
  addChanging(command, project)
  addReseal(command, project)
}

function addReading(command: Command, project: Project): void {
  command
    .command('list')
    .description('the versions of the rules: what became of each, and by whom')
    .option('--json', 'as JSON')
    .action(async ({ json }: { readonly json?: true }) => {
      const of = await versionedRules(openSession(project).config)
      const versions = await readVersions(of)
      write(json ? `${JSON.stringify(versions.all.map(asJson), null, 2)}\n` : listText(of, versions))
    })
  command
    .command('log')
    .description('what happened to the versions, the newest last')
    .action(async () => {
      const of = await versionedRules(openSession(project).config)
      write(await logText(of))
    })
  command
    .command('show')
    .description('print the text of a version')
    .addArgument(versionArgument())
    .action(async (version: number) => {
      const { all } = await readVersions(await versionedRules(openSession(project).config))
      process.stdout.write(versionOf(all, version).text)
    })
  command
    .command('diff')
    .description('what is other in one set of rules than in another, in words')
    .argument('[before]', 'a version, "active", or a file', 'active')
    .argument('[after]', 'the same (default: the file of the lakehouse)')
    .action(async (before: string, after: string | undefined) => {
      const { config } = openSession(project)
      const [was, is] = [await namedRules(config, before), await namedRules(config, after ?? 'file')]
      const lines = ruleDifference(was, is)
      write(lines.length === 0 ? 'they say the same\n' : `${lines.map(printableLine).join('\n')}\n`)
    })
}

function addChanging(command: Command, project: Project): void {
  const propose = command
    .command('propose')
    .description('make the rules of a file a version, which decides nothing yet')
    .argument('[file]', 'the rules (default: the file of the lakehouse)')
  change<string | undefined>(project, propose, 'analyst', async ({ config }, file, reason, by) => {
    const { text, hash } = await rulesOfFile(config.lakehouse, file)
    return (versions) => proposeVersion(versions, { text, hash, reason }, by)
  })
  const approve = command
    .command('approve')
    .description('say that a version may become active')
    .addArgument(versionArgument())
  change<number>(project, approve, 'approver', async (_, version, reason, by) => {
    return (versions) => approveVersion(versions, version, reason, by)
  })
  const reject = command
    .command('reject')
    .description('say that a version may not become active')
    .addArgument(versionArgument())
  change<number>(project, reject, 'approver', async (_, version, reason, by) => {
    return (versions) => rejectVersion(versions, version, reason, by)
  })
  const activate = command
    .command('activate')
    .description('let a version decide from the next batch on; a run goes on meanwhile')
    .addArgument(versionArgument())
  change<number>(project, activate, 'approver', async ({ of }, version, reason, by) => {
    return (versions) => activateVersion(versions, version, reason, by, of.policy)
  })
  const shadow = command
    .command('shadow')
    .description('ask a version about every transaction from the next batch on; it decides nothing')
    .addArgument(versionArgument())
  change<number>(project, shadow, 'analyst', async (_, version, reason, by) => {
    return (versions) => shadowVersion(versions, version, reason, by)
  })
  const unshadow = command
    .command('unshadow')
    .description('ask a version no more; what it said stays in rules/shadow')
    .addArgument(versionArgument())
  change<number>(project, unshadow, 'analyst', async (_, version, reason, by) => {
    return (versions) => unshadowVersion(versions, version, reason, by)
  })
  const rollback = command
    .command('rollback')
    .description('let the version decide again that was active before')
  change<undefined>(project, rollback, 'approver', async (_, __, reason, by) => {
    return (versions) => rollBack(versions, reason, by)
  })
}

/** What somebody has looked at counts, although its seals are not right. */
function addReseal(command: Command, project: Project): void {
  command
    .command('reseal')
    .description('take in rules/versions as it is, where it is not as it was sealed; by an admin')
    .option('--reason <text>', 'why, for the log', textUpTo(reasonLengthMax))
    .action(async ({ reason }: Reason) => {
      const { config } = openSession(project)
      const of = await versionedRules(config)
      if (of.policy.kind === 'none')
        throw new LakehouseError('CONFIG_INVALID', 'nothing is sealed: RULES_APPROVAL is none.')
      const by = await commandActor(config)
      refuseRole(by, 'admin')
      const decide = (versions: Versions) => sealAnew(versions, reason ?? null, by)
      const versions = await withVersionLog(of, (log) => log.sealAnew(decide))
      write(`all rows count as they are: ${activeText(versions.active)}\n`)
    })
}

export type Decide<A> = (
  on: { readonly config: Config; readonly of: RulesOfLakehouse },
  argument: A,
  reason: string | null,
  by: Actor,
) => Promise<(versions: Versions) => readonly NewRow[]>

/** `told` says what came of it. */
export function change<A>(
  project: Project,
  command: Command,
  least: UserRole,
  decide: Decide<A>,
  told = outcomeText,
): void {
  command.option('--reason <text>', 'why, for the log', textUpTo(reasonLengthMax))
  command.action(async (...given: unknown[]) => {
    const hasArgument = command.registeredArguments.length > 0
    const argument = (hasArgument ? given[0] : undefined) as A // As commander parsed it.
    const { reason = null } = given[hasArgument ? 1 : 0] as Reason
    const { config } = openSession(project)
    const of = await versionedRules(config)
    const by = await commandActor(config)
    if (of.policy.kind === 'other_person') refuseRole(by, least)
    const decided = await decide({ config, of }, argument, reason, by)
    const before = await readVersions(of)
    const compiled = (versions: Versions): readonly NewRow[] => {
      const rows = decided(versions)
      refuseInvalid(config.lakehouse, versions, rows)
      return rows
    }
    const versions = await withVersionLog(of, (log) => log.change(compiled))
    write(told(before, versions))
  })
}

/** Fails with RULES_VERSION_REFUSED where the user may not. */
export function refuseRole({ user, role }: Actor, least: UserRole): void {
  if (role === null) {
    throw new LakehouseError(
      'RULES_VERSION_REFUSED',
      'RULES_APPROVAL is other_person: ASSAY_TOKEN has to say which user gives the command; "assay users token" prints one.',
    )
  }
  if (mayDo(role as UserRole, least)) return
  throw new LakehouseError('RULES_VERSION_REFUSED', `${user} is ${role}: this needs the role ${least}.`)
}

function versionArgument(): Argument {
  return new Argument('<version>', 'its number, as "assay rules list" shows it').argParser((text) => {
    if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
    throw new InvalidArgumentError('It must be the number of a version.')
  })
}

/** A version by its number, the active one, or those of a file; with what is added to them. */
export async function namedRules(config: Config, name: string, added?: AddedToRules): Promise<RuleSet> {
  const { lakehouse } = config
  const ofFile = async (file?: string) => (await rulesOfFile(lakehouse, file, added)).rules
  if (name === 'file') return await ofFile()
  if (name !== 'active' && !isVersionName(name)) return await ofFile(name)
  const { all, active } = await readVersions(await versionedRules(config))
  if (name === 'active' && active === null) return await ofFile()
  return rulesOfVersion(lakehouse, name === 'active' ? active! : versionOf(all, Number(name)), added)
}

/** A file of such a name is meant only where there is one. */
export function isVersionName(name: string): boolean {
  return /^[1-9]\d{0,8}$/.test(name) && !existsSync(name)
}

export function versionOf(all: readonly RuleVersion[], version: number): RuleVersion {
  const found = all.find((one) => one.version === version)
  if (found !== undefined) return found
  const message = `there is no version ${version} of the rules: "assay rules list" shows those that there are.`
  throw new LakehouseError('RULES_VERSION_REFUSED', message)
}

function outcomeText(before: Versions, { all, active }: Versions): string {
  const changed = all.filter((is) => {
    const was = before.all.find(({ version }) => version === is.version)
    const isShadowAsBefore = (was?.shadowSinceMicros ?? null) === is.shadowSinceMicros
    return was?.status !== is.status || was.authors.length !== is.authors.length || !isShadowAsBefore
  })
  if (changed.length === 0) return `nothing to do: ${activeText(active)}\n`
  const told = changed.map(({ version, status, shadowSinceMicros }) => {
    const beside = shadowSinceMicros === null ? '' : ', and a shadow from the next batch on'
    return `version ${version} is ${status}${beside}`
  })
  return `${told.join('\n')}\n`
}

function activeText(active: RuleVersion | null): string {
  return active === null ? 'no version is active yet' : `version ${active.version} is active`
}

function listText({ lakehouse }: RulesOfLakehouse, { all, ignored }: Versions): string {
  if (all.length === 0) {
    return 'no start has numbered the rules yet: those of the file are version 1 with the first run\n'
  }
  const rows = all.map((one) => [
    String(one.version),
    one.status,
    rulesCount(lakehouse, one),
    one.authors.map(({ user }) => user).join(', '),
    one.approvedBy ?? '',
    instantText(one.activatedAtMicros),
    instantText(one.shadowSinceMicros),
    one.hash,
    one.reason ?? '',
  ])
  const names = [
    'version',
    'status',
    'rules',
    'proposed by',
    'approved by',
    'active since',
    'shadow since',
    'hash',
    'reason',
  ]
  const told = ignored.map(({ sequence, why }) => `row ${sequence} counts for nothing: ${why}\n`)
  return [tableText(names, rows), ...told].join('')
}

/** A version may ask for columns that are gone. */
function rulesCount(lakehouse: RulesOfLakehouse['lakehouse'], version: RuleVersion): string {
  try {
    return String(rulesOfVersion(lakehouse, version).rules.length)
  } catch (error) {
    if (error instanceof LakehouseError) return 'invalid'
    throw error
  }
}

async function logText(of: RulesOfLakehouse): Promise<string> {
  const rows = await withVersionLog(of, (log) => log.rows())
  const names = ['row', 'at', 'event', 'version', 'user', 'role', 'origin', 'reason']
  const cells = rows.map((row) => [
    String(row.sequence),
    instantText(row.atMicros),
    row.event,
    String(row.version),
    row.user,
    row.role ?? '',
    row.origin,
    row.reason ?? '',
  ])
  return tableText(names, cells)
}

function asJson({
  activatedAtMicros,
  proposedAtMicros,
  shadowSinceMicros,
  text: _,
  ...version
}: RuleVersion): object {
  return {
    ...version,
    proposedAt: instantText(proposedAtMicros),
    activatedAt: activatedAtMicros === null ? null : instantText(activatedAtMicros),
    shadowSince: shadowSinceMicros === null ? null : instantText(shadowSinceMicros),
  }
}

function write(text: string): void {
  process.stdout.write(printable(text))
}
