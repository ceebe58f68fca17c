// Every command of README, as it stands there, one after another: a new user's first half hour.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type SharedBroker, sharedBroker } from './shared.ts'
import { javaAvailable } from './tools.ts'

const root = dirname(dirname(import.meta.dirname))
const lines = [
  ...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/^ {4}((?:npx assay|export) .+)$/gm),
].map((found) => found[1]!.replace(/ {2,}# .*$/, ''))
const commands = lines.filter((line) => line.startsWith('npx assay'))
/** The commands behind this line have tables of their own. */
const isOwnTables = (line: string): boolean => line === 'export DELTA_BASE_PATH=$PWD/lakehouse'
/** Commands that go on until they are stopped, and what tells that they are at work. */
const endless: Readonly<Record<string, RegExp>> = {
  'npx assay demo': /^[1-9][\d,]* records \|/m,
  'npx assay produce --rate 1000': /records\/s/,
  'npx assay run': /batch \d+: \d+ records/,
  'npx assay init ../my-payments && cd ../my-payments && npm install && npx assay demo':
    /^[1-9][\d,]* records \|/m,
}

describe.skipIf(javaAvailable !== null)('README', () => {
  let broker: SharedBroker
  let work: string
  let home: string
  let base = 'kafka-lakehouse'
  beforeAll(async () => {
    broker = await sharedBroker()
    await broker.createTopic('ecommerce.transactions', 2)
    work = await mkdtemp(join(tmpdir(), 'assay-readme-'))
    // A project beside the checkout is beside this one.
    home = join(work, 'assay')
    await mkdir(home)
  })
  afterAll(async () => {
    await broker?.leave()
    await rm(work, { recursive: true, force: true })
  })

  function start(command: string): ChildProcess {
    const environment = {
      ...process.env,
      PATH: `${join(root, 'node_modules', '.bin')}${delimiter}${process.env.PATH}`,
      KAFKA_BOOTSTRAP_SERVERS: broker.bootstrapServers.join(','),
      DELTA_BASE_PATH: join(home, base),
    }
    // In a directory of its own, where npx would look for a package of this name: the checkout's is meant.
    const steps = command.replaceAll('npx assay', 'assay').split(' && ')
    steps.push(`exec ${steps.pop()}`)
    return spawn('bash', ['-c', steps.join(' && ')], { cwd: home, env: environment, stdio: 'pipe' })
  }

  async function output(command: string, until?: RegExp): Promise<{ code: number | null; text: string }> {
    const child = start(command)
    let text = ''
    const take = (bytes: Buffer): void => {
      text += bytes
      // Once: a second signal would end it without its last words.
      if (until?.test(text) && !child.killed) child.kill('SIGTERM')
    }
    child.stdout!.on('data', take)
    child.stderr!.on('data', take)
    const [code] = await once(child, 'close')
    return { code, text }
  }

  async function anyTransaction(): Promise<string> {
    const { text } = await output('assay query --csv "select min(transaction_id) as id from fraud_detection"')
    return text.trim().split(/\s+/)[1]!
  }

  test.each(commands)('%s', async (command) => {
    if (lines.slice(0, lines.indexOf(command)).some(isOwnTables)) base = 'lakehouse'
    const filled = command.includes('<transaction_id>')
      ? command.replace('<transaction_id>', await anyTransaction())
      : command
    const { code, text } = await output(filled, endless[command])
    expect(code, text).toBe(0)
    expect(text).not.toMatch(/^ +late /m)
    if (endless[command]) expect(text).toMatch(endless[command])
  })

  test('it tells of tables of their own', () => {
    expect(lines.some(isOwnTables)).toBe(true)
  })

  test('it shows the commands that matter, and pictures that are there', () => {
    for (const verb of ['demo', 'check', 'produce', 'run', 'query', 'why', 'verify', 'table']) {
      expect(commands.some((command) => command.startsWith(`npx assay ${verb}`))).toBe(true)
    }
    expect(existsSync(join(root, 'docs', 'pictures', 'demo.svg'))).toBe(true)
  })
})
