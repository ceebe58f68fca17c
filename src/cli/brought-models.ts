// Opens a project whose rules ask a model that is gone beside them: a checkout without it, or a machine that
// only got a copy of the lakehouse, which has it in rules/models.
import { basename, resolve } from 'node:path'
import { LakehouseError } from '../errors/errors.ts'
import { standardLakehouse } from '../lakehouse/index.ts'
import { homeAbove, homeNamed } from '../project/home.ts'
import { openProject, type Project } from '../project/project.ts'
import { bringModels } from '../versions/model-store.ts'
import { mountLakehouse } from './lakehouse-store.ts'
import { projectConfig } from './session.ts'

/** As `openProject` does. */
export async function openWithModels(from: string, named: string | null): Promise<Project> {
  try {
    return await openProject(from, named)
  } catch (error) {
    const absent = absentFiles(error)
    if (absent.length === 0 || !(await bring(from, named, absent))) throw error
    return await openProject(from, named)
  }
}

function absentFiles(error: unknown): readonly string[] {
  const absent = error instanceof LakehouseError ? error.details?.absent : undefined
  return Array.isArray(absent) ? absent.map(String) : []
}

/** False where none came back. */
async function bring(from: string, named: string | null, absent: readonly string[]): Promise<boolean> {
  const home = named === null ? homeAbove(resolve(from)) : homeNamed(resolve(from, named))
  // Where the tables are does not depend on what the rules say.
  const config = projectConfig({ lakehouse: standardLakehouse, home })
  mountLakehouse(config)
  const { deltaBasePath } = config
  const brought = await bringModels(
    { deltaBasePath, rulesFile: absent[0]! },
    absent.map((path) => basename(path)),
  )
  for (const path of brought)
    process.stderr.write(`${path} was gone: it came back from ${deltaBasePath} (rules/models)\n`)
  return brought.length > 0
}
