// A schema registry of a few lines, for what a real one cannot be told to do: to be away, to refuse.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type RegistrySchema = {
  readonly schema: string
  readonly schemaType?: 'JSON' | 'PROTOBUF'
  readonly references?: readonly {
    readonly name: string
    readonly subject: string
    readonly version: number
  }[]
}

export class RegistryServer {
  /** By id or GUID. */
  readonly schemas = new Map<string, RegistrySchema>()
  /** By `subject version`. */
  readonly subjects = new Map<string, RegistrySchema>()
  /** What was asked for. */
  readonly asked: string[] = []
  readonly authorizations = new Set<string>()
  /** In place of an answer. */
  failing: { readonly status: number; readonly body: string } | null = null
  readonly #server = createServer((request, response) => this.#answer(request, response))

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => void this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = decodeURIComponent(request.url ?? '')
    this.asked.push(path)
    this.authorizations.add(String(request.headers.authorization))
    if (this.failing !== null) {
      response.writeHead(this.failing.status).end(this.failing.body)
      return
    }
    const [, key] = /^\/schemas\/(?:ids|guids)\/(.+)$/.exec(path) ?? []
    const [, subject, version] = /^\/subjects\/(.+)\/versions\/(\d+)$/.exec(path) ?? []
    const found = key !== undefined ? this.schemas.get(key) : this.subjects.get(`${subject} ${version}`)
    if (found === undefined) response.writeHead(404).end('{"error_code":40403,"message":"Schema not found"}')
    else response.end(JSON.stringify(found))
  }
}
