// Which rules decide: the active version of rules/versions. A run asks at each opening of its tables, and is
// told when another version has become active; commands that read ask once.
import { readFile } from 'node:fs/promises'
import type { Parameters } from '../batches/plan.ts'
import type { InForce } from '../engines/engine.ts'
import type { OnEvent } from '../engines/events.ts'
import { noticesTo } from '../engines/events.ts'
import { counted } from '../errors/counted.ts'
import { LakehouseError } from '../errors/errors.ts'
import { fileMissing } from '../files/file-missing.ts'
import { ruleVersionsPath } from '../ops/rule-versions.ts'
import { type AddedToRules, firstRulesVersion, type Lakehouse, type RulesVersion } from '../plan/index.ts'
import { besideRules } from '../project/model-file.ts'
import { listParameters, ownLists, withLists } from '../project/rule-lists.ts'
import { personColumn, type RuleSet, validRules, withSnoozes } from '../rules/index.ts'
import { type Actor, sealVersions, takeFile } from './change-versions.ts'
import type { RuleExperiment } from './experiment.ts'
import { type Addition, addedBefore, addedFrom, listLogVersion, readAdditions, standing } from './list-log.ts'
import { bringModels, storeModels } from './model-store.ts'
import {
  type ApprovalPolicy,
  contentHash,
  type RuleVersion,
  type Versions,
  versionsOf,
} from './rule-version.ts'
import { type RunningShadows, type ShadowFault, withShadows } from './shadows.ts'
import { refuseBroken, versionLogVersion, withVersionLog } from './version-log.ts'
import type { VersionRow } from './version-row.ts'

export type RulesOfLakehouse = {
  /** By the file of rules. */
  readonly lakehouse: Lakehouse
  readonly parameters: Parameters
  readonly deltaBasePath: string
  readonly policy: ApprovalPolicy
  readonly clock: () => bigint
}

export type DecidingRules = {
  readonly lakehouse: Lakehouse
  readonly parameters: Parameters
  readonly version: number
  /** The versions that run beside it, and those that should and cannot. */
  readonly shadows: readonly number[]
  readonly faults: readonly ShadowFault[]
}

/** The rules that decide now; those of the file where no start has numbered them. Nothing is written. */
export async function decidingRules(of: RulesOfLakehouse): Promise<DecidingRules> {
  return decidedBy(of, await readVersions(of), await additionsOf(of))
}

/** What is added to the rules now. */
async function additionsOf({ deltaBasePath, clock }: RulesOfLakehouse): Promise<readonly Addition[]> {
  return standing(await readAdditions(deltaBasePath), clock())
}

/**
 * Without the rules of versions that are not there: a lakehouse without a file of rules has none. Models that
 * they ask and that are gone beside the rules come back there.
 */
export async function readVersions(of: RulesOfLakehouse): Promise<Versions> {
  const { policy, deltaBasePath, lakehouse } = of
  if ((await versionLogVersion(deltaBasePath)) !== null) {
    const versions = await withVersionLog(of, (log) => log.read())
    if (lakehouse.rulesFrom !== undefined)
      await bringModels({ deltaBasePath, rulesFile: lakehouse.rulesFrom.file }, textsOf(versions))
    return versions
  }
  const anchor = policy.kind === 'none' ? null : ((await policy.anchors?.read()) ?? null)
  refuseBroken(versionsOf([], policy, anchor))
  return noVersions
}

function textsOf({ all }: Versions): readonly string[] {
  return all.map(({ text }) => text)
}

const noVersions = versionsOf([], { kind: 'none' })

/** The file of rules, as text and by what it says. Fails with RULES_INVALID where it has mistakes. */
export async function rulesOfFile(
  lakehouse: Lakehouse,
  file = lakehouse.rulesFrom?.file,
  added?: AddedToRules,
) {
  if (lakehouse.rulesFrom === undefined || file === undefined) {
    throw new LakehouseError(
      'RULES_INVALID',
      'the rules of this lakehouse stand in its sources, and not in a file: they have no versions.',
    )
  }
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') throw fileMissing(file)
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new LakehouseError('RULES_INVALID', `the rules cannot be read: ${why}.`, { cause })
  })
  const rules = rulesOfText(lakehouse, text, file, added)
  return { text, rules, hash: contentHash(rules) }
}

/** The rules of a version, as this lakehouse reads them. */
export function rulesOfVersion(
  lakehouse: Lakehouse,
  { version, text }: VersionText,
  added?: AddedToRules,
): RuleSet {
  return rulesOfText(lakehouse, text, `version ${version} of the rules`, added)
}

/** What was added to lists, and snoozed, in the batches that were: for rules that are tried on them. */
export async function addedInThePast({ deltaBasePath }: RulesOfLakehouse): Promise<AddedToRules> {
  return addedBefore(await readAdditions(deltaBasePath))
}

const nothingAdded: AddedToRules = { entries: [], snoozes: [] }

function rulesOfText(
  lakehouse: Lakehouse,
  text: string,
  file: string,
  { entries, snoozes }: AddedToRules = nothingAdded,
): RuleSet {
  const { columns, file: beside } = lakehouse.rulesFrom!
  const parameters = listParameters(lakehouse.settings)
  const names = { columns, entries, parameters, beside: besideRules(beside) }
  const rules = validRules(text, { ...names, file })
  return withSnoozes(rules, snoozes, personColumn(lakehouse))
}

function ofFile({ lakehouse, parameters }: RulesOfLakehouse): DecidingRules {
  return { lakehouse, parameters, version: firstRulesVersion, shadows: [], faults: [] }
}

/** Who decides: what `Versions` says of it. */
type Decisive = Pick<Versions, 'all' | 'experiment' | 'hasShadows'> & { readonly active: VersionText | null }
type VersionText = Pick<RuleVersion, 'version' | 'text'>

/** By the active version, and for a part of the customers by that of an experiment. */
function decidedBy(of: RulesOfLakehouse, versions: Decisive, additions: readonly Addition[]): DecidingRules {
  const { lakehouse, parameters } = of
  const { active } = versions
  if (lakehouse.rulesFrom === undefined || active === null) return ofFile(of)
  try {
    const { lists } = rulesOfVersion(lakehouse, active)
    const deciding = decidingVersions(active, versions, additions)
    return {
      ...besideDeciding(of, deciding, versions, additions),
      parameters: withLists(lakehouse, parameters, lists),
      version: active.version,
    }
  } catch (cause) {
    if (!(cause instanceof LakehouseError) || cause.code !== 'RULES_INVALID') throw cause
    const advice = `Version ${active.version} of the rules is active and does not go with this lakehouse any more: "assay rules propose" and "assay rules activate" let another one decide.`
    throw new LakehouseError('RULES_INVALID', `${cause.message}\n${advice}`, { cause })
  }
}

/** The lakehouse by these rules, with the shadows beside them. */
function besideDeciding(
  { lakehouse, parameters }: RulesOfLakehouse,
  deciding: RulesVersion,
  { all, hasShadows }: Decisive,
  additions: readonly Addition[],
): RunningShadows {
  const by = lakehouse.rulesFrom!.by
  const decided = by(deciding) // What is wrong with these rules is no shadow's fault.
  if (!hasShadows) return { lakehouse: decided, shadows: [], faults: [] }
  const lists = ownLists(lakehouse, parameters)
  const shadows = all
    .filter((one) => one.shadowSinceMicros !== null && one.version !== deciding.version)
    .map(({ version, text }) => ({ version, text, ...addedFrom(additions), ownLists: lists }))
  return withShadows((running) => by({ ...deciding, shadows: running }), shadows)
}

/** Fails with RULES_INVALID where a version that is to become active, or a shadow, is not right here. */
export function refuseInvalid(
  lakehouse: Lakehouse,
  { all }: Versions,
  rows: readonly Pick<VersionRow, 'event' | 'version'>[],
): void {
  for (const { event, version } of rows) {
    const found = all.find((one) => one.version === version)
    if ((event === 'activated' || event === 'shadowed') && found !== undefined)
      rulesOfVersion(lakehouse, found)
  }
}

export type StartingRules = DecidingRules & {
  /** What becomes of the file of rules; null where the last start saw it as it is, or there is none. */
  readonly file: { readonly version: number; readonly becomes: 'active' | 'proposed' } | null
}

/** The rules that a start would decide by; nothing is written. */
export async function startingRules(of: RulesOfLakehouse, by: Omit<Actor, 'origin'>): Promise<StartingRules> {
  if (of.lakehouse.rulesFrom === undefined) return { ...ofFile(of), file: null }
  const versions = await readVersions(of)
  const additions = await additionsOf(of)
  const { text, hash } = await rulesOfFile(of.lakehouse)
  const rows = takeFile(versions, { text, hash }, by, of.policy)
  const version = rows[0]?.version ?? null
  const activates = rows.some(({ event }) => event === 'activated')
  const becomes = activates || version === versions.active?.version ? 'active' : 'proposed'
  const file = version === null ? null : ({ version, becomes } as const)
  // What becomes active ends an experiment.
  const changed = version !== null && activates ? { active: { version, text }, experiment: null } : {}
  return { ...decidedBy(of, { ...versions, ...changed }, additions), file }
}

/** What is added to lists, and snoozed, counts in both arms. */
function decidingVersions(
  active: VersionText,
  { all, experiment }: Decisive,
  additions: readonly Addition[],
): RulesVersion {
  const added = addedFrom(additions)
  const decides = { version: active.version, text: active.text, ...added }
  if (experiment === null) return decides
  const { name, share, by, candidateVersion } = experiment
  const { version, text } = all.find((one) => one.version === candidateVersion)!
  return { ...decides, experiment: { name, share, by, candidate: { version, text, ...added } } }
}

export type RulesByVersion = {
  /** By the rules that decide now. */
  readonly lakehouse: Lakehouse
  /** The rules of a version; those that decide now where it is null, or not known. */
  at(version: number | null): Lakehouse['rules']
  /** What was added to lists that the rule asks and had this text when the batch of that time was cut. */
  entryOf(
    rule: string,
    version: number | null,
    values: readonly string[],
    batchMicros: bigint,
  ): Addition | null
}

/** For rows that other versions scored. */
export async function rulesByVersion(of: RulesOfLakehouse): Promise<RulesByVersion> {
  const versions = await readVersions(of)
  const { all, active } = versions
  const additions = await readAdditions(of.deltaBasePath)
  const { lakehouse } = decidedBy(of, versions, [])
  const setOf = (version: number | null): RuleSet | null => {
    const found = all.find((one) => one.version === version)
    return found === undefined ? null : rulesOfVersion(lakehouse, found)
  }
  return {
    lakehouse,
    at: (version) =>
      version === active?.version ? lakehouse.rules : (setOf(version)?.rules ?? lakehouse.rules),
    entryOf(rule, version, values, batchMicros) {
      const when = setOf(version)?.rules.find(({ name }) => name === rule)?.when ?? ''
      const lists = [...when.matchAll(/\blists\.(\w+)/g)].map(([, name]) => name)
      const stood = additions.filter(({ atMicros, untilMicros, removedAtMicros }) => {
        const [end, back] = [untilMicros ?? batchMicros + 1n, removedAtMicros ?? batchMicros + 1n]
        return atMicros <= batchMicros && batchMicros < end && batchMicros < back
      })
      return stood.find(({ list, value }) => lists.includes(list ?? '') && values.includes(value)) ?? null
    },
  }
}

export type RunningRules = RulesOfLakehouse & {
  /** Who starts the run. */
  readonly by: Omit<Actor, 'origin'>
  readonly tell: OnEvent
}

/**
 * For a run: its first opening takes a file of rules that was changed since the last start as a new version,
 * which is active at once, or proposed where approval is asked for.
 */
export class RulesInForce implements InForce {
  readonly #of: RunningRules
  #isFileTaken = false
  /** Those of rules/versions and of rules/lists. */
  #logVersions: readonly [bigint | null, bigint | null] = [null, null]
  #version: number | null = null
  #rules: Lakehouse['rules'] | null = null
  #last: DecidingRules | null = null
  /** The name of the experiment that goes on. */
  #experiment: string | undefined
  /** The numbers of the versions that were to run beside it. */
  #shadows = ''

  constructor(of: RunningRules) {
    this.#of = of
  }

  /** The lakehouse for those who look at the run: its rules are those that decide by then. */
  shown(lakehouse: Lakehouse): Lakehouse {
    const rules = (): Lakehouse['rules'] => this.#rules ?? lakehouse.rules
    return {
      ...lakehouse,
      get rules() {
        return rules()
      },
    }
  }

  async now(): Promise<DecidingRules> {
    const of = this.#of
    if (of.lakehouse.rulesFrom === undefined) return ofFile(of)
    const { deltaBasePath } = of
    this.#logVersions = [await versionLogVersion(deltaBasePath), await listLogVersion(deltaBasePath)]
    const versions = this.#isFileTaken ? await this.#readAgain() : await this.#takeFile()
    if (versions === null) return this.#last!
    this.#isFileTaken = true
    tellIgnored(versions, of.tell)
    const rules = decidedBy(of, versions, await additionsOf(of))
    this.#last = rules
    this.#rules = rules.lakehouse.rules
    this.#tellVersion(rules.version, versions.active)
    this.#tellExperiment(versions.experiment)
    this.#tellShadows(versions, rules)
    return rules
  }

  async isOther(): Promise<boolean> {
    const { lakehouse, deltaBasePath } = this.#of
    if (lakehouse.rulesFrom === undefined || this.#version === null) return false
    const [ofVersions, ofLists] = this.#logVersions
    const now = [await versionLogVersion(deltaBasePath), await listLogVersion(deltaBasePath)] as const
    if (now[1] !== ofLists) return true
    if (now[0] === ofVersions) return false
    const versions = await this.#readAgain()
    this.#logVersions = now
    if (versions === null) return false
    tellIgnored(versions, this.#of.tell)
    if (versions.active === null) return false
    const { active, experiment } = versions
    if (active.version !== this.#version || experiment?.name !== this.#experiment) return true
    return shadowsText(versions) !== this.#shadows
  }

  /** null where the rows are not those that were sealed: the run goes on by what it knows, and tells. */
  async #readAgain(): Promise<Versions | null> {
    try {
      return await readVersions(this.#of)
    } catch (error) {
      if (!(error instanceof LakehouseError) || error.code !== 'RULES_LOG_BROKEN') throw error
      const message = `The run goes on by version ${this.#version} of the rules. ${error.message}`
      noticesTo(this.#of.tell)({ code: 'RULES_LOG_BROKEN', message, details: { version: this.#version } })
      return null
    }
  }

  async #takeFile(): Promise<Versions> {
    const { by, policy, tell, lakehouse, deltaBasePath, clock } = this.#of
    const file = await rulesOfFile(lakehouse)
    const versions = await withVersionLog(this.#of, (log) =>
      log.change((known) => {
        const taken = takeFile(known, file, by, policy)
        const isSealed = policy.kind === 'none' || taken.length > 0
        return isSealed ? taken : sealVersions(known, { ...by, origin: 'file' })
      }),
    )
    // Those of versions that were recorded before models were stored.
    await storeModels({ deltaBasePath, rulesFile: lakehouse.rulesFrom!.file }, textsOf(versions), clock())
    const ofThis = versions.all.find(({ hash }) => hash === file.hash)
    if (ofThis !== undefined && ofThis.status !== 'active' && versions.fileHash === file.hash) {
      const { version, status } = ofThis
      const message = `The file of rules is version ${version}, which is ${status} and not active: "assay rules list" shows all.`
      noticesTo(tell)({ code: 'RULES_PROPOSED', message, details: { version, status } })
    }
    return versions
  }

  #tellVersion(version: number, active: RuleVersion | null): void {
    const before = this.#version
    this.#version = version
    if (before === null ? version === firstRulesVersion : before === version) return
    const of = active?.reason == null ? '' : ` (${active.reason})`
    const message = `Version ${version} of the rules decides from the next batch on${of}.`
    noticesTo(this.#of.tell)({ code: 'RULES_ACTIVE', message, details: { version, before } })
  }

  #tellShadows(versions: Versions, { shadows, faults }: DecidingRules): void {
    const tell = noticesTo(this.#of.tell)
    for (const { version, cause } of faults) {
      const message = `Version ${version} of the rules is a shadow and cannot run; the others, and what decides, go on without it. ${cause}`
      tell({ code: 'RULES_SHADOW_FAILED', message, details: { version, cause } })
    }
    const before = this.#shadows
    this.#shadows = shadowsText(versions)
    if (before === this.#shadows) return
    const message =
      shadows.length === 0
        ? 'No version of the rules runs as a shadow from the next batch on.'
        : `Shadows from the next batch on: ${shadows.map((version) => `version ${version}`).join(', ')} of the rules.`
    tell({ code: 'RULES_SHADOWS', message, details: { shadows } })
  }

  #tellExperiment(experiment: RuleExperiment | null): void {
    const before = this.#experiment
    this.#experiment = experiment?.name
    if (before === experiment?.name) return
    const message =
      experiment === null
        ? `Experiment ${before} is over: one version of the rules decides for all customers from the next batch on.`
        : `Experiment ${experiment.name}: version ${experiment.candidateVersion} of the rules decides for ${experiment.share * 100} % of the customers from the next batch on.`
    noticesTo(this.#of.tell)({
      code: 'RULES_ACTIVE',
      message,
      details: { experiment: experiment?.name ?? null, before: before ?? null },
    })
  }
}

/** Which versions should run as shadows. */
function shadowsText({ all }: Pick<Versions, 'all'>): string {
  return all.flatMap((one) => (one.shadowSinceMicros === null ? [] : [one.version])).join(', ')
}

/** Somebody wrote, altered or removed rows by hand. */
function tellIgnored({ ignored }: Versions, tell: OnEvent): void {
  if (ignored.length === 0) return
  const why = ignored.slice(0, 5).map((row) => `row ${row.sequence}: ${row.why}`)
  const message = `${ruleVersionsPath} has ${counted(ignored.length, 'row')} that count for nothing: ${why.join('; ')}.`
  noticesTo(tell)({ code: 'RULES_ROWS_IGNORED', message, details: { rows: ignored.length } })
}
