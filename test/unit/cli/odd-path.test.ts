// A DELTA_BASE_PATH with characters that are patterns to DuckDB.
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { query } from '../../../src/cli/query.ts'
import { why } from '../../../src/cli/why.ts'
import { smallLakehouse } from './small-lakehouse.ts'

test.each(['lake [1]', 'a*b', 'what?', '[[]', "it's {x,y}"])(
  '%s: query, live and why find the tables',
  async (name) => {
    const lakehouse = await smallLakehouse(name)
    try {
      const csvOf = async (sql: string): Promise<string> => {
        const stream = new PassThrough()
        const written = text(stream)
        await query(lakehouse.config, sql, 'csv', stream).finally(() => stream.end())
        return (await written).trim().split(/\r?\n/).at(-1) ?? ''
      }
      expect(await csvOf('select count(*) n from silver.transactions')).toBe('2')
      expect(await csvOf('select sum(transaction_count) n from live.gold')).toBe('2')
      expect(await why(lakehouse.config, 't-1')).toContain('score 55')
    } finally {
      await lakehouse.remove()
    }
  },
)

test('the pattern of an odd path opens no other directory', async () => {
  const lakehouse = await smallLakehouse('lake [1]')
  try {
    const sql = `select * from read_text('${lakehouse.config.deltaBasePath}/../.env')`
    await expect(query(lakehouse.config, sql, 'csv', new PassThrough())).rejects.toMatchObject({
      code: 'QUERY_FAILED',
    })
  } finally {
    await lakehouse.remove()
  }
})
