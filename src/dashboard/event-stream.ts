// Server-sent events: the whole state for who comes, then what is new, each second. A client that does not
// read is let go, and comes again by itself.
import type { ServerResponse } from 'node:http'
import { Refusal } from './http.ts'

const clientsMax = 100
/** What waits for a client that reads too slowly. */
const waitingBytesMax = 2 ** 20
/** A browser that lost the connection comes back after so long. */
const comesBackMs = 1_000

type Client = { readonly response: ServerResponse; readonly kind: string }

/** `Kind` is what a client may see: each kind has its own text. */
export class EventStream<Kind extends string> {
  readonly #clients = new Set<Client & { readonly kind: Kind }>()

  get size(): number {
    return this.#clients.size
  }

  open(response: ServerResponse, kind: Kind, hello: string): void {
    if (this.#clients.size >= clientsMax) {
      throw new Refusal(503, 'BUSY', 'too many pages are open: close one, or try again later', 5)
    }
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    })
    response.write(`retry: ${comesBackMs}\n\n${eventText('hello', hello)}`)
    const client = { response, kind }
    this.#clients.add(client)
    response.on('close', () => this.#clients.delete(client))
    response.on('error', () => this.#clients.delete(client))
  }

  /** `textOf` is asked once for each kind that listens. */
  send(event: string, textOf: (kind: Kind) => string): void {
    const texts = new Map<Kind, string>()
    for (const client of this.#clients) {
      const { response, kind } = client
      if (response.writableLength > waitingBytesMax) {
        this.#clients.delete(client)
        response.destroy()
        continue
      }
      const text = texts.get(kind) ?? eventText(event, textOf(kind))
      texts.set(kind, text)
      response.write(text)
    }
  }

  close(): void {
    for (const { response } of this.#clients) response.end()
    this.#clients.clear()
  }
}

/** JSON has no line break, which would end an event. */
function eventText(event: string, json: string): string {
  return `event: ${event}\ndata: ${json}\n\n`
}
