// The DuckDB of a desk, within its limits: the queue is in its memory, and on the disk what does not fit.
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'

const memoryMaxBytes = 256 * 2 ** 20
const spillBytesMax = 2 * 2 ** 30
const threadsMax = 2

export type DeskMemory = { readonly connection: DuckDBConnection; readonly close: () => void }

export async function openDeskMemory(): Promise<DeskMemory> {
  const instance = await DuckDBInstance.create(':memory:', {
    memory_limit: `${memoryMaxBytes}B`,
    max_temp_directory_size: `${spillBytesMax}B`,
    temp_directory: join(tmpdir(), `assay-review-${process.pid}`),
    threads: String(threadsMax),
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  })
  const connection = await instance.connect()
  await connection.run("SET TimeZone = 'UTC'")
  const close = (): void => {
    connection.closeSync()
    instance.closeSync()
  }
  return { connection, close }
}
