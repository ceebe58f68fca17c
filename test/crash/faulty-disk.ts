// The C library between a process and its disk (faulty-disk.c), compiled for the test that uses it.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** null where there is a C compiler for Linux; otherwise the reason why tests with it are skipped. */
export const compilerAvailable: string | null =
  process.platform === 'linux' && spawnSync('cc', ['--version'], { stdio: 'ignore' }).status === 0
    ? null
    : 'there is no C compiler for Linux (cc --version failed)'

/** The path of the library; its directory is for the test to remove. */
export function compileFaultyDisk(): { readonly library: string; readonly directory: string } {
  const directory = mkdtempSync(join(tmpdir(), 'assay-faulty-disk-'))
  const library = join(directory, 'faulty-disk.so')
  const source = join(import.meta.dirname, 'faulty-disk.c')
  execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl'])
  return { library, directory }
}
