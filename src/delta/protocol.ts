// Which tables can be read and which can be written. Anything unknown is refused by its name, never misread.
import { LakehouseError } from '../errors/errors.ts'
import type { AddFile, Metadata, Protocol } from './actions.ts'
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
const columnMappingReader = 2

/**
 * The reader features that are known, each with what in this table makes use of it; unused ones do no harm.
 */
const readerFeaturesKnown: Readonly<Record<string, (metadata: Metadata) => string | null>> = {
  deletionVectors: () => null, // A file with a vector is refused by itself.
  columnMapping: columnMappingUsed,
  timestampNtz: () => null, // A column of the type is refused by itself.
  typeWidening: (metadata) => fieldUsing(metadata.fields, 'delta.typeChanges'),
  'typeWidening-preview': (metadata) => fieldUsing(metadata.fields, 'delta.typeChanges'),
  vacuumProtocolCheck: () => null, // It asks writers to look at the protocol before they delete files.
}

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

export function checkReadable(protocol: Protocol, metadata: Metadata, where: string): void {
  const version = protocol.minReaderVersion
  if (version > tableFeaturesReader) throw unsupported(where, 'read', `reader version ${version}`)
  const features = version === tableFeaturesReader ? (protocol.readerFeatures ?? []) : []
  for (const feature of version === columnMappingReader ? ['columnMapping'] : features) {
    const usedBy = Object.hasOwn(readerFeaturesKnown, feature) ? readerFeaturesKnown[feature] : undefined
    const use = usedBy === undefined ? feature : usedBy(metadata)
    if (use !== null) throw unsupported(where, 'read', use === feature ? feature : `${feature} (${use})`)
  }
}

/** Fails for a file of which some rows are deleted by a vector. */
export function refuseVectors(files: Iterable<AddFile>, where: string): void {
  for (const file of files) {
    if (file.hasDeletionVector === undefined) continue
    const message = `${where}: ${file.path} has a deletion vector, which is not supported.`
    const advice =
      'REORG TABLE .. APPLY (PURGE) with the program that wrote it puts the rows into files without vectors.'
    const details = { feature: 'deletionVectors' }
    throw new LakehouseError('DELTA_FEATURE_UNSUPPORTED', `${message} ${advice}`, { details })
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

function columnMappingUsed(metadata: Metadata): string | null {
  const mode = metadata.configuration['delta.columnMapping.mode']
  return mode === undefined || mode === 'none' ? null : `mode ${mode}`
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
