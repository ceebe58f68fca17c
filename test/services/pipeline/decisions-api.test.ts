// Requests that schemathesis makes up of the OpenAPI description: answers are as it says.
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { deciderOptions } from '../../../src/cli/pipeline-options.ts'
import { loadConfig } from '../../../src/config/config.ts'
import { Decider } from '../../../src/decisions/decider.ts'
import type { Decision } from '../../../src/decisions/decision-answer.ts'
import { chunkOf } from '../../../src/decisions/decision-requests.ts'
import { serveDecisions } from '../../../src/decisions/decision-server.ts'
import { decisionsApi } from '../../../src/decisions/open-api.ts'
import { RequestKeys } from '../../../src/decisions/request-keys.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { paymentsLakehouse } from '../../compare/payments-project.ts'
import { turnSeed as seed } from '../../turns.ts'
import { pythonAvailable, pythonEnvironment } from '../tools.ts'
import { temporaryDirectory } from './assay.ts'

const requirements = ['schemathesis==4.32.5', 'openapi-spec-validator==0.9.0']
const token = 'a-token-of-some-length'
const nowMicros = BigInt(Date.parse('2026-11-02T12:00:00Z')) * 1000n

test.skipIf(pythonAvailable !== null)(`requests of all kinds (repeat with SEED=${seed})`, async () => {
  const python = await pythonEnvironment('schemathesis', requirements)
  const { url, decided } = await served()
  const directory = await temporaryDirectory()
  // Two requests may be made up that have one key and another body.
  const refused = '[checks.positive_data_acceptance]\nexpected-statuses = ["2xx", "401", "422", "5xx"]\n'
  await writeFile(join(directory, 'schemathesis.toml'), refused)
  const options = ['--header', `Authorization: Bearer ${token}`, '--seed', String(seed), '--no-color']
  // A stream has no end.
  options.push('--exclude-path', '/v1/decisions/stream')
  const { code, output } = await ran(
    join(dirname(python), 'schemathesis'),
    ['run', `${url}/openapi.json`, ...options],
    directory,
  )
  expect(code, output).toBe(0)
  expect(output).toMatch(/\d+ generated, \d+ passed/)
  // Whatever it does not come to is not shown.
  expect(decided).toEqual(new Set(['scored', 'refused']))
})

test.skipIf(pythonAvailable !== null)('the description is one, also of a project', async () => {
  const directory = await temporaryDirectory()
  const files = [standardLakehouse, paymentsLakehouse].map((lakehouse, index) => ({
    ...{ file: join(directory, `${index}.json`) },
    api: decisionsApi(lakehouse, { version: '1.0.0', needsToken: index === 1 }),
  }))
  for (const { file, api } of files) await writeFile(file, JSON.stringify(api))
  const validator = join(
    dirname(await pythonEnvironment('schemathesis', requirements)),
    'openapi-spec-validator',
  )
  const { code, output } = await ran(
    validator,
    files.map(({ file }) => file),
    directory,
  )
  expect(code, output).toBe(0)
})

function ran(
  program: string,
  args: readonly string[],
  cwd: string,
): Promise<{ readonly code: number | null; readonly output: string }> {
  return new Promise((resolve) => {
    const child = execFile(program, args, { cwd, maxBuffer: 2 ** 26 }, (_, stdout, stderr) =>
      resolve({ code: child.exitCode, output: stdout + stderr }),
    )
  })
}

/** What is produced is on the topic at once, and is decided from there. */
async function served() {
  const base = await temporaryDirectory()
  const config = loadConfig(standardLakehouse, { DELTA_BASE_PATH: base }, join(base, '.env'))
  const decider = await Decider.open({ ...deciderOptions(config), registry: null })
  onTestFinished(() => decider.close())
  const decided = new Set<Decision['decision']>()
  let next = 0n
  const server = await serveDecisions({
    ...{
      lakehouse: standardLakehouse,
      version: '1.0.0',
      keys: new RequestKeys(),
      keysRead: Promise.resolve(),
    },
    address: {
      ...{ host: 'localhost', port: 20_000 + (process.pid % 20_000) },
      token: { kind: 'text', text: { reveal: () => token } },
    },
    tryOut: (records) => decider.tryOut(chunkOf('asked', records), nowMicros),
    produce: async (records) => {
      const start = next
      next += BigInt(records.length)
      const offsets = BigInt64Array.from(records, (_, index) => start + BigInt(index))
      const chunk = { ...chunkOf('asked', records), offsets }
      const ranges = [{ topic: 'asked', partition: 0, start, end: next }]
      const decisions = decider.follow({ chunks: [chunk], ranges, waiting: [] }, nowMicros)
      for (const { decision } of decisions) decided.add(decision)
      const decidedRecords = decisions.map((decision, index) => ({
        ...{ decision, text: Buffer.from(JSON.stringify(decision)) },
        ...{ topic: decision.topic, partition: decision.partition, offset: decision.offset },
        headers: Object.entries(records[index]!.headers).map(([key, text]) => ({
          ...{ key, value: Buffer.from(text) },
        })),
      }))
      server.onDecided(decidedRecords)
      server.onPublished(decidedRecords)
    },
  })
  onTestFinished(() => server.close())
  return { url: server.url, decided }
}
