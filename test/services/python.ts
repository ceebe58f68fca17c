// A Python interpreter that stays open: tests send it code and get back what it leaves in `result`, as JSON.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

const loop = `
import json, os, sys, traceback
scope = {}
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1) # What the code itself prints is not an answer.
for line in sys.stdin:
    request = json.loads(line)
    scope["inputs"] = request["inputs"]
    scope["result"] = None
    try:
        exec(request["code"], scope)
        answer = {"result": scope["result"]}
    except BaseException:
        answer = {"error": traceback.format_exc()}
    answers.write(json.dumps(answer, default=str) + "\\n")
    answers.flush()
`
const outputKeptMax = 20_000
const errorShownMax = 3000

export class PythonProcess {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #answers: AsyncIterator<string>
  #output = ''

  constructor(python: string, environment: Readonly<Record<string, string>> = {}) {
    this.#child = spawn(python, ['-u', '-c', loop], { env: { ...process.env, ...environment } })
    this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
    this.#child.stderr.on('data', (data: Buffer) => {
      this.#output = (this.#output + data.toString()).slice(-outputKeptMax)
    })
  }

  /** Runs `code` with `inputs` (a dict) in scope; variables stay for the next call. */
  // biome-ignore lint/suspicious/noExplicitAny: the test that wrote the Python code knows what it returns.
  async run(code: string, inputs: Readonly<Record<string, unknown>> = {}): Promise<any> {
    this.#child.stdin.write(`${JSON.stringify({ code, inputs })}\n`)
    const answer = await this.#answers.next()
    if (answer.done) throw new Error(`Python ended:\n${this.#output}`)
    const { result, error } = JSON.parse(answer.value)
    if (error !== undefined)
      throw new Error(`${error.slice(0, errorShownMax)}\n${this.#output.slice(-errorShownMax)}`)
    return result
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.stdin.end()
    await ended
  }
}
