// The commands: what `assay --help` says of each, and where it is. A command's own file is read only when it
// is called, so that the help does not wait for DuckDB and Kafka.
import type { Command } from 'commander'

export type CommandEntry = {
  readonly name: string
  readonly summary: string
  readonly load: () => Promise<Command>
}

export const commands: readonly CommandEntry[] = [
  {
    name: 'demo',
    summary: 'generator and pipeline on one machine, no Kafka, no JVM',
    load: async () => (await import('./demo.ts')).demoCommand(),
  },
  {
    name: 'run',
    summary: 'run the pipeline from Kafka or from files',
    load: async () => (await import('./run.ts')).runCommand(),
  },
  {
    name: 'produce',
    summary: 'send realistic synthetic transactions to Kafka or into a directory',
    load: async () => (await import('./produce.ts')).produceCommand(),
  },
  {
    name: 'check',
    summary: 'check configuration, Kafka, topic, tables and Spark, and say what to do',
    load: async () => (await import('./check.ts')).checkCommand(),
  },
  {
    name: 'verify',
    summary: 'prove from the tables that no record is lost or twice',
    load: async () => (await import('./verify.ts')).verifyCommand(),
  },
  {
    name: 'query',
    summary: 'SQL over the tables',
    load: async () => (await import('./query.ts')).queryCommand(),
  },
  {
    name: 'explain',
    summary: 'show the plan of a table and its SQL',
    load: async () => (await import('./explain.ts')).explainCommand(),
  },
  {
    name: 'why',
    summary: 'tell where a transaction came from, which rules fired, or why it was refused',
    load: async () => (await import('./why.ts')).whyCommand(),
  },
  {
    name: 'erase',
    summary: 'take the rows of a person out of the tables, or adopt a deletion by another program',
    load: async () => (await import('./erase.ts')).eraseCommand(),
  },
  {
    name: 'spark',
    summary: 'install the Spark that the Spark engine starts',
    load: async () => (await import('./spark.ts')).sparkCommand(),
  },
  {
    name: 'table',
    summary: 'describe, optimize, vacuum or verify a table, or show its history',
    load: async () => (await import('./table.ts')).tableCommand(),
  },
]
