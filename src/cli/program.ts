// Finds the command, runs it, and turns what it throws into one clear line and an exit code.
import { Command, CommanderError } from 'commander'
import { inHome } from '../config/values.ts'
import { LakehouseError } from '../errors/errors.ts'
import type { Project } from '../project/project.ts'
import { openWithModels } from './brought-models.ts'
import { type CommandEntry, commands } from './commands.ts'
import { exitCodes, reportFailure } from './failure.ts'
import { packageVersion } from './package-version.ts'

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
    .version(packageVersion, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .addHelpText('after', helpFooter)
    .option(projectOption, 'the project to work for (default: the assay.config.ts from here upwards)')
    .showSuggestionAfterError()
  try {
    const { project: of, others } = withoutProject(args)
    const called = others.filter((argument) => !argument.startsWith('-')).slice(0, 2)
    const isOne = commands.some(({ name }) => called.includes(name))
    const project = isOne ? await openWithModels(process.cwd(), of) : null
    for (const entry of commands) {
      program.addCommand(
        project !== null && called.includes(entry.name)
          ? await loaded(entry, project)
          : new Command(entry.name).summary(entry.summary),
      )
    }
    prepare(program, said)
    await program.parseAsync(withSqlLast(named(others)), { from: 'user' })
    return typeof process.exitCode === 'number' ? process.exitCode : exitCodes.ok
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
    return reportFailure(error, { write: said.writeErr })
  }
}

/** The command with its help; what is called by a second word has the examples too. */
async function loaded({ summary, does, examples, load }: CommandEntry, project: Project): Promise<Command> {
  const list = examples.map((example) => `  ${example}\n`).join('')
  return (await load(project))
    .summary(summary)
    .description(does)
    .addHelpText('afterAll', `\nExamples:\n${list}`)
}

const projectOption = '--project <directory>'

/** The project may be named anywhere: what a command can be asked depends on it, so it is read before. */
function withoutProject(args: readonly string[]): {
  readonly project: string | null
  readonly others: readonly string[]
} {
  const end = args.indexOf('--')
  const at = args.findIndex((argument) => argument === '--project' || argument.startsWith('--project='))
  if (at < 0 || (end >= 0 && at > end)) return { project: null, others: args }
  const [argument, next] = [args[at]!, args[at + 1]]
  const isInside = argument.startsWith('--project=')
  const project = isInside ? argument.slice('--project='.length) : next
  if (project === undefined || project === '') {
    throw new LakehouseError('CONFIG_INVALID', '--project needs the directory of a project.')
  }
  return {
    project: inHome(project),
    others: args.filter((_, index) => index !== at && (isInside || index !== at + 1)),
  }
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
