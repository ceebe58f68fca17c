// The `assay` command: finds the command, runs it, and turns what it throws into one clear line and an exit
// code.
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { commands } from './commands.ts'
import { exitCodes, reportFailure } from './failure.ts'

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))

// A reader that has enough (`assay query .. | head`) closes the pipe: that ends the command and is no
// failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.ok)
  throw error
})
// Nobody reads the log any more; the pipeline itself goes on.
process.stderr.on('error', () => {})

const helpFooter = `
Settings come from .env and the environment; "assay run --help" lists them.
Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.`

process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  const program = new Command('assay')
    .description('Real-time fraud detection on a lakehouse: Kafka to Delta Lake, exactly once.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .addHelpText('after', helpFooter)
    .showSuggestionAfterError()
  const called = args.filter((argument) => !argument.startsWith('-')).slice(0, 2)
  for (const { name, summary, load } of commands) {
    program.addCommand((called.includes(name) ? await load() : new Command(name)).summary(summary))
  }
  throwInsteadOfExit(program)
  try {
    await program.parseAsync(withSqlLast(args), { from: 'user' })
    return typeof process.exitCode === 'number' ? process.exitCode : exitCodes.ok
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
    return reportFailure(error, process.stderr)
  }
}

/** SQL may begin with a comment, which looks like an option: it goes behind the options. */
function withSqlLast(args: readonly string[]): readonly string[] {
  const isSql = (argument: string): boolean =>
    argument.startsWith('--') && argument !== '--' && !/^--[a-z][a-z-]*(=|$)/.test(argument)
  if (args[0] !== 'query' || args.includes('--') || !args.some(isSql)) return args
  return [...args.filter((argument) => !isSql(argument)), '--', ...args.filter(isSql)]
}

/** Commander would end the process itself, with 1 for a wrong usage. */
function throwInsteadOfExit(command: Command): void {
  command.exitOverride()
  command.commands.forEach(throwInsteadOfExit)
}
