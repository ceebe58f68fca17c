// Two schema registries that nobody here wrote: Apicurio, and the one that franz-go tests with.
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { cacheDirectory } from '../tools.ts'

const run = promisify(execFile)

const apicurio = '2.6.13.Final'
const franzGo = 'v1.8.0'
const startMaxMs = 120_000
const jvmOptions = ['-Xmx400m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto']

export type Registry = { readonly url: string; stop(): Promise<void> }

/** null where Go can build; otherwise why the second registry is left out. */
export const goAbsent: string | null = spawnSync('go', ['version']).status === 0 ? null : 'there is no Go'

export async function startApicurio(): Promise<Registry> {
  const folder = await cached(`apicurio-${apicurio}`, async (target) => {
    const artifact = `io.apicurio:apicurio-registry-app:${apicurio}:tar.gz:all`
    const copy = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy'
    await run('mvn', ['-B', '-q', copy, `-Dartifact=${artifact}`, `-DoutputDirectory=${target}`])
    await run('tar', ['xzf', `apicurio-registry-app-${apicurio}-all.tar.gz`], { cwd: target })
  })
  const jar = (await readdir(folder)).find((name) => name.endsWith('-runner.jar'))
  const port = await freePort()
  const child = spawn('java', [...jvmOptions, `-Dquarkus.http.port=${port}`, '-jar', join(folder, jar!)], {
    stdio: 'ignore',
  })
  const url = `http://127.0.0.1:${port}/apis/ccompat/v7`
  const deadline = performance.now() + startMaxMs
  while (!(await answers(`${url}/subjects`))) {
    if (child.exitCode !== null || performance.now() > deadline) throw new Error('Apicurio did not start')
    await sleep(100)
  }
  return { url, stop: () => ended(child) }
}

const program = `package main

import (
	"fmt"
	"os"
	"os/signal"

	"github.com/twmb/franz-go/pkg/sr/srfake"
)

func main() {
	registry := srfake.New()
	defer registry.Close()
	fmt.Println(registry.URL())
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt)
	<-stop
}
`

export async function startSrfake(): Promise<Registry> {
  const folder = await cached(`srfake-${franzGo}`, async (target) => {
    await writeFile(join(target, 'main.go'), program)
    const environment = { ...process.env, GOFLAGS: '-mod=mod' }
    const go = (...args: string[]) => run('go', args, { cwd: target, env: environment })
    await go('mod', 'init', 'srfake')
    await go('get', `github.com/twmb/franz-go/pkg/sr@${franzGo}`)
    await go('build', '-o', 'srfake', '.')
  })
  const child = spawn(join(folder, 'srfake'), { stdio: ['ignore', 'pipe', 'ignore'] })
  const [url] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  return { url, stop: () => ended(child) }
}

async function answers(url: string): Promise<boolean> {
  return await fetch(url).then(
    ({ ok }) => ok,
    () => false,
  )
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

async function cached(name: string, make: (target: string) => Promise<void>): Promise<string> {
  const target = join(cacheDirectory, name)
  if (existsSync(target)) return target
  await mkdir(dirname(target), { recursive: true })
  const making = await mkdtemp(`${target}.`)
  try {
    await make(making)
    await rename(making, target)
  } finally {
    await rm(making, { recursive: true, force: true })
  }
  return target
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}
