// Who asks: sessions in a cookie that scripts cannot read, each with a token that changing requests carry.
import { randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { UserRole } from './roles.ts'

export type DashboardSession = {
  readonly id: string
  readonly user: string
  readonly role: UserRole
  /** To be sent with whatever changes something: a page of another site does not know it. */
  readonly token: string
  readonly startedMs: number
  readonly seenMs: number
}

const idleMaxMs = 8 * 3_600_000
const ageMaxMs = 24 * 3_600_000
const sessionsMax = 1_000
const idBytes = 32
export const sessionCookie = 'assay_session'
export const tokenHeader = 'x-assay-token'

export class Sessions {
  readonly #sessions = new Map<string, DashboardSession>()
  readonly #nowMs: () => number

  constructor(nowMs: () => number = Date.now) {
    this.#nowMs = nowMs
  }

  start(user: string, role: UserRole): DashboardSession {
    const [id, token] = [
      randomBytes(idBytes).toString('base64url'),
      randomBytes(idBytes).toString('base64url'),
    ]
    const nowMs = this.#nowMs()
    const session = { id, user, role, token, startedMs: nowMs, seenMs: nowMs }
    // The one that was seen longest ago gives way: a Map is in that order.
    if (this.#sessions.size >= sessionsMax) this.#sessions.delete(this.#sessions.keys().next().value!)
    this.#sessions.set(id, session)
    return session
  }

  of(request: IncomingMessage): DashboardSession | null {
    const id = cookieOf(request, sessionCookie)
    const session = id === null ? undefined : this.#sessions.get(id)
    if (session === undefined) return null
    const nowMs = this.#nowMs()
    this.#sessions.delete(session.id)
    if (nowMs - session.seenMs > idleMaxMs || nowMs - session.startedMs > ageMaxMs) return null
    const seen = { ...session, seenMs: nowMs }
    this.#sessions.set(session.id, seen)
    return seen
  }

  end({ id }: DashboardSession): void {
    this.#sessions.delete(id)
  }
}

export function hasToken(request: IncomingMessage, { token }: DashboardSession): boolean {
  const given = Buffer.from(String(request.headers[tokenHeader] ?? ''))
  const expected = Buffer.from(token)
  return given.length === expected.length && timingSafeEqual(given, expected)
}

/** Only this site's own pages send it; over TLS alone where a proxy says that there is TLS. */
export function cookieText(request: IncomingMessage, id: string): string {
  const secure = request.headers['x-forwarded-proto'] === 'https' ? '; Secure' : ''
  const ends = id === '' ? '; Max-Age=0' : ''
  return `${sessionCookie}=${id}; Path=/; HttpOnly; SameSite=Strict${secure}${ends}`
}

function cookieOf(request: IncomingMessage, name: string): string | null {
  for (const part of (request.headers.cookie ?? '').split(';')) {
    const [key, value] = part.trim().split('=', 2)
    if (key === name && value !== undefined) return value
  }
  return null
}

type Failures = { count: number; readonly sinceMs: number }

const failuresWithinMs = 15 * 60_000
/** Of one name from one address, of one address, and of one name from anywhere. */
const failuresMax = { pair: 5, address: 30, name: 100 } as const
const countedMax = 10_000

/** Wrong passwords, counted: too many of them close the door for a quarter of an hour. */
export class LoginLimit {
  readonly #failures = new Map<string, Failures>()
  readonly #nowMs: () => number

  constructor(nowMs: () => number = Date.now) {
    this.#nowMs = nowMs
  }

  /** Seconds to wait; 0 where a password may be tried. */
  waitSeconds(address: string, name: string): number {
    const waits = keysOf(address, name).map(([key, max]) => {
      const found = this.#failures.get(key)
      if (found === undefined || found.count < max) return 0
      return Math.ceil((found.sinceMs + failuresWithinMs - this.#nowMs()) / 1000)
    })
    return Math.max(0, ...waits)
  }

  fail(address: string, name: string): void {
    const nowMs = this.#nowMs()
    for (const [key] of keysOf(address, name)) {
      const found = this.#failures.get(key)
      if (found !== undefined && nowMs - found.sinceMs < failuresWithinMs) found.count++
      else this.#failures.set(key, { count: 1, sinceMs: nowMs })
    }
    while (this.#failures.size > countedMax) this.#failures.delete(this.#failures.keys().next().value!)
  }

  succeed(address: string, name: string): void {
    this.#failures.delete(keysOf(address, name)[0]![0])
  }
}

function keysOf(address: string, name: string): readonly (readonly [key: string, max: number])[] {
  return [
    [JSON.stringify([address, name]), failuresMax.pair],
    [JSON.stringify([address]), failuresMax.address],
    [JSON.stringify([null, name]), failuresMax.name],
  ]
}
