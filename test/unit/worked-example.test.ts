// The page of the worked example: its figures are what its script writes, made of the commands of the page.
// What it says of a model: test/services/model/worked-example.test.ts.
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { examplePage, exampleScript, formOf, writtenFigures } from './worked-example-page.ts'

const root = join(import.meta.dirname, '..', '..')
const ofRules = ['data', 'shipped', 'shipped rules', 'better', 'better rules', 'later']

test('the figures of the page have the form that its script writes, for fewer transactions too', async () => {
  const { shown, written } = await writtenFigures({}, '--without-model')
  expect([...written.keys()].slice(0, ofRules.length)).toEqual(ofRules)
  for (const name of ofRules) {
    const [is, was] = [formOf(written.get(name)!), formOf(shown.get(name)!)]
    // Few transactions may lack a kind of fraud.
    if (name === 'data') expect(was.split('\n')).toEqual(expect.arrayContaining(is.split('\n')))
    else expect(was, name).toBe(is)
  }
  expect(written.get('data')).toContain('40,000 transactions')
}, 240_000)

test('the commands of the page are those that the script calls', () => {
  const commands = [...readFileSync(examplePage, 'utf8').matchAll(/^ {4}npx assay (.+)$/gm)].map(
    ([, of]) => of!,
  )
  const script = readFileSync(exampleScript, 'utf8')
  for (const command of commands.filter((one) => !one.startsWith('rules test'))) {
    for (const word of command.split(/\s+/).filter((one) => !one.includes('yaml'))) {
      if (/^(--capacity|--count|--samples|data|chargebacks\.csv|\d+)$/.test(word)) continue
      expect(script, word).toContain(word)
    }
  }
  expect(commands.length).toBe(11)
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
