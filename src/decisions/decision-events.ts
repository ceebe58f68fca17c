// GET /v1/decisions/stream: decisions as server-sent events, from when a client comes. Nobody waits for a
// client: what one does not read in time it misses, and it is told how much that was.
import type { ServerResponse } from 'node:http'
import type { PublishedDecision } from './decision-follower.ts'

export const eventClientsMax = 64
/** Of one client: what is written and not taken yet. */
const clientBytesMax = 1_048_576
/** Proxies close what is silent for longer. */
const aliveEveryMs = 15_000

type Client = { readonly response: ServerResponse; missed: number }

export class DecisionEvents {
  readonly #clients = new Set<Client>()
  #alive: NodeJS.Timeout | null = null

  /** False where there are too many. */
  open(response: ServerResponse): boolean {
    if (this.#clients.size >= eventClientsMax) return false
    const client: Client = { response, missed: 0 }
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    })
    response.write(': decisions from now on\n\n')
    this.#clients.add(client)
    this.#alive ??= setInterval(() => this.#write(': alive\n\n', 0), aliveEveryMs)
    response.once('close', () => {
      this.#clients.delete(client)
      if (this.#clients.size === 0) this.close()
    })
    return true
  }

  /** Told of decisions that are on their topic. */
  onPublished(decisions: readonly PublishedDecision[]): void {
    if (this.#clients.size === 0) return
    const texts = decisions.map(({ topic, partition, offset, text }) => {
      const data = Buffer.from(text).toString()
      return `event: decision\nid: ${topic}/${partition}/${offset}\ndata: ${data}\n\n`
    })
    this.#write(texts.join(''), decisions.length)
  }

  close(): void {
    if (this.#alive !== null) clearInterval(this.#alive)
    this.#alive = null
  }

  #write(text: string, count: number): void {
    for (const client of this.#clients) {
      const { response, missed } = client
      if (response.writableLength > 0 && response.writableLength + text.length > clientBytesMax) {
        client.missed += count
        continue
      }
      if (missed > 0) response.write(`event: missed\ndata: {"count":${missed}}\n\n`)
      client.missed = 0
      response.write(text)
    }
  }
}
