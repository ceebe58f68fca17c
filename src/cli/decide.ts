// assay decide: what would be decided of transactions, and why; nothing is written.
import { createReadStream, statSync } from 'node:fs'
import { basename } from 'node:path'
import { Command } from 'commander'
import type { RecordChunk } from '../batches/source.ts'
import type { Config } from '../config/config.ts'
import { Decider } from '../decisions/decider.ts'
import type { Decision, DecisionCell } from '../decisions/decision-answer.ts'
import { LakehouseError } from '../errors/errors.ts'
import { fileMissing } from '../files/file-missing.ts'
import type { Project } from '../project/project.ts'
import { withDecidingRules } from '../versions/configured-rules.ts'
import { deciderOptions } from './pipeline-options.ts'
import { printable, printableLine } from './printable.ts'
import { schemaRegistryOf } from './schema-registry.ts'
import { openSession } from './session.ts'

/** How long a registry may be away. */
const registryMaxMs = 10_000
/** Of a file; beyond it a run is what takes so many. */
const inputBytesMax = 256 * 2 ** 20

export function decideCommand(project: Project): Command {
  return new Command('decide')
    .argument('<file>', 'transactions as they are on the topic: one JSON object, several one a line, or -')
    .option('--json', 'an object a line (default where the output is no terminal)')
    .action(async (file: string, { json }: { readonly json?: true }) => {
      const config = await withDecidingRules(openSession(project).config)
      const chunk = linesOf(await bytesOf(file), file === '-' ? 'standard input' : basename(file))
      const decisions = await decideAll(config, chunk, BigInt(Date.now()) * 1000n)
      const isJson = json === true || !process.stdout.isTTY
      process.stdout.write(
        isJson
          ? decisions.map((decision) => `${JSON.stringify(decision)}\n`).join('')
          : printable(decisions.map(decisionText).join('\n')),
      )
    })
}

export async function decideAll(config: Config, chunk: RecordChunk, nowMicros: bigint): Promise<Decision[]> {
  const registry = schemaRegistryOf(config, { giveUpAfterMs: registryMaxMs })
  const decider = await Decider.open({ ...deciderOptions(config), registry })
  try {
    await decider.prepare([chunk], nowMicros, new AbortController().signal)
    return decider.tryOut(chunk, nowMicros)
  } finally {
    await decider.close()
    registry?.close()
  }
}

async function bytesOf(file: string): Promise<Buffer> {
  const found = file === '-' ? null : statSync(file, { throwIfNoEntry: false })
  if (found === undefined || found?.isDirectory()) throw fileMissing(file)
  const parts: Buffer[] = []
  let size = 0
  // What is no plain file need not end.
  for await (const part of file === '-' ? process.stdin : createReadStream(file)) {
    parts.push(part as Buffer)
    size += (part as Buffer).length
    if (size <= inputBytesMax) continue
    const message = `${file} has more than ${inputBytesMax} bytes, and "assay decide" takes no more: run it with "assay run --from".`
    throw new LakehouseError('CONFIG_INVALID', message)
  }
  return Buffer.concat(parts)
}

/** A record for each line that is not empty, as a file has them; one for a document of several lines. */
export function linesOf(bytes: Buffer, topic: string): RecordChunk {
  const records: { readonly offset: number; readonly value: Buffer }[] = []
  if (isOneObject(bytes)) records.push({ offset: 0, value: bytes })
  for (let at = 0; records[0]?.value !== bytes && at < bytes.length; ) {
    const end = bytes.indexOf(10, at)
    const line = bytes.subarray(at, end < 0 ? bytes.length : end)
    if (line.some((byte) => byte > 32)) records.push({ offset: at, value: line })
    at = end < 0 ? bytes.length : end + 1
  }
  return {
    ...{ topic, partition: 0, count: records.length, timestampsMs: null },
    offsets: BigInt64Array.from(records, ({ offset }) => BigInt(offset)),
    keys: records.map(() => null),
    values: records.map(({ value }) => value),
    headers: records.map(() => null),
  }
}

function isOneObject(bytes: Buffer): boolean {
  try {
    const parsed: unknown = JSON.parse(bytes.toString('utf8'))
    return typeof parsed === 'object' && parsed !== null
  } catch {
    return false
  }
}

function decisionText(decision: Decision): string {
  const place = `${decision.topic} at ${decision.offset}`
  if (decision.decision === 'refused') {
    const reasons = decision.reasons.map(({ name, meaning }) => `  ${name}: ${printableLine(meaning)}\n`)
    return `${printableLine(place)}: refused\n${reasons.join('')}`
  }
  const review = decision.requires_review ? ', requires review' : ''
  const rules = decision.rules.map(({ name, points, says }) => {
    const sign = points === null || points < 0 ? '' : '+'
    return `  ${`${sign}${points ?? '?'}`.padStart(4)}  ${name}  ${printableLine(says)}\n`
  })
  const features = Object.entries(decision.features).map(([name, value]) => `${name} ${cellText(value)}`)
  return (
    `${printableLine(decision.id)}: score ${decision.fraud_score}, ${decision.risk_level}${review}\n` +
    (rules.length === 0 ? '  no rule fires\n' : rules.join('')) +
    `  ${printableLine(features.join(', '))}\n`
  )
}

function cellText(value: DecisionCell): string {
  if (value === null) return 'unknown'
  return Array.isArray(value) ? value.join(', ') : String(value)
}
