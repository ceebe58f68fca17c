// Our words of the protocol against the files inside Spark's own jar: each message, field and method that we
// name has the number, type, label and oneof that Spark gives it.
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import {
  createFileRegistry,
  type DescEnum,
  type DescField,
  type DescMessage,
  type FileRegistry,
  fromBinary,
} from '@bufbuild/protobuf'
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { file_google_rpc_error_info as errorInfo } from '../../../src/engines/spark/connect/gen/google/rpc/error_info_pb.ts'
import { file_spark_connect_spark_connect as ours } from '../../../src/engines/spark/connect/gen/spark/connect/spark_connect_pb.ts'
import { installSpark } from '../../../src/engines/spark/install.ts'
import { cacheDirectory } from '../tools.ts'
import { call, sparkAbsent } from './harness.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '..', '..', '..')

describe.skipIf(sparkAbsent !== null)('the protocol', () => {
  let theirs: FileRegistry
  let directory: string
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'assay-protocol-'))
    const { sparkHome } = await installSpark({
      directory: cacheDirectory,
      sparkHome: null,
      signal: call.signal,
    })
    const jars = await readdir(join(sparkHome, 'jars'))
    const jar = jars.find((name) => name.startsWith('spark-connect_'))!
    const members = ['spark/connect/base.proto', 'google/rpc/error_details.proto']
    await run('jar', ['xf', join(sparkHome, 'jars', jar), 'spark/connect', 'google/rpc'], { cwd: directory })
    const image = join(directory, 'image.binpb')
    const paths = members.flatMap((member) => ['--path', member])
    await run(join(root, 'node_modules/.bin/buf'), ['build', '.', '-o', image, ...paths], { cwd: directory })
    theirs = createFileRegistry(fromBinary(FileDescriptorSetSchema, await readFile(image)))
  })
  afterAll(() => rm(directory, { recursive: true, force: true }))

  const messages = [...ours.messages, ...errorInfo.messages].flatMap(withNested)
  test.each(messages.map((message) => [message.typeName, message] as const))(
    'message %s',
    (name, message) => {
      const other = theirs.getMessage(name)
      expect(other, `Spark has no message ${name}`).toBeDefined()
      const numbers = new Set(message.fields.map(({ number }) => number))
      const same = other!.fields.filter(({ number }) => numbers.has(number)).map(shapeOf)
      expect(message.fields.map(shapeOf).sort(byNumber)).toEqual(same.sort(byNumber))
    },
  )

  const enums = [...ours.enums, ...messages.flatMap((message) => message.nestedEnums)]
  test.each(enums.map((one) => [one.typeName, one] as const))('enum %s', (name, one) => {
    const other = theirs.getEnum(name)
    expect(valuesOf(other!)).toEqual(expect.arrayContaining(valuesOf(one)))
  })

  test.each(ours.services[0]!.methods.map((method) => [method.name, method] as const))(
    'method %s',
    (name, method) => {
      const other = theirs.getService(method.parent.typeName)!.methods.find((one) => one.name === name)
      const shape = ({ input, output, methodKind }: typeof method) => [
        input.typeName,
        output.typeName,
        methodKind,
      ]
      expect(shape(method)).toEqual(shape(other!))
    },
  )
})

function withNested(message: DescMessage): DescMessage[] {
  return [message, ...message.nestedMessages.flatMap(withNested)]
}

function valuesOf({ values }: DescEnum): string[] {
  return values.map(({ name, number }) => `${name} = ${number}`)
}

type Shape = { readonly number: number; readonly text: string }

function shapeOf(field: DescField): Shape {
  const { proto } = field
  const facts = [
    field.name,
    `type ${proto.type}`,
    `label ${proto.label}`,
    proto.typeName,
    field.oneof === undefined ? '' : `oneof ${field.oneof.name}`,
    proto.proto3Optional ? 'optional' : '',
  ]
  return { number: field.number, text: facts.join(' ') }
}

const byNumber = (a: Shape, b: Shape): number => a.number - b.number
