// The `assay` command.
import { exitCodes } from './failure.ts'
import { runProgram } from './program.ts'

// A reader that has enough (`assay query .. | head`) closes the pipe: that ends the command and is no
// failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.ok)
  throw error
})
// Nobody reads the log any more; the pipeline itself goes on.
process.stderr.on('error', () => {})

process.exitCode = await runProgram(process.argv.slice(2))
