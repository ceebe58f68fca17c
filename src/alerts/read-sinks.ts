// The sinks of alerts.yaml. A secret stands in a variable or in a file: one that stands in the text itself is
// a mistake, and is not repeated in its message.
import type { YamlNode, YamlReader } from '../rules/index.ts'
import { alertNameForm, emailSecurities, type SecretSource, type SinkConfig } from './alerts-config.ts'

const sinksMax = 50
const recipientsMax = 50
const addressForm = /^[^\s@<>,;:"()[\]\\]{1,64}@[A-Za-z0-9.-]{1,253}$/
const topicForm = /^[A-Za-z0-9._-]{1,249}$/
const hostForm = /^([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]+\]):(\d{1,5})$/
export const pagerDutyUrl = 'https://events.pagerduty.com/v2/enqueue'
export const alertsTopic = 'ecommerce.fraud-alerts'

const kinds = ['slack', 'pagerduty', 'webhook', 'kafka', 'email'] as const

export class SinksReader {
  readonly #yaml: YamlReader

  constructor(yaml: YamlReader) {
    this.#yaml = yaml
  }

  read(node: YamlNode): readonly SinkConfig[] {
    const entries = this.#yaml.entries(node, 'sinks by their names') ?? []
    if (entries.length > sinksMax) this.#yaml.tell(node, `there are at most ${sinksMax} sinks`)
    return entries.slice(0, sinksMax).flatMap(({ name, at, value }) => {
      if (!alertNameForm.test(name))
        this.#yaml.tellAt(at, 'a sink has a name of small letters, digits, _ and -, as in team-slack')
      const sink = this.#sink(name, value)
      return sink === null ? [] : [sink]
    })
  }

  #sink(name: string, node: YamlNode): SinkConfig | null {
    const keys = this.#yaml.known(node, `one of ${kinds.join(', ')}`, kinds, [])
    if (keys === null) return null
    const given = kinds.filter((kind) => keys[kind] !== undefined)
    const [kind] = given
    if (kind === undefined || given.length > 1)
      return this.#yaml.tell(node, `a sink is one of ${kinds.join(', ')}`)
    const { value } = keys[kind]!
    switch (kind) {
      case 'slack':
        return this.#slack(name, value)
      case 'pagerduty':
        return this.#pagerDuty(name, value)
      case 'webhook':
        return this.#webhook(name, value)
      case 'kafka':
        return this.#kafka(name, value)
      case 'email':
        return this.#email(name, value)
      default:
        return kind satisfies never
    }
  }

  #slack(name: string, node: YamlNode): SinkConfig | null {
    const keys = this.#yaml.known(node, 'a map with url', ['url'], ['url'])
    const url = keys?.url && this.#secret(keys.url.value)
    return url ? { kind: 'slack', name, url } : null
  }

  #pagerDuty(name: string, node: YamlNode): SinkConfig | null {
    const keys = this.#yaml.known(node, 'a map with routing_key', ['routing_key', 'url'], ['routing_key'])
    const routingKey = keys?.routing_key && this.#secret(keys.routing_key.value)
    const url = keys?.url === undefined ? pagerDutyUrl : this.#plainUrl(keys.url.value)
    return routingKey && url ? { kind: 'pagerduty', name, routingKey, url } : null
  }

  #webhook(name: string, node: YamlNode): SinkConfig | null {
    const both = ['url', 'secret'] as const
    const keys = this.#yaml.known(node, 'a map with url and secret', both, both)
    if (keys?.url === undefined || keys.secret === undefined) return null
    const isSecret = 'items' in keys.url.value
    const url = isSecret ? this.#secret(keys.url.value) : this.#plainUrl(keys.url.value)
    const secret = this.#secret(keys.secret.value)
    return url && secret ? { kind: 'webhook', name, url, secret } : null
  }

  #kafka(name: string, node: YamlNode): SinkConfig | null {
    const keys = this.#yaml.known(node, `a map, as in { topic: ${alertsTopic} }`, ['topic'], ['topic'])
    const topic = keys?.topic && this.#yaml.text(keys.topic.value, 'a topic')?.text
    if (!topic) return null
    if (!topicForm.test(topic))
      return this.#yaml.tell(keys.topic!.value, 'a topic is 1 to 249 letters, digits, ".", "_" and "-"')
    return { kind: 'kafka', name, topic }
  }

  #email(name: string, node: YamlNode): SinkConfig | null {
    const required = ['server', 'from', 'to'] as const
    const all = [...required, 'security', 'user', 'password'] as const
    const keys = this.#yaml.known(node, 'a map with server, from and to', all, required)
    if (keys?.server === undefined || keys.from === undefined || keys.to === undefined) return null
    const server = hostForm.exec(this.#yaml.text(keys.server.value, 'host:port')?.text ?? '')
    if (server === null) return this.#yaml.tell(keys.server.value, 'host:port is expected')
    const word = keys.security && this.#yaml.text(keys.security.value, emailSecurities.join(', '))?.text
    const security = word === undefined ? 'starttls' : emailSecurities.find((one) => one === word)
    if (security === undefined)
      return this.#yaml.tell(keys.security!.value, `${emailSecurities.join(', ')} is expected`)
    const from = this.#address(keys.from.value)
    const recipients =
      'items' in keys.to.value ? this.#yaml.items(keys.to.value, 'addresses') : [keys.to.value]
    if (recipients === null || recipients.length === 0 || recipients.length > recipientsMax)
      return this.#yaml.tell(keys.to.value, `1 to ${recipientsMax} addresses are expected`)
    const to = recipients.flatMap((one) => this.#address(one) ?? [])
    const user = keys.user && this.#yaml.text(keys.user.value, 'a user')?.text
    const password = keys.password && this.#secret(keys.password.value)
    if ((user === undefined) !== (keys.password === undefined))
      return this.#yaml.tell(node, 'user and password stand together')
    if (user !== undefined && security === 'none')
      return this.#yaml.tell(keys.user!.value, 'a password goes over TLS alone: security is starttls or tls')
    const login = user && password ? { user, password } : null
    const [, host, port] = server
    return from === null
      ? null
      : {
          kind: 'email',
          name,
          host: host!.replace(/^\[|\]$/g, ''),
          port: Number(port),
          security,
          login,
          from,
          to,
        }
  }

  #address(node: YamlNode): string | null {
    const text = this.#yaml.text(node, 'an address')?.text
    if (text === undefined) return null
    return addressForm.test(text)
      ? text
      : this.#yaml.tell(node, 'an address is expected, as in team@example.com')
  }

  /** `{ env: NAME }` or `{ file: path }`. */
  #secret(node: YamlNode): SecretSource | null {
    const form = '{ env: VARIABLE } or { file: path } is expected: secrets do not stand in this file'
    if (!('items' in node)) return this.#yaml.tell(node, form)
    const keys = this.#yaml.known(node, form, ['env', 'file'], [])
    if (keys === null) return null
    if ((keys.env === undefined) === (keys.file === undefined)) return this.#yaml.tell(node, form)
    if (keys.env !== undefined) {
      const variable = this.#yaml.text(keys.env.value, 'the name of a variable')?.text ?? ''
      if (/^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(variable)) return { kind: 'env', variable }
      return this.#yaml.tell(keys.env.value, 'the name of a variable is letters, digits and _')
    }
    const path = this.#yaml.text(keys.file!.value, 'a path')?.text ?? ''
    if (path !== '' && !path.includes('\0')) return { kind: 'file', path }
    return this.#yaml.tell(keys.file!.value, 'a path is expected')
  }

  /** A login in an address, or a token behind it, would be printed with it. */
  #plainUrl(node: YamlNode): string | null {
    const text = this.#yaml.text(node, 'an address')?.text ?? ''
    const url = URL.parse(text)
    const isHttp = url?.protocol === 'https:' || url?.protocol === 'http:'
    if (url !== null && isHttp && `${url.username}${url.password}${url.search}${url.hash}` === '')
      return url.href
    const form = 'https://host/path is expected; one that holds a secret stands in { env: VARIABLE }'
    return this.#yaml.tell(node, form)
  }
}
