// What a linter of deploy/ cannot know: that it fits this package.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { loadConfig } from '../../src/config/config.ts'
import { variablesOf } from '../../src/config/variables.ts'
import { standardLakehouse } from '../../src/lakehouse/index.ts'

const root = dirname(dirname(import.meta.dirname))
const deploy = (path: string): string => readFileSync(join(root, 'deploy', path), 'utf8')
const pack = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const variables = variablesOf(standardLakehouse)
const [metricsPort, dashboardPort] = ['METRICS_PORT', 'DASHBOARD_PORT'].map(
  (name) => variables.get(name)!.default!,
)

type Service = {
  readonly image: string
  readonly environment?: Readonly<Record<string, string>>
  readonly volumes?: readonly string[]
  readonly ports?: readonly string[]
  readonly env_file?: readonly { readonly path: string; readonly required: boolean }[]
}
type Compose = {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: Readonly<Record<string, object>>
  readonly secrets: Readonly<Record<string, { readonly file: string }>>
}
const compose: Compose = parse(deploy('compose/compose.yaml'))

/** The variables of Assay that are set, with what they are set to. */
function expectValid(settings: Readonly<Record<string, string>>): void {
  const ours = Object.entries(settings).filter(([name]) => variables.has(name))
  expect(loadConfig(standardLakehouse, Object.fromEntries(ours), join(root, 'absent')).hints).toEqual([])
}

test('the image, the chart and compose have the version of the package and its ports', () => {
  const dockerfile = deploy('docker/Dockerfile')
  const node = /^ARG NODE_IMAGE=node:(\d+)-/m.exec(dockerfile)?.[1]
  expect(`>=${node}`).toBe(pack.engines.node)
  expect(dockerfile).toContain(`EXPOSE ${dashboardPort} ${metricsPort}`)
  expect(dockerfile).toContain(`METRICS_PORT || ${metricsPort})`)
  const flags = /^#!.* node (.*)$/m.exec(readFileSync(join(root, 'bin/assay.js'), 'utf8'))![1]!
  expect(dockerfile).toContain(
    JSON.stringify(['node', flags, '/opt/assay/bin/assay.js']).slice(1, -1).replaceAll(',', ', '),
  )
  expect(deploy('systemd/assay.service')).toContain(`node ${flags} `)
  const chart = parse(deploy('helm/assay/Chart.yaml'))
  expect([chart.version, chart.appVersion]).toEqual([pack.version, pack.version])
  expect(compose.services.assay!.image).toContain(`:${pack.version}}`)
  const tested = readFileSync(join(root, 'test/services/broker.ts'), 'utf8')
  const kafka = /org\.apache\.kafka:kafka_2\.13:([\d.]+)/.exec(tested)![1]
  expect(compose.services.kafka!.image).toContain(`:${kafka}}`)
  const scraped = parse(deploy('compose/prometheus.yml')).scrape_configs[0].static_configs[0].targets
  expect(scraped).toEqual([`assay:${metricsPort}`])
})

test('what is copied into the image is there, or is built', () => {
  const copied = [...deploy('docker/Dockerfile').matchAll(/^COPY --from=build (.*) \S+$/gm)].flatMap((line) =>
    line[1]!.split(' '),
  )
  const missing = copied
    .map((path) => path.replace('/src/', ''))
    .filter((path) => path !== 'dist' && !existsSync(join(root, path)))
  expect(missing).toEqual([])
  const packed = (pack.files as string[]).filter(
    (path) => /^[a-z]+$/.test(path) && !['dbt', 'deploy', 'docs', 'examples'].includes(path),
  )
  expect(copied.map((path) => path.replace('/src/', ''))).toEqual(expect.arrayContaining(packed))
})

test('compose sets variables that there are, and mounts files that there are', () => {
  for (const name of ['assay', 'produce']) {
    const { environment } = compose.services[name]!
    expect(Object.keys(environment!).filter((key) => !variables.has(key))).toEqual([])
    expectValid(environment!)
  }
  for (const { volumes = [], ports = [] } of Object.values(compose.services)) {
    for (const volume of volumes) {
      const source = volume.split(':')[0]!
      const isThere = source.startsWith('.')
        ? existsSync(join(root, 'deploy/compose', source))
        : source in compose.volumes
      expect(isThere, volume).toBe(true)
    }
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/)
  }
  const ignored = deploy('compose/.gitignore').split('\n')
  for (const { file } of Object.values(compose.secrets)) expect(ignored).toContain(`${dirname(file)}/`)
  for (const { env_file = [] } of Object.values(compose.services))
    for (const { path, required } of env_file) {
      expect([ignored.includes(path), required]).toEqual([true, false])
      expect(existsSync(join(root, 'deploy/compose', `${path}.example`))).toBe(true)
    }
})

test('the service of systemd sets variables that there are', () => {
  const lines = [...deploy('systemd/assay.service').matchAll(/^Environment=(.*)$/gm)].flatMap((line) =>
    line[1]!.split(' '),
  )
  const settings = Object.fromEntries(lines.map((line) => line.split('=') as [string, string]))
  const known = (name: string): boolean =>
    variables.has(name) || ['NODE_ENV', 'HOME', 'XDG_CACHE_HOME', 'NODE_COMPILE_CACHE'].includes(name)
  expect(Object.keys(settings).filter((name) => !known(name))).toEqual([])
  expectValid(settings)
})

test('the chart uses values that there are, and sets variables that there are', () => {
  const values = parse(deploy('helm/assay/values.yaml'))
  const folder = join(root, 'deploy/helm/assay/templates')
  const templates = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'))
  const unknown = [...templates.join('\n').matchAll(/\.Values\.([A-Za-z.]+)/g)]
    .map((found) => found[1]!)
    .filter((path) => path.split('.').reduce((value, name) => value?.[name], values) === undefined)
  expect(unknown).toEqual([])
  const settings = readFileSync(join(folder, 'settings.yaml'), 'utf8').split('\ndata:\n')[1]!
  const names = [...settings.matchAll(/^ {2}([A-Z_]+):/gm)].map((found) => found[1]!)
  expect(names.filter((name) => !variables.has(name))).toEqual([])
  expect(templates.join('\n')).toContain('(print .Template.BasePath "/settings.yaml") . | sha256sum')
  // The rules ask for a job whose name begins with assay, whatever the release is called.
  const label = /^ {2}jobLabel: (.*)$/m.exec(templates.join('\n'))![1]!
  expect(templates.join('\n')).toContain(`${label}: assay\n`)
  // What it sets itself cannot be set twice.
  const refused = readFileSync(join(folder, '_helpers.tpl'), 'utf8')
  for (const name of names.filter((one) => one !== 'SPARK_MASTER')) expect(refused).toContain(`"${name}"`)
})
