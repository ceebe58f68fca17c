import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { reviewCommand } from '../../../src/cli/review.ts'
import { standardProject } from '../../../src/project/project.ts'
import { type Reviewed, reviewedLakehouse, verdictRows } from '../review/reviewed.ts'

let reviewed: Reviewed
beforeEach(async () => {
  reviewed = await reviewedLakehouse()
  await reviewed.add(0, 12)
  vi.stubEnv('DELTA_BASE_PATH', reviewed.base)
})
afterEach(async () => {
  vi.unstubAllEnvs()
  process.exitCode = undefined
  await reviewed.remove()
})

async function said(...words: readonly string[]): Promise<Record<string, unknown>> {
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  try {
    await reviewCommand(standardProject).parseAsync(words, { from: 'user' })
    return JSON.parse(write.mock.calls.map(([text]) => String(text)).join(''))
  } finally {
    write.mockRestore()
  }
}

test('a case is taken, decided and taken back on the command line', async () => {
  expect(await said('list', '--order', 'money')).toMatchObject({ open: 4, verdicts: { fraud: 0 } })
  const one = await said('next')
  const name = String(one.case)
  expect(name).toMatch(/^input\.ndjson\/0\/\d+$/)
  expect(await said('decide', name, 'fraud', '--reason', 'stolen card')).toEqual({
    decided: 'fraud',
    sequence: '1',
  })
  const refused = await said('decide', name, 'legitimate')
  expect(refused).toMatchObject({
    refused: 'decided',
    message: expect.stringContaining('has decided this case'),
  })
  expect(process.exitCode).toBe(1)
  expect(await said('undo')).toEqual({ undone: name })
  const rows = await verdictRows(reviewed)
  expect(rows.map(({ event, undoes }) => [event, undoes])).toEqual([
    [one.transaction_id, null],
    [one.transaction_id, 1],
  ])
  expect(await said('next', '--skip', name)).not.toMatchObject({ case: name })
})
