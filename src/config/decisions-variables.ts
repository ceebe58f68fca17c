// The variables of the stream that decides transactions as they come, and what must not be together.
import { isLoopback } from '../metrics/listening.ts'
import type { MetricsAddress } from '../metrics/token.ts'
import { metricsToken } from '../metrics/token.ts'
import {
  byteSize,
  localPath,
  oneOf,
  type Secret,
  secretMatching,
  textMatching,
  wholeNumber,
} from './values.ts'

const decisions = { group: 'Decisions' } as const

export const decisionsVariables = {
  DECISIONS_IN_RUN: {
    ...decisions,
    ...oneOf('on', 'off'),
    meaning: 'Whether "assay run" decides transactions too as they come, in a thread of its own',
    default: 'off',
    example: 'on',
  },
  DECISIONS_TOPIC: {
    ...decisions,
    ...textMatching(
      'a topic name: 1 to 249 letters, digits, points, underscores, hyphens',
      /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$/,
    ),
    meaning: 'Topic of the decisions of "assay run decisions"; it is made where there is none',
    default: 'ecommerce.fraud-decisions',
    example: 'payments.decisions',
  },
  DECISIONS_GROUP_ID: {
    ...decisions,
    ...textMatching('1 to 249 letters, digits, points, underscores, hyphens', /^[a-zA-Z0-9._-]{1,249}$/),
    meaning: 'Consumer group that remembers which records are decided',
    default: 'assay-decisions',
    example: 'payments-decisions',
  },
  DECISIONS_STATE_MAX: {
    ...decisions,
    ...byteSize(2 ** 20),
    meaning:
      'Most memory for the rows that decisions look back at; beyond, they end with DECISIONS_STATE_FULL',
    default: '4 GiB',
    example: '16 GiB',
  },
  DECISIONS_PORT: {
    ...decisions,
    ...wholeNumber(0, 65_535),
    meaning: 'Port of POST /v1/decisions; where it is taken, the next that is free; 0 for none',
    default: '8081',
    example: '8091',
  },
  DECISIONS_HOST: {
    ...decisions,
    ...textMatching('a name or an address of this machine', /^[A-Za-z0-9.:-]{1,253}$/),
    meaning: 'Where it listens; anything but localhost can be reached by others, and needs a token',
    default: 'localhost',
    example: '0.0.0.0',
  },
  DECISIONS_TOKEN: {
    ...decisions,
    ...secretMatching('a token of 16 to 1000 printable characters without spaces', metricsToken),
    meaning: 'Bearer token that requests for decisions need; never printed',
    default: null,
    absent: 'none is asked for, and this machine alone gets answers',
    example: 'a-long-random-token',
    secret: true,
  },
  DECISIONS_TOKEN_FILE: {
    ...decisions,
    ...localPath(),
    meaning: 'File with that token, in place of DECISIONS_TOKEN; it is read at each request',
    default: null,
    absent: 'none',
    example: '/run/secrets/decisions-token',
  },
} as const

type DecisionsValues = {
  readonly DECISIONS_IN_RUN: 'on' | 'off'
  readonly DECISIONS_TOPIC: string
  readonly DECISIONS_GROUP_ID: string
  readonly DECISIONS_STATE_MAX: number
  readonly DECISIONS_HOST: string
  readonly DECISIONS_PORT: number
  readonly DECISIONS_TOKEN: Secret | null
  readonly DECISIONS_TOKEN_FILE: string | null
}

export type DecisionsConfig = {
  /** Whether a run decides, too. */
  readonly isInRun: boolean
  readonly topic: string
  readonly groupId: string
  readonly stateBytesMax: number
  readonly http: MetricsAddress
}

export function decisionsConfigOf(values: DecisionsValues): DecisionsConfig {
  const { DECISIONS_TOPIC: topic, DECISIONS_GROUP_ID: groupId } = values
  const { DECISIONS_HOST: host, DECISIONS_PORT: port } = values
  const { DECISIONS_TOKEN: text, DECISIONS_TOKEN_FILE: path } = values
  const variable = 'DECISIONS_TOKEN_FILE'
  const ofFile = path === null ? ({ kind: 'none' } as const) : ({ kind: 'file', variable, path } as const)
  const http = { host, port, token: text === null ? ofFile : ({ kind: 'text', text } as const) }
  const isInRun = values.DECISIONS_IN_RUN === 'on'
  return { isInRun, topic, groupId, stateBytesMax: values.DECISIONS_STATE_MAX, http }
}

/** What is wrong between them, of those that could be parsed. */
export function decisionsContradictions(
  values: Partial<DecisionsValues & { KAFKA_TOPIC: string; KAFKA_GROUP_ID: string }>,
): string[] {
  const { DECISIONS_HOST: host, DECISIONS_PORT: port, DECISIONS_TOPIC: topic, KAFKA_TOPIC: read } = values
  const { DECISIONS_TOKEN: token, DECISIONS_TOKEN_FILE: file } = values
  const { DECISIONS_GROUP_ID: group, KAFKA_GROUP_ID: lagGroup } = values
  const isRead = topic !== undefined && (read?.split(',') ?? []).includes(topic)
  const isOpen = host !== undefined && !isLoopback(host) && port !== 0
  return [
    ...(isRead
      ? [`DECISIONS_TOPIC is ${topic}, which is KAFKA_TOPIC: decisions would be read as records`]
      : []),
    ...(group !== undefined && group === lagGroup
      ? [
          `DECISIONS_GROUP_ID is ${group}, which is KAFKA_GROUP_ID: records of the tables would pass for decided`,
        ]
      : []),
    ...(isOpen && token && file
      ? ['DECISIONS_TOKEN and DECISIONS_TOKEN_FILE are both set: keep one of them']
      : []),
    ...(isOpen && token === null && file === null
      ? [
          `DECISIONS_HOST is ${host}, which others can reach, and there is no token: set DECISIONS_TOKEN_FILE or ` +
            'DECISIONS_TOKEN, or leave DECISIONS_HOST out',
        ]
      : []),
  ]
}
