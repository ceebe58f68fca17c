import { expect, test } from 'vitest'
import { pipelineOptions } from '../../../src/cli/pipeline-options.ts'
import { loadConfig } from '../../../src/config/config.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'

test('how many records a batch takes goes by the engine that runs, whatever ENGINE says, unless it is set', () => {
  for (const ENGINE of ['embedded', 'spark']) {
    const most = (more: Record<string, string>) => {
      const config = loadConfig(standardLakehouse, { ENGINE, ...more }, '/absent/.env')
      const engines = ['embedded', 'spark'] as const
      return engines.map((engine) => pipelineOptions({ ...config, engine }).recordsPerBatchMax)
    }
    expect(most({})).toEqual([100_000, 200_000])
    expect(most({ MAX_RECORDS_PER_BATCH: '5' })).toEqual([5, 5])
  }
})
