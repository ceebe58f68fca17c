// The page of the worked example: its figures are what its script writes, made of the commands of the page.
import { execFile } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, expect, test } from 'vitest'

const root = join(import.meta.dirname, '..', '..')
const page = join(root, 'docs', 'guide', 'worked-example.md')
const work = mkdtempSync(join(tmpdir(), 'assay-worked-example-'))
afterAll(() => rmSync(work, { recursive: true, force: true }))

/** What stands between markers, by the name of the figures. */
function figuresOf(text: string): ReadonlyMap<string, string> {
  const blocks = text.matchAll(/<!-- figures: (.+?) -->\n([\s\S]*?)<!-- end of figures -->/g)
  return new Map([...blocks].map(([, name, block]) => [name!, block!.trim()]))
}

/** Figures as their form alone: what another run, or another number of transactions, may change. */
const formOf = (block: string): string =>
  block.replace(/\d[\d,.]*(?: %)?|–/g, '#').replaceAll('# (# to #)', '#')

test('the figures of the page have the form that its script writes, for fewer transactions too', async () => {
  const small = join(work, 'page.md')
  copyFileSync(page, small)
  const script = join(root, 'docs', 'worked-example.ts')
  await promisify(execFile)(process.execPath, [script, '--transactions', '40000', '--page', small])
  const [shown, written] = [page, small].map((path) => figuresOf(readFileSync(path, 'utf8')))
  expect([...written!.keys()]).toEqual([
    ...['data', 'shipped', 'shipped rules', 'better', 'better rules', 'later'],
  ])
  for (const [name, block] of written!) {
    const form = formOf(shown!.get(name)!)
    // Few transactions may lack a kind of fraud.
    if (name === 'data') expect(form.split('\n')).toEqual(expect.arrayContaining(formOf(block).split('\n')))
    else expect(form, name).toBe(formOf(block))
  }
  expect(written!.get('data')).toContain('40,000 transactions')
}, 240_000)

test('the commands of the page are those that the script calls', () => {
  const commands = [...readFileSync(page, 'utf8').matchAll(/^ {4}npx assay (.+)$/gm)].map(([, of]) => of!)
  const script = readFileSync(join(root, 'docs', 'worked-example.ts'), 'utf8')
  for (const command of commands.filter((one) => !one.startsWith('rules test'))) {
    for (const word of command.split(/\s+/).filter((one) => !one.includes('yaml'))) {
      if (/^(--capacity|--count|--samples|data|chargebacks\.csv|\d+)$/.test(word)) continue
      expect(script, word).toContain(word)
    }
  }
  expect(commands.length).toBe(7)
})

test('the example begins with the rules that ship', () => {
  const shipped = readFileSync(join(root, 'src', 'lakehouse', 'rules.yaml'), 'utf8')
  expect(readFileSync(join(root, 'examples', 'fraud-team', 'rules.yaml'), 'utf8')).toBe(shipped)
})

test('the better rules do what their examples say', async () => {
  const assay = [join(root, 'bin', 'assay.js'), 'rules', 'test', 'better.yaml']
  const cwd = join(root, 'examples', 'fraud-team')
  const { stdout } = await promisify(execFile)(process.execPath, assay, { cwd })
  expect(stdout.match(/ok, 2 examples/g)).toHaveLength(6)
})
