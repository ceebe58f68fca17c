// The examples, each done as its README says, in a copy. Their tests run here under node:test, and under
// vitest by themselves.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { runCommand } from './command.ts'

const root = join(import.meta.dirname, '../../..')
const directory = mkdtempSync(join(tmpdir(), 'assay-examples-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

for (const name of readdirSync(join(root, 'examples'))) {
  test(`${name} does what its README says`, async () => {
    const project = join(directory, name)
    cpSync(join(root, 'examples', name), project, { recursive: true })
    mkdirSync(join(project, 'node_modules'))
    symlinkSync(root, join(project, 'node_modules/assay-lakehouse')) // As npm does.
    for (const command of commandsOf(readFileSync(join(project, 'README.md'), 'utf8'))) {
      const [program, ...args] = command
      if (program === 'npx') {
        const { stdout, stderr, code } = await runCommand(project, args.slice(1))
        expect(code, `${command.join(' ')}\n${stdout}${stderr}`).toBe(0)
      } else {
        // Without vitest's own variable, by which the example knows who runs it.
        const options = { cwd: project, encoding: 'utf8', env: { PATH: process.env.PATH } } as const
        const { stdout, status } = spawnSync(process.execPath, args, options)
        expect(status, `${command.join(' ')}\n${stdout}`).toBe(0)
      }
    }
  })
}

/** The lines of its block of commands, split as a shell does it. */
function commandsOf(page: string): string[][] {
  const lines = [...page.matchAll(/^ {4}((?:npx assay|node --test) .*?)(?: {2,}#.*)?$/gm)]
  expect(lines.length).toBeGreaterThan(3)
  return lines.map(([, line]) =>
    [...line!.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!),
  )
}
