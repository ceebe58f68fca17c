// A project of its own in a temporary folder, and the commands as a person calls them there.

import { mkdirSync } from 'node:fs'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCommand } from '../../unit/project/command.ts'
import { cacheDirectory } from '../tools.ts'

export type ModelProject = {
  readonly directory: string
  /** What it prints; fails where it does. */
  assay(...args: readonly string[]): Promise<string>
  write(file: string, text: string): Promise<void>
  remove(): Promise<void>
}

export async function modelProject(config: string, rules: string): Promise<ModelProject> {
  const directory = await mkdtemp(join(tmpdir(), 'assay-model-project-'))
  mkdirSync(join(directory, 'node_modules'))
  await symlink(join(import.meta.dirname, '../../..'), join(directory, 'node_modules', 'assay-lakehouse'))
  const write = (file: string, text: string): Promise<void> => writeFile(join(directory, file), text)
  await write('package.json', '{ "type": "module" }')
  await write('assay.config.ts', config)
  await write('rules.yaml', rules)
  return {
    directory,
    write,
    assay: async (...args) => {
      // The day on which the test runs decides nothing: all labels are known by then.
      const { stdout, stderr, code } = await runCommand(directory, args, { ASSAY_HOME: cacheDirectory })
      if (code !== 0) throw new Error(`assay ${args.join(' ')} ended with ${code}:\n${stdout}\n${stderr}`)
      return stdout
    },
    remove: () => rm(directory, { recursive: true, force: true }),
  }
}
