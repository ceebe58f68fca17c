// A session on a Spark Connect server: settings, SQL, rows, writes.
import { create } from '@bufbuild/protobuf'
import { assert } from '../../../errors/errors.ts'
import { parseSparkAddress, type SparkAddress } from './address.ts'
import { type CallOptions, type ChannelOptions, SparkChannel } from './channel.ts'
import {
  AnalyzePlanRequest_Explain_ExplainMode,
  type Command,
  CommandSchema,
  type DataType_Struct,
  type ExecutePlanResponse,
  PlanSchema,
  WriteOperation_SaveMode,
} from './gen/spark/connect/spark_connect_pb.ts'
import { heldRelation, type Inputs, type Relation, sqlRelation } from './relations.ts'
import { rowsOf, type SparkRow } from './rows.ts'

export type { CallOptions } from './channel.ts'

export type DeltaWrite = {
  readonly path: string
  readonly mode: 'append' | 'overwrite'
  readonly partitionColumns?: readonly string[]
  /** A write of the same application with the same or a smaller version was done before, and is skipped. */
  readonly transaction?: { readonly appId: string; readonly version: bigint }
  readonly userMetadata?: string
  readonly options?: Readonly<Record<string, string>>
}

export class SparkSession {
  readonly channel: SparkChannel

  constructor(address: string | SparkAddress, options: ChannelOptions = {}) {
    const parsed = typeof address === 'string' ? parseSparkAddress(address) : address
    this.channel = new SparkChannel(parsed, options)
  }

  get id(): string {
    return this.channel.sessionId
  }

  /** The version of Spark. */
  async version(options: CallOptions): Promise<string> {
    const result = await this.channel.analyze({ case: 'sparkVersion', value: {} }, options)
    assert(result.case === 'sparkVersion')
    return result.value.version
  }

  async setConfig(settings: Readonly<Record<string, string>>, options: CallOptions): Promise<void> {
    const pairs = Object.entries(settings).map(([key, value]) => ({ key, value }))
    await this.channel.config({ case: 'set', value: { pairs } }, options)
  }

  /** The rows of a relation, or of a SELECT. */
  async rows(query: string | Relation, options: CallOptions & WithInputs): Promise<SparkRow[]> {
    const relation = typeof query === 'string' ? sqlRelation(query, options.inputs) : query
    const rows: SparkRow[] = []
    const onResponse = ({ responseType }: ExecutePlanResponse): void => {
      // Appending one by one: a batch may hold more rows than a call takes arguments.
      if (responseType.case === 'arrowBatch')
        for (const row of rowsOf(responseType.value.data)) rows.push(row)
    }
    await this.channel.execute(relation, onResponse, options)
    return rows
  }

  /** Runs a statement for what it does: DDL, OPTIMIZE, INSERT. */
  async run(statement: string, options: CallOptions): Promise<void> {
    const input = sqlRelation(statement)
    await this.command({ case: 'sqlCommand', value: { input } }, options)
  }

  async schema(relation: Relation, options: CallOptions): Promise<DataType_Struct> {
    const plan = create(PlanSchema, { opType: { case: 'root', value: relation } })
    const result = await this.channel.analyze({ case: 'schema', value: { plan } }, options)
    assert(result.case === 'schema')
    const kind = result.value.schema?.kind
    assert(kind?.case === 'struct')
    return kind.value
  }

  /** The physical plan, as Spark formats it. */
  async explain(relation: Relation, options: CallOptions): Promise<string> {
    const plan = create(PlanSchema, { opType: { case: 'root', value: relation } })
    const explainMode = AnalyzePlanRequest_Explain_ExplainMode.FORMATTED
    const result = await this.channel.analyze({ case: 'explain', value: { plan, explainMode } }, options)
    assert(result.case === 'explain')
    return result.value.explainString
  }

  /**
   * Computes a relation now and keeps its rows on the executors: what is read later is these rows, whatever
   * happened to its sources. `drop` lets go of them.
   */
  async checkpoint(relation: Relation, options: CallOptions): Promise<HeldRelation> {
    const responses = await this.command(
      { case: 'checkpointCommand', value: { relation, local: true, eager: true } },
      options,
    )
    const found = responses.find(({ responseType }) => responseType.case === 'checkpointCommandResult')
    assert(found?.responseType.case === 'checkpointCommandResult', 'the server names the relation it holds')
    const { relationId } = found.responseType.value.relation!
    return {
      relation: heldRelation(relationId),
      drop: async (dropOptions) => {
        const value = { relation: { relationId } }
        await this.command({ case: 'removeCachedRemoteRelationCommand', value }, dropOptions)
      },
    }
  }

  /** Writes a relation to the Delta table in the directory `path`. */
  async writeDelta(input: Relation, write: DeltaWrite, options: CallOptions): Promise<void> {
    const { path, mode, partitionColumns = [], transaction, userMetadata } = write
    const writeOptions = {
      ...write.options,
      ...(transaction && { txnAppId: transaction.appId, txnVersion: String(transaction.version) }),
      ...(userMetadata !== undefined && { userMetadata }),
    }
    const value = {
      input,
      source: 'delta',
      saveType: { case: 'path' as const, value: path },
      mode: mode === 'append' ? WriteOperation_SaveMode.APPEND : WriteOperation_SaveMode.OVERWRITE,
      partitioningColumns: [...partitionColumns],
      options: writeOptions,
    }
    await this.command({ case: 'writeOperation', value }, options)
  }

  /** Ends the session on the server, with its streams, and closes the connection. */
  async release(options: CallOptions): Promise<void> {
    try {
      await this.channel.release(options)
    } finally {
      this.channel.close()
    }
  }

  /** Closes the connection only: streams go on, and the same session id finds them. */
  close(): void {
    this.channel.close()
  }

  /** Runs a command and gives its answers. */
  async command(commandType: CommandCase, options: CallOptions): Promise<ExecutePlanResponse[]> {
    const responses: ExecutePlanResponse[] = []
    const command = create(CommandSchema, { commandType } as CommandInit)
    await this.channel.execute(command, (response) => responses.push(response), options)
    return responses
  }
}

type WithInputs = { readonly inputs?: Inputs }

export type HeldRelation = {
  readonly relation: Relation
  readonly drop: (options: CallOptions) => Promise<void>
}

type CommandInit = NonNullable<Parameters<typeof create<typeof CommandSchema>>[1]>
type CommandCase = NonNullable<Exclude<CommandInit, Command>['commandType']>
