import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { commands } from '../../../src/cli/commands.ts'
import { runProgram } from '../../../src/cli/program.ts'

const bin = join(dirname(dirname(dirname(import.meta.dirname))), 'bin', 'assay.js')

function assay(...args: string[]) {
  const environment = { ...process.env, DELTA_BASE_PATH: join(import.meta.dirname, 'absent') }
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, ...args], {
    encoding: 'utf8',
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return { status, stdout, stderr }
}

/** In this process, for what ends before anything is opened. */
async function said(...args: string[]) {
  const [out, err]: [string[], string[]] = [[], []]
  const status = await runProgram(args, {
    writeOut: (text) => void out.push(text),
    writeErr: (text) => void err.push(text),
  })
  return { status, stdout: out.join(''), stderr: err.join('') }
}

test('the help lists every command', () => {
  const { status, stdout } = assay('--help')
  expect(status).toBe(0)
  for (const { name, summary } of commands) {
    expect(stdout).toContain(`  ${name} `)
    expect(stdout).toContain(summary.split(' ')[0])
  }
})

test.each(commands.map(({ name }) => name))(
  'assay %s --help says what it does, with an example',
  async (name) => {
    const { status, stdout } = await said(name, '--help')
    expect(status).toBe(0)
    const { does, examples } = commands.find((command) => command.name === name)!
    expect(stdout).toContain(`Usage: assay ${name}`)
    expect(stdout.replace(/\s+/g, ' ')).toContain(does)
    expect(examples.length).toBeGreaterThan(0)
    for (const example of examples) expect(stdout).toContain(`\n  ${example}\n`)
    const isWide = (line: string): boolean => line.length > 80 && !examples.includes(line.trim())
    expect(stdout.split('\n').filter(isWide)).toEqual([])
  },
)

test('the version is that of the package', () => {
  expect(assay('--version').stdout).toMatch(/^\d+\.\d+\.\d+/)
})

test.each([
  ['nonsense'],
  ['query', '--nonsense'],
  ['query', '--csv', '--json', 'select 1'],
  ['table', 'describe'],
  ['table', 'describe', 'nonsense'],
  ['table', 'nonsense'],
  ['explain', 'nonsense'],
  ['run', 'nonsense'],
  ['run', '--finalize'],
  ['run', '--engine', 'nonsense'],
  ['query', '--timeout', 'soon', 'select 1'],
  ['query', '--memory', '1', 'select 1'],
  ['help', 'nonsense'],
])('assay %s %s %s is a wrong usage: exit code 2 and nothing on stdout', async (...args) => {
  const { status, stdout, stderr } = await said(...args.filter((argument) => argument !== undefined))
  expect(status).toBe(2)
  expect(stdout).toBe('')
  expect(stderr).not.toBe('')
})

test('the help of what is no command names the nearest one', async () => {
  const { stderr } = await said('help', 'dmo')
  expect(stderr).toBe("error: unknown command 'dmo'\n(Did you mean demo?)\n")
})

test.each(
  [
    'verify',
    'verify --json',
    'status',
    'status --json',
    'why nobody',
    'backtest',
    'review list',
    'rebuild gold.transactions',
    'backup COPY',
    'table describe silver.transactions',
  ].map((line) => [line]),
)(
  'assay %s of a path without tables fails, asks for DELTA_BASE_PATH and makes nothing there',
  async (line) => {
    const directory = mkdtempSync(join(tmpdir(), 'assay-absent-'))
    vi.stubEnv('DELTA_BASE_PATH', join(directory, 'absent'))
    try {
      const { status, stdout, stderr } = await said(
        ...line.replace('COPY', join(directory, 'copy')).split(' '),
      )
      expect([status, stdout]).toEqual([1, ''])
      expect(stderr).toMatch(/^assay: .*absent.*DELTA_BASE_PATH.* \[DELTA_TABLE_NOT_FOUND\]\n$/)
      expect(existsSync(join(directory, 'absent'))).toBe(false)
    } finally {
      vi.unstubAllEnvs()
      rmSync(directory, { recursive: true })
    }
  },
)

test.each([
  ['run', '--once', '--from'],
  ['infer', '--from'],
  ['labels', 'import'],
  ['decide'],
  ['rules', 'check'],
  ['backtest'],
])('assay %s %s of a file that is not there fails alike', async (...given) => {
  const args = given.filter((argument) => argument !== undefined)
  vi.stubEnv('DELTA_BASE_PATH', join(import.meta.dirname, 'absent'))
  const { status, stderr } = await said(...args, 'nowhere').finally(() => vi.unstubAllEnvs())
  expect(status).toBe(1)
  const advice = ': give an NDJSON file or a directory of such files.'
  const text = args.includes('--from') ? `file or directory nowhere${advice}` : 'file nowhere.'
  expect(stderr.split('\n').at(-2)).toBe(`assay: there is no ${text} [FILE_NOT_FOUND]`)
})

test('a user without a password is told how one is given', () => {
  const directory = mkdtempSync(join(tmpdir(), 'assay-users-'))
  const { status, stderr } = spawnSync(process.execPath, [bin, 'users', 'add', 'ann'], {
    ...{ encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] },
    env: { ...process.env, DASHBOARD_USERS_FILE: join(directory, 'users.json'), DELTA_BASE_PATH: directory },
  })
  expect(status).toBe(2)
  expect(stderr).toMatch(/no password came by standard input: type it at a terminal, or pipe one line/)
  expect(readdirSync(directory)).toEqual([])
  rmSync(directory, { recursive: true })
})

test('a failure has exit code 1 and one line on stderr', () => {
  const { status, stderr } = assay('why', 'nobody')
  expect(status).toBe(1)
  expect(stderr).toMatch(/^assay: .*\[DELTA_TABLE_NOT_FOUND\]\n$/)
})

test('a reader that closes the pipe early ends the command without a failure', () => {
  const script = `"${process.execPath}" "${bin}" query --json "from range(300000)" | head -1; echo "\${PIPESTATUS[0]}"`
  const { stdout, stderr } = spawnSync('bash', ['-c', script], { encoding: 'utf8' })
  expect(stdout).toBe('{"range":0}\n0\n')
  expect(stderr).toBe('')
})

test('SQL that begins with a comment is no option', () => {
  const { status, stdout } = assay('query', '-- one\nselect 1 as one', '--csv')
  expect(stdout).toBe('one\n1\n')
  expect(status).toBe(0)
})

test('show tables where none is written says so, and gives a result without rows', () => {
  const { status, stdout, stderr } = assay('query', '--csv', 'show tables')
  expect(stdout).toBe('name\n')
  expect(stderr).toMatch(/absent has no table yet: .*DELTA_BASE_PATH/)
  expect(status).toBe(0)
})

test.skipIf(process.platform !== 'linux')(
  'query without SQL at a terminal says how; piped SQL is read',
  () => {
    const command = `"${process.execPath}" "${bin}" query`
    const typed = spawnSync('script', ['-qefc', command, '/dev/null'], { encoding: 'utf8', timeout: 60_000 })
    expect(typed.stdout).toMatch(/there is no SQL[\s\S]*assay query "show tables"/)
    expect(typed.status).toBe(2)
    const piped = spawnSync('bash', ['-c', `echo "select 2 as two" | ${command} --csv`], { encoding: 'utf8' })
    expect(piped.stdout).toBe('two\n2\n')
  },
)
