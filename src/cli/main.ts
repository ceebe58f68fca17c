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

const starterAskedEveryMs = 500

endWithStarter()
process.exitCode = await runProgram(process.argv.slice(2))

/** npm hands a signal to its shell, and not to what that runs: when both are gone, this process ends too. */
function endWithStarter(): void {
  if (process.env.npm_command === undefined) return
  const starter = process.ppid
  const watch = setInterval(() => {
    if (process.ppid === starter) return
    clearInterval(watch)
    process.kill(process.pid, 'SIGTERM')
  }, starterAskedEveryMs).unref()
}
