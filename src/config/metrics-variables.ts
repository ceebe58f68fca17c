// The variables of what a process tells over HTTP, and what must not be together.
import { isLoopback } from '../metrics/listening.ts'
import type { MetricsAddress } from '../metrics/token.ts'
import { metricsToken } from '../metrics/token.ts'
import { localPath, type Secret, secretMatching, textMatching, wholeNumber } from './values.ts'

const metrics = { group: 'Metrics' } as const

export const metricsVariables = {
  METRICS_PORT: {
    ...metrics,
    ...wholeNumber(0, 65_535),
    meaning:
      'Port of /metrics, /healthz, /readyz and /status; where it is taken, the next that is free; 0 for none',
    default: '9464',
    example: '9100',
  },
  METRICS_HOST: {
    ...metrics,
    ...textMatching('a name or an address of this machine', /^[A-Za-z0-9.:-]{1,253}$/),
    meaning:
      'Where /metrics and the others listen; anything but localhost can be reached by others, and needs a token',
    default: 'localhost',
    example: '0.0.0.0',
  },
  METRICS_TOKEN: {
    ...metrics,
    ...secretMatching('a token of 16 to 1000 printable characters without spaces', metricsToken),
    meaning:
      'Bearer token that /metrics and /status ask for; /healthz and /readyz need none, and tell no more than yes or no; never printed',
    default: null,
    absent: 'none is asked for, and this machine alone gets answers',
    example: 'a-long-random-token',
    secret: true,
  },
  METRICS_TOKEN_FILE: {
    ...metrics,
    ...localPath(),
    meaning:
      'File with that token, in place of METRICS_TOKEN; it is read at each request, so a new token needs no restart',
    default: null,
    absent: 'none',
    example: '/run/secrets/metrics-token',
  },
} as const

type MetricsValues = {
  readonly METRICS_HOST: string
  readonly METRICS_PORT: number
  readonly METRICS_TOKEN: Secret | null
  readonly METRICS_TOKEN_FILE: string | null
}

export function metricsConfigOf(values: MetricsValues): MetricsAddress {
  const { METRICS_HOST: host, METRICS_PORT: port, METRICS_TOKEN: text, METRICS_TOKEN_FILE: path } = values
  if (text !== null) return { host, port, token: { kind: 'text', text } }
  const variable = 'METRICS_TOKEN_FILE'
  return { host, port, token: path === null ? { kind: 'none' } : { kind: 'file', variable, path } }
}

/** What is wrong between them, of those that could be parsed. */
export function metricsContradictions(values: Partial<MetricsValues>): string[] {
  const { METRICS_HOST: host, METRICS_PORT: port, METRICS_TOKEN: token, METRICS_TOKEN_FILE: file } = values
  if (host === undefined || isLoopback(host) || port === 0) return []
  if (token && file) return ['METRICS_TOKEN and METRICS_TOKEN_FILE are both set: keep one of them']
  if (token !== null || file !== null) return []
  return [
    `METRICS_HOST is ${host}, which others can reach, and there is no token: set METRICS_TOKEN_FILE or METRICS_TOKEN, ` +
      'or leave METRICS_HOST out',
  ]
}
