// assay rules entries, add, remove, snooze, wake: what counts beside the text of the rules.
import { Argument, type Command, InvalidArgumentError } from 'commander'
import { parseDuration } from '../config/duration.ts'
import { parseInstantMs } from '../config/values.ts'
import { LakehouseError } from '../errors/errors.ts'
import type { Project } from '../project/project.ts'
import { isPerson, personColumn, type RuleList } from '../rules/index.ts'
import { versionedRules } from '../versions/configured-rules.ts'
import { type Addition, changeLists, type ListChange, readAdditions, standing } from '../versions/list-log.ts'
import { commandActor } from './command-user.ts'
import { instantText } from './instant-text.ts'
import { textUpTo } from './option-values.ts'
import { printable } from './printable.ts'
import { tableText } from './result-output.ts'
import { namedRules, refuseRole } from './rule-versions.ts'
import { openSession } from './session.ts'

type EntryFlags = { readonly until?: bigint; readonly note?: string }

const valueLengthMax = 1_000
const noteLengthMax = 1_000
const latestMs = Date.UTC(9999, 11, 31)

export function addEntryCommands(command: Command, project: Project): void {
  command
    .command('entries')
    .description('what is added to lists, and which rules are snoozed for whom')
    .option('--all', 'what was taken back or is over, too')
    .action(async ({ all }: { readonly all?: true }) => {
      const { deltaBasePath, clock } = await versionedRules(openSession(project).config)
      const additions = await readAdditions(deltaBasePath)
      process.stdout.write(printable(entriesText(all ? additions : standing(additions, clock()))))
    })
  const list = () => new Argument('<list>', 'a list of texts of the active rules')
  const value = () => new Argument('<value>', 'the element').argParser(valueText)
  command
    .command('add')
    .description('add an element to a list from the next batch on, without a version')
    .addArgument(list())
    .addArgument(value())
    .option('--until <time>', 'it counts until then: a time, or "7 days" from now', untilOf)
    .option('--note <text>', 'why', textUpTo(noteLengthMax))
    .action((name: string, text: string, { until, note }: EntryFlags) =>
      change(project, { event: 'added', list: name, rule: null, value: text, ...ends(until, note) }),
    )
  command
    .command('remove')
    .description('take an element back that was added')
    .addArgument(list())
    .addArgument(value())
    .option('--note <text>', 'why', textUpTo(noteLengthMax))
    .action((name: string, text: string, { note }: EntryFlags) =>
      change(project, { event: 'removed', list: name, rule: null, value: text, ...ends(undefined, note) }),
    )
  const rule = () => new Argument('<rule>', 'the name of an active rule')
  const person = () => new Argument('<person>', 'for whom, as user_id has it').argParser(valueText)
  command
    .command('snooze')
    .description('let a rule not fire for a person until a time')
    .addArgument(rule())
    .addArgument(person())
    .requiredOption('--until <time>', 'a time, or "7 days" from now', untilOf)
    .option('--note <text>', 'why', textUpTo(noteLengthMax))
    .action((name: string, text: string, { until, note }: EntryFlags) =>
      change(project, { event: 'added', list: null, rule: name, value: text, ...ends(until, note) }),
    )
  command
    .command('wake')
    .description('take a snooze back')
    .addArgument(rule())
    .addArgument(person())
    .option('--note <text>', 'why', textUpTo(noteLengthMax))
    .action((name: string, text: string, { note }: EntryFlags) =>
      change(project, { event: 'removed', list: null, rule: name, value: text, ...ends(undefined, note) }),
    )
}

function ends(until: bigint | undefined, note: string | undefined) {
  return { untilMicros: until ?? null, note: note ?? null }
}

async function change(project: Project, of: ListChange): Promise<void> {
  const { config } = openSession(project)
  const { policy, deltaBasePath, clock } = await versionedRules(config)
  const by = await commandActor(config)
  if (policy.kind === 'other_person') refuseRole(by, 'analyst')
  // What was added can be taken back when the rules have no such list any more.
  if (of.event === 'added') {
    const rules = await namedRules(config, 'active')
    if (of.list !== null) checkList(of.list, of.value, rules.lists)
    if (of.rule !== null) {
      checkRule(
        of.rule,
        rules.rules.map(({ name }) => name),
      )
      const person = personColumn(config.lakehouse)
      if (isPerson(person, of.value) === null) {
        const message = `${JSON.stringify(of.value)} is no ${person.name}: it is ${person.type}.`
        throw new LakehouseError('CONFIG_INVALID', message)
      }
    }
  }
  await changeLists(deltaBasePath, of, by, clock())
  const what = of.list === null ? `${of.rule} for ${of.value}` : `${of.value} of ${of.list}`
  const done =
    of.list === null ? { added: 'snoozed', removed: 'awake' } : { added: 'added', removed: 'removed' }
  process.stdout.write(printable(`${what}: ${done[of.event]}, from the next batch on\n`))
}

function checkList(name: string, value: string, lists: Readonly<Record<string, RuleList>>): void {
  const list = Object.hasOwn(lists, name) ? lists[name] : undefined
  if (list?.kind === 'texts') {
    if (!list.elements.includes(value)) return
    throw new LakehouseError('CONFIG_INVALID', `${value} is in ${name} already: the active rules have it.`)
  }
  const texts = Object.keys(lists).filter((one) => lists[one]?.kind === 'texts')
  const known = texts.length === 0 ? 'they have none' : `there is ${texts.join(', ')}`
  const why =
    list === undefined ? `no list ${name}` : `no list of texts ${name}: numbers stand in the version`
  throw new LakehouseError('CONFIG_INVALID', `the active rules have ${why}; ${known}.`)
}

function checkRule(name: string, names: readonly string[]): void {
  if (names.includes(name)) return
  throw new LakehouseError('CONFIG_INVALID', `there is no active rule ${name}; there is ${names.join(', ')}.`)
}

function entriesText(additions: readonly Addition[]): string {
  if (additions.length === 0) return 'nothing is added to the lists, and no rule is snoozed\n'
  const rows = additions.map((one) => [
    one.list ?? `snooze of ${one.rule}`,
    one.value,
    instantText(one.untilMicros),
    one.user,
    instantText(one.atMicros),
    instantText(one.removedAtMicros),
    one.note ?? '',
  ])
  return tableText(['list', 'value', 'until', 'by', 'added', 'taken back', 'note'], rows)
}

/** Microseconds since the epoch. */
function untilOf(text: string): bigint {
  const nowMs = Date.now()
  const duration = parseDuration(text)
  const ms = duration === null ? parseInstantMs(text) : nowMs + Number(duration / 1000n)
  if (ms === null)
    throw new InvalidArgumentError('It must be a time such as 2026-12-01T12:00:00Z, or "7 days".')
  if (ms > latestMs) throw new InvalidArgumentError('It must be a time before the year 10000.')
  if (ms <= nowMs) throw new InvalidArgumentError('It must be a time to come.')
  return BigInt(ms) * 1000n
}

function valueText(text: string): string {
  if (text !== '' && text.length <= valueLengthMax && text.isWellFormed() && !text.includes('\0')) return text
  throw new InvalidArgumentError(`It must be a text of 1 to ${valueLengthMax} characters.`)
}
