// The sinks of a config, opened: each kind is one case here and one file beside this one.
import type { KafkaConnectionOptions } from '../kafka/options.ts'
import type { AlertsConfig, SinkConfig } from './alerts-config.ts'
import { postJson } from './http-post.ts'
import { pagerDutyEvent } from './pagerduty.ts'
import { plainLine } from './plain-text.ts'
import { signedRequest } from './signed-webhook.ts'
import type { Sink } from './sink.ts'
import type { SinkSecrets } from './sink-secrets.ts'
import { slackMessage } from './slack.ts'

export type SinkContext = {
  readonly secrets: SinkSecrets
  /** Asked only where there is a sink of Kafka. */
  readonly kafka: () => KafkaConnectionOptions
  readonly nowMs: () => number
}

/** Slack takes one message a second of a webhook. */
const slackGapMs = 1_000

/** Fails with CONFIG_INVALID where a secret is missing. */
export async function openSinks(
  { sinks }: Pick<AlertsConfig, 'sinks'>,
  context: SinkContext,
): Promise<readonly Sink[]> {
  const opened: Sink[] = []
  for (const config of sinks) opened.push(withoutSecrets(await openSink(config, context), context.secrets))
  return opened
}

async function openSink(config: SinkConfig, { secrets, kafka, nowMs }: SinkContext): Promise<Sink> {
  const { name, kind } = config
  const ofHttp = { name, gapMs: 0, close: async () => undefined }
  switch (kind) {
    case 'slack': {
      const url = secrets.readUrl(name, config.url)
      const send: Sink['send'] = (notification, signal) =>
        postJson(url, { body: JSON.stringify(slackMessage(notification)), signal, nowMs })
      return { ...ofHttp, gapMs: slackGapMs, send }
    }
    case 'pagerduty': {
      const key = secrets.read(name, config.routingKey)
      const send: Sink['send'] = (notification, signal) =>
        postJson(config.url, { body: JSON.stringify(pagerDutyEvent(notification, key)), signal, nowMs })
      return { ...ofHttp, send }
    }
    case 'webhook': {
      const url = typeof config.url === 'string' ? config.url : secrets.readUrl(name, config.url)
      const key = secrets.readSigningKey(name, config.secret)
      const send: Sink['send'] = (notification, signal) =>
        postJson(url, {
          ...signedRequest(notification, key, Math.floor(nowMs() / 1000)),
          signal,
          nowMs,
        })
      return { ...ofHttp, send }
    }
    case 'kafka': {
      const { kafkaSink } = await import('./kafka-topic.ts')
      return kafkaSink(name, config.topic, kafka())
    }
    case 'email': {
      const { emailSink } = await import('./email.ts')
      return emailSink(name, config, config.login === null ? null : secrets.read(name, config.login.password))
    }
    default:
      return kind satisfies never
  }
}

const reasonCharactersMax = 200

/** A service may repeat what it was asked with. A reason that is cut before could end inside of a secret. */
function withoutSecrets(sink: Sink, secrets: SinkSecrets): Sink {
  return {
    ...sink,
    async send(notification, signal) {
      const outcome = await sink.send(notification, signal)
      if (outcome.kind === 'sent') return outcome
      const shown = (text: string) => plainLine(secrets.withoutSecrets(text), reasonCharactersMax)
      const said = outcome.said === undefined ? {} : { said: shown(outcome.said) }
      return { ...outcome, reason: shown(outcome.reason), ...said }
    },
  }
}
