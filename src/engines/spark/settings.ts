// How a session has to be set so that SQL means the same as on the embedded engine, whatever the server's
// defaults.
export type SessionTuning = { readonly shufflePartitions: number }

/** Partitions of the snapshot of a Delta log: Delta's 50 are far too many tasks for a small log. */
const snapshotPartitions = 2
/** HotSpot's HugeMethodLimit. */
const compiledBytesMax = 8_000

export function sessionSettings({ shufflePartitions }: SessionTuning): Readonly<Record<string, string>> {
  return {
    'spark.sql.session.timeZone': 'UTC',
    // Functions judge bad values themselves; whatever they let pass must stop a batch and never become null.
    'spark.sql.ansi.enabled': 'true',
    'spark.sql.caseSensitive': 'true', // As JSON names are.
    // Names that stand twice in an inner object are no business of ours; at the top level we look ourselves.
    'spark.sql.variant.allowDuplicateKeys': 'true',
    // Plans and pages show the options of a source but for these: a login, a key and what names a secret.
    'spark.sql.redaction.options.regex':
      '(?i)url|secret|password|passphrase|token|access[.]?key|jaas|keystore|ssl[.]key',
    'spark.sql.shuffle.partitions': String(shufflePartitions),
    // The JVM interprets a method that is longer: one for each expression is faster than one for all.
    'spark.sql.codegen.hugeMethodLimit': String(compiledBytesMax),
    // A server's own defaults must not change what SQL means, drop files, or leave commits without counts.
    'spark.sql.parser.escapedStringLiterals': 'false',
    'spark.sql.files.ignoreMissingFiles': 'false',
    'spark.sql.files.ignoreCorruptFiles': 'false',
    'spark.databricks.delta.stats.collect': 'true',
    'spark.databricks.delta.snapshotPartitions': String(snapshotPartitions),
  }
}
