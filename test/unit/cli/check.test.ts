import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { check } from '../../../src/cli/check.ts'
import { loadConfig } from '../../../src/config/config.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { type SmallLakehouse, smallLakehouse } from './small-lakehouse.ts'

let lakehouse: SmallLakehouse
beforeAll(async () => {
  lakehouse = await smallLakehouse()
})
afterAll(() => lakehouse.remove())

/** Nothing listens on port 1. */
const noKafka = { KAFKA_BOOTSTRAP_SERVERS: 'localhost:1' }

async function lines(
  environment: Record<string, string>,
  from?: string,
): Promise<{ code: number; text: string }> {
  let text = ''
  const write = (line: string) => {
    text += line
  }
  const load = () =>
    loadConfig(
      standardLakehouse,
      { ...noKafka, ...environment },
      join(lakehouse.config.deltaBasePath, 'absent'),
    )
  return { code: await check(write, load, from), text }
}

test('each thing that is right is a line that says ok, and nothing is left behind', async () => {
  const base = lakehouse.config.deltaBasePath
  const before = readdirSync(base).sort()
  const { text } = await lines({ DELTA_BASE_PATH: base })
  expect(text).toMatch(/^ok +config /m)
  expect(text).toMatch(/^ok +path .*takes commits$/m)
  expect(text).toMatch(/^ok +tables .*silver\.transactions 2/m)
  expect(readdirSync(base).sort()).toEqual(before)
})

test('a broker that does not answer fails the check and says what to do', async () => {
  const { code, text } = await lines({ DELTA_BASE_PATH: lakehouse.config.deltaBasePath })
  expect(code).toBe(1)
  expect(text).toMatch(/^FAIL +kafka .*KAFKA_BOOTSTRAP_SERVERS/m)
})

test('with --from the files are looked at in place of Kafka', async () => {
  const environment = { DELTA_BASE_PATH: lakehouse.config.deltaBasePath }
  const input = join(lakehouse.config.deltaBasePath, 'input')
  mkdirSync(join(input, 'below'), { recursive: true })
  try {
    expect((await lines(environment, input)).text).toMatch(/^warn +files .*holds no file yet/m)
    writeFileSync(join(input, 'below', 'a.ndjson'), '{}\n')
    const { code, text } = await lines(environment, input)
    expect(text).toMatch(/^ok +files .*: 1 file of 3 bytes, all readable$/m)
    expect(text).not.toMatch(/kafka/)
    expect(code).toBe(0)
    const absent = await lines(environment, join(input, 'absent'))
    expect(absent.text).toMatch(/^FAIL +files .*there is no file or directory/m)
    expect(absent.code).toBe(1)
  } finally {
    rmSync(input, { recursive: true })
  }
})

test('a sample of the files is judged as a run would, which says beforehand that all would be refused', async () => {
  const base = lakehouse.config.deltaBasePath
  const input = join(base, 'input')
  mkdirSync(input)
  try {
    const good = '{"transaction_id":"t","user_id":1,"amount":5,"timestamp":"2024-03-10T10:00:00Z"}\n'
    writeFileSync(join(input, 'a.ndjson'), `${good}{"transaction_id":"u"}\n${good}`)
    const some = await lines({ DELTA_BASE_PATH: base }, input)
    const reasons = 'amount_invalid 1, duplicate 1, timestamp_invalid 1, user_id_invalid 1'
    expect(some.text).toContain(`of the first 3 records 2 would be refused: ${reasons}`)
    expect(some.code).toBe(0)
    writeFileSync(join(input, 'a.ndjson'), '{"transactionId":"t-1"}\n'.repeat(5_000))
    const all = await lines({ DELTA_BASE_PATH: base }, input)
    expect(all.text).toMatch(/^warn +files +nearly every record would be refused: 1,000 of 1,000 records/m)
    expect(all.text).toContain('a.ndjson, partition 0, offset 0: {"transactionId":"t-1"}')
    expect(all.code).toBe(0)
  } finally {
    rmSync(input, { recursive: true })
  }
})

test('every mistake of the configuration is a line, and the exit code is that of a usage mistake', async () => {
  const { code, text } = await lines({ LOG_LEVEL: 'x', TRIGGER_INTERVAL_MS: '-1' })
  expect(code).toBe(2)
  expect(text.split('\n').filter((line) => line.startsWith('FAIL'))).toHaveLength(2)
})

test('a table that cannot be read is told by itself, and the others are told too', async () => {
  const base = lakehouse.config.deltaBasePath
  const log = join(base, 'gold', 'transactions', '_delta_log')
  mkdirSync(log, { recursive: true })
  writeFileSync(join(log, '00000000000000000000.json'), 'not json\n')
  try {
    const { text } = await lines({ DELTA_BASE_PATH: base })
    expect(text).toMatch(/^FAIL +tables .*gold/m)
    expect(text).toMatch(/^ok +tables .*silver\.transactions 2/m)
  } finally {
    rmSync(join(base, 'gold'), { recursive: true })
  }
})

test('a file in the place of the directory, or of one above it, is told', async () => {
  for (const path of [import.meta.filename, join(import.meta.filename, 'below')]) {
    const { text } = await lines({ DELTA_BASE_PATH: path })
    expect(text).toMatch(/^FAIL +path .*is a file/m)
  }
})

test('the latency to expect is told, and an interval that is longer', async () => {
  const environment = { DELTA_BASE_PATH: lakehouse.config.deltaBasePath, LATENCY_TARGET_MS: '300' }
  const { text } = await lines(environment)
  expect(text).toMatch(/^ok +engine .* within 300 ms \(LATENCY_TARGET_MS\)$/m)
  expect(text).not.toMatch(/TRIGGER_INTERVAL_MS/)
  const slower = await lines({ ...environment, TRIGGER_INTERVAL_MS: '5000' })
  expect(slower.text).toMatch(/^warn +engine .*5000 ms apart \(TRIGGER_INTERVAL_MS\).*LATENCY_TARGET_MS/m)
})
