// Which tables can be read and which can be written. Anything unknown is refused by its name, never misread.
import { LakehouseError } from '../errors/errors.ts'
import type { Metadata, Protocol } from './actions.ts'
import type { DeltaField } from './schema.ts'

/** What new tables are written with: every Delta reader since 2019 opens them. */
export const newTableProtocol: Protocol = {
  minReaderVersion: 1,
  minWriterVersion: 2,
  readerFeatures: null,
  writerFeatures: null,
}

const tableFeaturesReader = 3
const tableFeaturesWriter = 7
/** Features that cost a reader nothing. */
const readerFeaturesKnown: readonly string[] = []

/**
 * The writer features that are known, each with what in this table makes use of it; unused ones do no harm.
 */
const writerFeaturesKnown: Readonly<Record<string, (metadata: Metadata) => string | null>> = {
  appendOnly: () => null, // Respected: rows are only added, or rearranged with dataChange=false.
  invariants: (metadata) => fieldUsing(metadata.fields, 'delta.invariants'),
  checkConstraints: (metadata) =>
    Object.keys(metadata.configuration).find((key) => key.startsWith('delta.constraints.')) ?? null,
  changeDataFeed: (metadata) => settingOn(metadata, 'delta.enableChangeDataFeed'),
  generatedColumns: (metadata) => fieldUsing(metadata.fields, 'delta.generationExpression'),
  identityColumns: (metadata) => fieldUsing(metadata.fields, 'delta.identity.start'),
}

/** What writer versions before table features ask for, each with the versions before it. */
const writerVersionFeatures: readonly (readonly [number, readonly string[]])[] = [
  [2, ['appendOnly', 'invariants']],
  [3, ['checkConstraints']],
  [4, ['changeDataFeed', 'generatedColumns']],
  [5, ['columnMapping']],
  [6, ['identityColumns']],
]

export function checkReadable(protocol: Protocol, where: string): void {
  const version = protocol.minReaderVersion
  if (version === 1) return
  if (version !== tableFeaturesReader) {
    throw unsupported(
      where,
      'read',
      version === 2 ? 'columnMapping (reader version 2)' : `reader version ${version}`,
    )
  }
  for (const feature of protocol.readerFeatures ?? []) {
    if (!readerFeaturesKnown.includes(feature)) throw unsupported(where, 'read', feature)
  }
}

export function checkWritable(protocol: Protocol, metadata: Metadata, where: string): void {
  if (protocol.minWriterVersion > tableFeaturesWriter) {
    throw unsupported(where, 'written', `writer version ${protocol.minWriterVersion}`)
  }
  for (const feature of writerFeatures(protocol)) {
    const usedBy = Object.hasOwn(writerFeaturesKnown, feature) ? writerFeaturesKnown[feature] : undefined
    const use = usedBy === undefined ? feature : usedBy(metadata)
    if (use !== null) throw unsupported(where, 'written', use === feature ? feature : `${feature} (${use})`)
  }
  // The protocol lets a writer of version 2 meet constraints that a broken writer left in the configuration.
  const constraint = writerFeaturesKnown.checkConstraints?.(metadata) ?? null
  if (constraint !== null) throw unsupported(where, 'written', `checkConstraints (${constraint})`)
}

function writerFeatures(protocol: Protocol): readonly string[] {
  if (protocol.minWriterVersion === tableFeaturesWriter) return protocol.writerFeatures ?? []
  return writerVersionFeatures
    .filter(([version]) => version <= protocol.minWriterVersion)
    .flatMap(([, features]) => features)
}

function fieldUsing(fields: readonly DeltaField[], key: string): string | null {
  for (const field of fields) {
    if (Object.hasOwn(field.metadata, key)) return `column ${field.name}`
    const nested = typeof field.type === 'object' && field.type.type === 'struct' ? field.type.fields : []
    const inner = fieldUsing(nested, key)
    if (inner !== null) return inner
  }
  return null
}

function settingOn(metadata: Metadata, key: string): string | null {
  return metadata.configuration[key]?.toLowerCase() === 'true' ? key : null
}

export function unsupported(where: string, verb: 'read' | 'written', feature: string): LakehouseError {
  const message = `${where}: the table cannot be ${verb}, because it uses ${feature}, which is not supported.`
  const advice = 'Use a program that supports it, or drop the feature (ALTER TABLE .. DROP FEATURE).'
  return new LakehouseError('DELTA_FEATURE_UNSUPPORTED', `${message} ${advice}`, { details: { feature } })
}
