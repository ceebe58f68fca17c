// A real S3 server for tests (versitygw, over a directory), which can be killed and started again, and a
// proxy before it that loses answers after the server acted, or asks for fewer requests.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises'
import { request as ask, createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { mountLakehouse } from '../../src/cli/lakehouse-store.ts'
import { loadConfig } from '../../src/config/config.ts'
import type { MountedStore } from '../../src/delta/mounts.ts'
import { standardLakehouse } from '../../src/lakehouse/index.ts'
import { freePorts } from './free-ports.ts'
import { versitygwProgram } from './tools.ts'

const [accessKey, secretKey] = ['test-key', 'test-secret']
const bucket = 'lake'
const startMsMax = 30_000

export type ObjectServer = {
  readonly port: number
  /** What a process needs to find its tables under a prefix of the bucket; `port` is that of a proxy. */
  environment(prefix: string, port?: number): Record<string, string>
  /** Kills it, and starts it again on the same port and directory. */
  killAndStart(): Promise<void>
  close(): Promise<void>
}

export async function startObjectServer(): Promise<ObjectServer> {
  const program = await versitygwProgram()
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'assay-object-server-')))
  await mkdir(join(directory, 'data', bucket), { recursive: true })
  await mkdir(join(directory, 'sidecar'))
  const [port] = (await freePorts(1)) as [number]
  let child = await start(program, directory, port)
  return {
    port,
    environment: (prefix, through = port) => ({
      DELTA_BASE_PATH: `s3://${bucket}/${prefix}`,
      AWS_ENDPOINT_URL: `http://127.0.0.1:${through}`,
      AWS_ACCESS_KEY_ID: accessKey,
      AWS_SECRET_ACCESS_KEY: secretKey,
      AWS_REGION: 'us-east-1',
      CACHE_DIR: join(directory, 'copies'),
    }),
    async killAndStart() {
      child.kill('SIGKILL')
      await once(child, 'exit')
      child = await start(program, directory, port)
    },
    async close() {
      child.kill('SIGKILL')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function start(program: string, directory: string, port: number): Promise<ChildProcess> {
  const options = ['--access', accessKey, '--secret', secretKey, '--port', `127.0.0.1:${port}`, '--quiet']
  // Attributes of objects lie in files: not every file system of a test machine has extended ones.
  const backend = ['posix', '--sidecar', join(directory, 'sidecar'), join(directory, 'data')]
  const child = spawn(program, [...options, ...backend], { stdio: ['ignore', 'ignore', 'pipe'] })
  const endWithTests = (): void => void child.kill('SIGKILL')
  process.once('exit', endWithTests)
  child.once('exit', () => process.off('exit', endWithTests))
  let told = ''
  child.stderr?.on('data', (data: Buffer) => {
    told = (told + data.toString()).slice(-4_000)
  })
  for (const endMs = Date.now() + startMsMax; ; await sleep(50)) {
    if (child.exitCode !== null) throw new Error(`versitygw ended with ${child.exitCode}: ${told}`)
    if (await answers(port)) return child
    if (Date.now() > endMs) throw new Error(`versitygw does not answer: ${told}`)
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const request = ask({ host: '127.0.0.1', port, path: '/' }, (response) => {
      response.resume()
      resolve(true)
    })
    request.once('error', () => resolve(false)).end()
  })
}

/** Puts the tables of an environment into this process, with copies of their own. */
export async function mounted(
  environment: Record<string, string>,
): Promise<{ readonly base: string; readonly mount: MountedStore; remove(): Promise<void> }> {
  const copies = await mkdtemp(join(tmpdir(), 'assay-copies-'))
  const config = loadConfig(standardLakehouse, { ...environment, CACHE_DIR: copies }, 'no-env-file')
  const mount = mountLakehouse(config)!
  return { base: config.deltaBasePath, mount, remove: () => rm(copies, { recursive: true, force: true }) }
}

export type StoreProxy = {
  readonly port: number
  readonly counts: { lost: number; refused: number; late: number; requests: number }
  close(): Promise<void>
}

/** How many of the requests go wrong, each from 0 to 1. */
export type ProxyFaults = {
  readonly random: () => number
  /** The server acts, and its answer does not come. */
  readonly lost: number
  /** 503 SlowDown, before the server hears of it. */
  readonly refused: number
  /** The answer comes late. */
  readonly late: number
}

const lateMs = 300

export async function startStoreProxy(port: number, faults: ProxyFaults): Promise<StoreProxy> {
  const counts = { lost: 0, refused: 0, late: 0, requests: 0 }
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    counts.requests += 1
    const lot = faults.random()
    const body = Buffer.concat(await Array.fromAsync(request))
    if (lot < faults.refused) {
      counts.refused += 1
      response.writeHead(503, { 'content-type': 'application/xml' })
      response.end('<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>')
      return
    }
    const answer = await forward(port, request, body)
    if (lot < faults.refused + faults.lost) {
      counts.lost += 1
      request.socket.destroy()
      return
    }
    if (lot < faults.refused + faults.lost + faults.late) {
      counts.late += 1
      await sleep(lateMs)
    }
    response.writeHead(answer.status, answer.headers)
    response.end(answer.body)
  }
  const server = createServer((request, response) => {
    handle(request, response).catch(() => request.socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    counts,
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

type Answer = { readonly status: number; readonly headers: string[]; readonly body: Buffer }

function forward(port: number, { method, url, headers }: IncomingMessage, body: Buffer): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  // The name of the host is signed: it stays that of the proxy.
  const request = ask({ host: '127.0.0.1', port, method, path: url, headers, agent: false }, (response) => {
    Array.fromAsync(response).then(
      (parts) =>
        resolve({
          status: response.statusCode ?? 502,
          headers: response.rawHeaders,
          body: Buffer.concat(parts),
        }),
      reject,
    )
  })
  request.once('error', reject).end(body)
  return promise
}
