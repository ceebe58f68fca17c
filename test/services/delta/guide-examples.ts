// What docs/guide/other-readers.md shows, to be run on a lakehouse.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { runAssay } from '../pipeline/assay.ts'

const guide = readFileSync(join(import.meta.dirname, '../../../docs/guide/other-readers.md'), 'utf8')

/** The Python of each heading, with absolute paths; it leaves the number of rows in `result`. */
export function readerExamples(base: string): Readonly<Record<string, string>> {
  const sections = guide.split(/^## /m).slice(1)
  const examples = sections.flatMap((section) => {
    const code = /```python\n(.*?)```/s.exec(section)?.[1]
    const heading = section.split('\n')[0]!
    return code === undefined ? [] : [[heading, `${at(code, base)}\nresult = int(rows)`]]
  })
  return Object.fromEntries(examples)
}

function at(code: string, base: string): string {
  return code.replaceAll(/"((?:silver\/)?transactions[^" ]*)"/g, (_, path) =>
    JSON.stringify(join(base, path)),
  )
}

/** Runs the commands of the guide, which write files into the lakehouse's directory. */
export async function writeExampleFiles(base: string): Promise<void> {
  const commands = guide.matchAll(/^ {4}npx assay query --format (\w+) --output (\S+) "(.*)"$/gm)
  for (const [, format, file, sql] of commands) {
    const args = ['query', '--format', format!, '--output', join(base, file!), sql!]
    await runAssay(args, { DELTA_BASE_PATH: base })
  }
}
