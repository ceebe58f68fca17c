// The kinds of value that a variable can have: each reads text and says what it allows when it cannot.
import { homedir } from 'node:os'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { storeAddress, storeUrl, storeUrlMistake } from '../objects/address.ts'
import { parseDuration } from './duration.ts'

/**
 * A kind of value: the schema that parses the text, and what is allowed, as it ends the sentence "must be
 * ..".
 */
export type ValueKind<T> = { readonly allowed: string; readonly schema: z.ZodType<T, string> }

/** A value that is never printed: neither by JSON.stringify nor by console.log nor in a message. */
export type Secret = { readonly reveal: () => string }

export type StartingOffsets =
  | { readonly kind: 'earliest' }
  | { readonly kind: 'latest' }
  | { readonly kind: 'time'; readonly timestampMs: number }

/** `parse` returns null for text that is no value of this kind. */
function kindOf<T>(
  allowed: string,
  parse: (text: string) => T | null,
  mistakeOf: (text: string) => string | null = () => null,
): ValueKind<T> {
  const schema = z.string().transform((text, context): T => {
    const value = parse(text)
    if (value !== null) return value
    context.addIssue({ code: 'custom', message: mistakeOf(text) ?? `must be ${allowed}` })
    return z.NEVER
  })
  return { allowed, schema }
}

export function oneOf<const T extends string>(...words: readonly T[]): ValueKind<T> {
  const allowed = words.length === 1 ? words[0]! : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
  return kindOf(allowed, (text) => words.find((word) => word === text) ?? null)
}

export function wholeNumber(min: number, max: number): ValueKind<number> {
  return kindOf(`a whole number from ${min} to ${max}`, (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
    return value >= min && value <= max ? value : null
  })
}

const durationMaxMicros = 3650n * 86_400_000_000n

export function duration(): ValueKind<bigint> {
  return kindOf('a duration with its unit, such as "10 minutes", "1 h" or "90s"', (text) => {
    const micros = parseDuration(text)
    return micros !== null && micros <= durationMaxMicros ? micros : null
  })
}

export function positiveDuration(): ValueKind<bigint> {
  return kindOf('a duration greater than 0 with its unit, such as "10 minutes", "1 h" or "90s"', (text) => {
    const micros = parseDuration(text)
    return micros !== null && micros > 0n && micros <= durationMaxMicros ? micros : null
  })
}

/** A retention; of a table that does not say which batch a row came with there can be none. */
export function wholeDays(isTimed: boolean): ValueKind<bigint> {
  const dayMicros = 86_400_000_000n
  const parse = (text: string): bigint | null => {
    const micros = isTimed ? parseDuration(text) : null
    const isWhole = micros !== null && micros > 0n && micros % dayMicros === 0n && micros <= durationMaxMicros
    return isWhole ? micros : null
  }
  const untimed = 'cannot be set: the table has no column with the time of its batch'
  return kindOf('whole days, such as "90 days"', parse, () => (isTimed ? null : untimed))
}

const bytesOfUnit: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
}

export function byteSize(minBytes: number): ValueKind<number> {
  return kindOf(
    `a size with its unit, at least ${minBytes / 2 ** 20} MiB, such as "64 MiB" or "2 GB"`,
    (text) => {
      const match = /^(\d{1,9}(?:\.\d{1,3})?)\s*([a-z]{1,3})$/i.exec(text)
      const unitBytes = match === null ? undefined : bytesOfUnit[match[2]!.toLowerCase()]
      if (match === null || unitBytes === undefined) return null
      const bytes = Math.round(Number(match[1]) * unitBytes)
      return bytes >= minBytes && bytes <= Number.MAX_SAFE_INTEGER ? bytes : null
    },
  )
}

export function textMatching(allowed: string, pattern: RegExp): ValueKind<string> {
  return kindOf(allowed, (value) => (pattern.test(value) ? value : null))
}

/** What Kafka allows in a topic name; such a name is also safe in a path. */
export function topicList(): ValueKind<string> {
  const allowed = 'a topic name (1 to 249 letters, digits, ".", "_" and "-"), several separated by commas'
  return kindOf(allowed, (value) => {
    const topics = commaSeparated(value)
    const isName = (topic: string) => /^[A-Za-z0-9._-]{1,249}$/.test(topic) && topic !== '.' && topic !== '..'
    return topics.length > 0 && topics.every(isName) ? topics.join(',') : null
  })
}

export function hostsAndPorts(): ValueKind<readonly string[]> {
  return kindOf('host:port, several separated by commas', (value) => {
    const hosts = commaSeparated(value)
    return hosts.length > 0 && hosts.every(isHostAndPort) ? hosts : null
  })
}

function isHostAndPort(value: string): boolean {
  const match = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})$/.exec(value)
  return match !== null && Number(match[1]) >= 1 && Number(match[1]) <= 65_535
}

/** A login in an address would be printed with it. */
export function httpUrls(): ValueKind<readonly string[]> {
  const allowed = 'an address such as http://host:8081, without a login in it, several separated by commas'
  return kindOf(allowed, (value) => {
    const urls = commaSeparated(value)
    const isPlain = (text: string): boolean => {
      const url = URL.parse(text)
      const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:'
      return url !== null && isHttp && `${url.username}${url.password}${url.search}${url.hash}` === ''
    }
    return urls.length > 0 && urls.every(isPlain) ? urls : null
  })
}

/** `none` is the empty list, because an empty variable means its default. */
export function names(): ValueKind<readonly string[]> {
  return kindOf('names separated by commas, or none', (value) => {
    if (value === 'none') return []
    const list = commaSeparated(value)
    return list.length > 0 ? list : null
  })
}

function commaSeparated(value: string): string[] {
  return value
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

/** A path on this machine, or `s3://bucket/prefix`. */
export function tablesPath(): ValueKind<string> {
  const path = localPath()
  const isUrl = (text: string) => /^[A-Za-z][A-Za-z0-9+.-]+:\/\//.test(text) && !text.startsWith('file:')
  const parse = (text: string): string | null => {
    if (isUrl(text)) return storeUrlMistake(text) === null ? storeUrl(storeAddress(text)) : null
    const result = path.schema.safeParse(text)
    return result.success ? result.data : null
  }
  const mistakeOf = (text: string) => (isUrl(text) ? storeUrlMistake(text) : null)
  return kindOf('a path on this machine, or s3://bucket/prefix', parse, mistakeOf)
}

export function webAddress(): ValueKind<string> {
  return kindOf('an address that begins with http:// or https://', (text) => {
    return /^https?:\/\/[^/@]+\/?$/.test(text) && URL.canParse(text) ? text : null
  })
}

/** A path on this machine; one that begins with ~/ is in the user's home directory, as in a shell. */
export function localPath(): ValueKind<string> {
  return kindOf('a path on this machine (URLs and ~name are not)', (text) => {
    const value = inHome(text)
    if (value.includes('\0') || /^~[^/]/.test(value)) return null
    if (value.startsWith('file:')) return URL.canParse(value) ? fileUrlPath(value) : null
    return /^[A-Za-z][A-Za-z0-9+.-]+:\/\//.test(value) ? null : resolve(value)
  })
}

/** `~` and `~/..` mean the home directory, also where no shell has seen them: in .env and in `--from=~/x`. */
export function inHome(path: string): string {
  return path === '~' || path.startsWith('~/') ? `${homedir()}${path.slice(1)}` : path
}

function fileUrlPath(url: string): string | null {
  try {
    return fileURLToPath(url)
  } catch {
    return null // A host or an encoded slash in the URL: no path on this machine.
  }
}

export function startingOffsets(): ValueKind<StartingOffsets> {
  return kindOf('earliest, latest or a time such as 2024-03-10T00:00:00Z', (value) => {
    if (value === 'earliest' || value === 'latest') return { kind: value }
    const timestampMs = parseInstantMs(value)
    return timestampMs === null ? null : { kind: 'time', timestampMs }
  })
}

/** An ISO date, perhaps with a time and a zone; without a zone it is UTC, as everywhere in Assay. */
export function parseInstantMs(value: string): number | null {
  const match =
    /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?)(Z|[+-]\d{2}:\d{2})?)?$/.exec(value)
  if (match === null) return null
  const [, date, time = '00:00', zone = 'Z'] = match
  const ms = Date.parse(`${date}T${time}${zone}`)
  // Date.parse takes 2024-02-30 for March 1: a date that does not come back as it went in is not a real one.
  if (Number.isNaN(ms) || !new Date(`${date}T00:00Z`).toISOString().startsWith(date!)) return null
  return ms >= 0 ? ms : null
}

export function secret(allowed: string): ValueKind<Secret> {
  return secretMatching(allowed, /^/)
}

export function secretMatching(allowed: string, pattern: RegExp): ValueKind<Secret> {
  return kindOf(allowed, (value) => (pattern.test(value) ? { reveal: () => value } : null))
}

/**
 * PEM as text. Where a file or a secret store holds it in one line, its ends of lines are written as \\n.
 * It is never printed: nobody has to know which of them are secret.
 */
export function pem(label: 'CERTIFICATE' | 'PRIVATE KEY'): ValueKind<Secret> {
  return kindOf(
    `PEM that begins with ${pemExample(label).slice(0, pemExample(label).indexOf('\\'))}`,
    (text) => {
      const lines = text.includes('\n') ? text : text.replaceAll('\\n', '\n')
      const isWhole = new RegExp(
        `-----BEGIN ([A-Z]+ )?${label}-----\\s[^]*-----END ([A-Z]+ )?${label}-----`,
      ).test(lines)
      return isWhole ? { reveal: () => `${lines.trim()}\n` } : null
    },
  )
}

/** In one line, as it may stand in .env. */
export function pemExample(label: 'CERTIFICATE' | 'PRIVATE KEY'): string {
  return `-----BEGIN ${label}-----\\nMIIB..\\n-----END ${label}-----`
}

export function httpUrl(): ValueKind<string> {
  return kindOf('an address that begins with https:// or http://, without a user in it', (text) => {
    const url = URL.parse(text)
    if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '')
      return null
    return url.href
  })
}

/** `;` between settings: values of Spark hold commas and spaces. */
export function sparkSettings(): ValueKind<Readonly<Record<string, string>>> {
  return kindOf('settings of Spark such as "spark.ui.enabled=true;spark.executor.instances=4"', (value) => {
    const parts = value.split(';').map((part) => part.trim())
    const pairs = parts.filter((part) => part !== '').map((part) => /^(spark\.[^=\s]+)=(.*)$/.exec(part))
    if (pairs.some((pair) => pair === null)) return null
    return Object.fromEntries(pairs.map((pair) => [pair![1]!, pair![2]!]))
  })
}

const masters = [
  /^sc:\/\/\S+$/,
  /^local(\[(\*|[1-9]\d{0,3})(,\s*\d{1,3})?\])?$/,
  /^spark:\/\/\S+$/,
  /^yarn$/,
  /^k8s:\/\/\S+$/,
]

export function sparkMaster(): ValueKind<Secret> {
  return kindOf(
    'sc://host:port, local[*], local[4], spark://host:port, yarn or k8s://https://host:port',
    (value) => (masters.some((pattern) => pattern.test(value)) ? { reveal: () => value } : null),
  )
}
