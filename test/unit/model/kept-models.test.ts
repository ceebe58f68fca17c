// The models of the rules are in the lakehouse: a copy of it has them, and a checkout without them gets them
// back, with those of versions that do not decide any more.
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ruleModelsDefinition, ruleModelsPath } from '../../../src/ops/rule-models.ts'
import { openOpsTable } from '../../../src/ops/tables.ts'
import { modelFileName } from '../../../src/rules/index.ts'
import { bringModels, storeModels } from '../../../src/versions/model-store.ts'
import { runCommand } from '../project/command.ts'
import { smallModel } from './small-model.ts'

const file = modelFileName(smallModel, 'txt')
const card = file.replace('.txt', '.card.json')
const rules = (model: string, when: string) => `levels: { HIGH: 50, LOW: 10 }
review_from: 50
${model}
rules:
  - { name: risky, when: ${when}, points: 50, says: risky }
`
const withModel = rules(
  `model: { file: ./${file}, features: { hour: transaction_hour } }`,
  'model_score > 0.5',
)
const without = rules('', 'amount > 1000')
const config = `import { transactions } from 'assay-lakehouse'
export default transactions({ topic: 'shop', rules: './rules.yaml' })
`

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'assay-kept-models-'))
})
afterAll(() => rm(root, { recursive: true, force: true }))

async function checkout(name: string, text: string) {
  const directory = join(root, name)
  await mkdir(join(directory, 'node_modules'), { recursive: true })
  await symlink(join(import.meta.dirname, '../../..'), join(directory, 'node_modules', 'assay-lakehouse'))
  const write = (path: string, content: string) => writeFile(join(directory, path), content)
  await write('package.json', '{ "type": "module" }')
  await write('assay.config.ts', config)
  await write('rules.yaml', text)
  const said = async (args: readonly string[], settings = {}) =>
    await runCommand(directory, args, { DASHBOARD_PORT: '0', METRICS_PORT: '0', ...settings })
  const assay = async (...args: readonly string[]) => {
    const { stdout, stderr, code } = await said(args)
    if (code !== 0) throw new Error(`assay ${args.join(' ')} ended with ${code}:\n${stdout}\n${stderr}`)
    return { stdout, stderr }
  }
  return { directory, write, assay, said }
}

const scored = 'SELECT count(*) AS rows, count(model_score) AS scored FROM fraud_detection'

test('a checkout without its model, and one that only got a copy of the lakehouse, have it again', async () => {
  const first = await checkout('first', withModel)
  await first.write(file, smallModel)
  await first.write(card, '{"model":"as it was trained"}')
  await first.assay('produce', '--to', 'data', '--count', '40')
  await first.assay('run', '--once', '--from', 'data')
  await first.assay('backup', join(root, 'copy'))

  const second = await checkout('second', withModel)
  const base = { DELTA_BASE_PATH: join(first.directory, 'lakehouse') }
  const { code, stderr } = await second.said(['rules', 'check'], base)
  expect(stderr).toContain(`${join(second.directory, file)} was gone: it came back from`)
  expect(code).toBe(0)
  expect(await readFile(join(second.directory, file), 'utf8')).toBe(smallModel)
  expect(await readFile(join(second.directory, card), 'utf8')).toBe('{"model":"as it was trained"}')
  expect((await second.said(['rules', 'check'], base)).stderr).toBe('')

  const third = await checkout('third', without)
  await third.assay('restore', join(root, 'copy'))
  await third.assay('produce', '--to', 'data', '--count', '60')
  await third.assay('run', '--once', '--from', 'data')
  // The version that asks the model decided before, and can decide again.
  await third.assay('rules', 'rollback')
  expect(existsSync(join(third.directory, file))).toBe(true)
  await third.assay('produce', '--to', 'data', '--count', '70', '--seed', '3')
  await third.assay('run', '--once', '--from', 'data')
  const { stdout } = await third.assay('query', '--json', scored)
  const { rows, scored: withScore } = JSON.parse(stdout)
  expect(withScore).toBeGreaterThan(40)
  expect(rows).toBeGreaterThan(withScore)
  expect((await third.assay('verify')).stdout).toContain('none failed')
}, 120_000)

test('what is stored and is not what its name says does not come back', async () => {
  const [deltaBasePath, folder] = [join(root, 'altered', 'lakehouse'), join(root, 'altered')]
  await mkdir(folder)
  const place = { deltaBasePath, rulesFile: join(folder, 'rules.yaml') }
  await writeFile(join(folder, file), smallModel)
  await storeModels(place, [withModel], 0n)
  await rm(join(folder, file))
  expect(await bringModels(place, [withModel])).toEqual([join(folder, file)])

  await rm(join(folder, file))
  await rm(join(deltaBasePath, 'rules'), { recursive: true })
  const table = await openOpsTable(deltaBasePath, ruleModelsPath, { ...ruleModelsDefinition, properties: {} })
  await table.appendRows([{ file, content: `${smallModel} `, card: null, stored_at: null }], {
    appId: 'test',
    version: 1n,
  })
  expect(await bringModels(place, [withModel])).toEqual([])
  expect(existsSync(join(folder, file))).toBe(false)
})
