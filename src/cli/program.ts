// Finds the command, runs it, and turns what it throws into one clear line and an exit code.
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { standardLakehouse } from '../lakehouse/index.ts'
import type { Lakehouse } from '../plan/index.ts'
import { type CommandEntry, commands } from './commands.ts'
import { exitCodes, reportFailure } from './failure.ts'

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))

/** Where help and refusals go. */
export type Said = {
  readonly writeOut: (text: string) => void
  readonly writeErr: (text: string) => void
}

const ofProcess: Said = {
  writeOut: (text) => void process.stdout.write(text),
  writeErr: (text) => void process.stderr.write(text),
}

const helpFooter = `
Settings come from .env and the environment; "assay run --help" lists them.
Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.`

/** Runs a command and gives the exit code of the process; what commander says goes to `said`. */
export async function runProgram(args: readonly string[], said: Said = ofProcess): Promise<number> {
  const program = new Command('assay')
    .description('Real-time fraud detection on a lakehouse: Kafka to Delta Lake, exactly once.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .addHelpText('after', helpFooter)
    .showSuggestionAfterError()
  const called = args.filter((argument) => !argument.startsWith('-')).slice(0, 2)
  for (const entry of commands) {
    program.addCommand(
      called.includes(entry.name)
        ? await loaded(entry, standardLakehouse)
        : new Command(entry.name).summary(entry.summary),
    )
  }
  prepare(program, said)
  try {
    await program.parseAsync(withSqlLast(named(args)), { from: 'user' })
    return typeof process.exitCode === 'number' ? process.exitCode : exitCodes.ok
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
    return reportFailure(error, { write: said.writeErr })
  }
}

/** The command with its help; what is called by a second word has the examples too. */
async function loaded(
  { summary, does, examples, load }: CommandEntry,
  lakehouse: Lakehouse,
): Promise<Command> {
  const list = examples.map((example) => `  ${example}\n`).join('')
  return (await load(lakehouse))
    .summary(summary)
    .description(does)
    .addHelpText('afterAll', `\nExamples:\n${list}`)
}

/** `help` of what is no command is refused as the command is, which names the nearest one. */
function named(args: readonly string[]): readonly string[] {
  const [first, second = 'help'] = args
  const isKnown = second === 'help' || second.startsWith('-') || commands.some(({ name }) => name === second)
  return first === 'help' && !isKnown ? [second] : args
}

/** SQL may begin with a comment, which looks like an option: it goes behind the options. */
function withSqlLast(args: readonly string[]): readonly string[] {
  const isSql = (argument: string): boolean =>
    argument.startsWith('--') && argument !== '--' && !/^--[a-z][a-z-]*(=|$)/.test(argument)
  if (args[0] !== 'query' || args.includes('--') || !args.some(isSql)) return args
  return [...args.filter((argument) => !isSql(argument)), '--', ...args.filter(isSql)]
}

/** Commander would end the process itself, with 1 for a wrong usage. */
function prepare(command: Command, said: Said): void {
  command.exitOverride().configureOutput(said)
  for (const below of command.commands) prepare(below, said)
}
