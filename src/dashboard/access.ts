// Who is let in: everybody on this machine where there are no users; else who logs in.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { isLocalName } from '../metrics/listening.ts'
import type { SessionAnswer } from './api.ts'
import type { Audit } from './audit.ts'
import { bodyOf, isOwnOrigin, Refusal, sendJson, textOfBody } from './http.ts'
import { mayDo, seesIds, type UserRole } from './roles.ts'
import { cookieText, type DashboardSession, hasToken, LoginLimit, Sessions } from './sessions.ts'
import { isPasswordOf, type UsersFile } from './users.ts'

/** Who is let in without a login is the owner of the machine. */
const ownerName = 'local'
const nameLengthMax = 100

export class Access {
  readonly #users: UsersFile | null
  readonly #audit: Audit
  readonly #title: string
  readonly #sessions = new Sessions()
  readonly #limit = new LoginLimit()

  /** `users` is null where everybody on this machine is let in. */
  constructor(users: UsersFile | null, audit: Audit, title: string) {
    this.#users = users
    this.#audit = audit
    this.#title = title
  }

  /** Refuses what another site sends, or has sent by way of a name of its own. */
  checkSite(request: IncomingMessage): void {
    const { host, origin } = request.headers
    if (this.#users === null && !isLocalName(host)) {
      throw new Refusal(421, 'HOST_UNKNOWN', 'without users the dashboard answers to localhost alone')
    }
    if (!isOwnOrigin({ host, origin }) || request.headers['sec-fetch-site'] === 'cross-site') {
      throw new Refusal(403, 'OTHER_SITE', 'the request comes from another site')
    }
  }

  /** The session of who asks, with the role that the user has now. */
  async session(request: IncomingMessage): Promise<DashboardSession | null> {
    const session = this.#sessions.of(request)
    if (session === null || this.#users === null) return session
    const user = await this.#users.named(session.user)
    if (user !== undefined) return { ...session, role: user.role }
    this.#sessions.end(session)
    return null
  }

  /** Fails where who asks may not, and where a request that changes something does not carry the token. */
  async allowed(request: IncomingMessage, least: UserRole): Promise<DashboardSession> {
    const session = await this.session(request)
    if (session === null) throw new Refusal(401, 'LOGIN_NEEDED', 'log in first')
    if (!mayDo(session.role, least)) throw new Refusal(403, 'ROLE_NEEDED', `this needs the role ${least}`)
    if (request.method !== 'GET' && !hasToken(request, session)) {
      throw new Refusal(403, 'TOKEN_NEEDED', 'the request does not carry the token of the session')
    }
    return session
  }

  /** Where there are no users, who asks for the session gets one. */
  async tellSession(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let session = await this.session(request)
    if (session === null && this.#users === null) {
      session = this.#sessions.start(ownerName, 'admin')
      response.setHeader('set-cookie', cookieText(request, session.id))
    }
    sendJson(response, this.#answer(session))
  }

  async login(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request)
    const [name, password] = [textOfBody(body, 'name').slice(0, nameLengthMax), textOfBody(body, 'password')]
    const address = request.socket.remoteAddress ?? ''
    const waitSeconds = this.#limit.waitSeconds(address, name)
    if (waitSeconds > 0) {
      throw new Refusal(429, 'TOO_MANY_LOGINS', 'too many wrong passwords: try again later', waitSeconds)
    }
    // Counted before the password is looked at: many at a time must not all be looked at.
    this.#limit.fail(address, name)
    const user = await this.#users?.named(name)
    if (!(await isPasswordOf(user, password)) || user === undefined) {
      const isLast = this.#limit.waitSeconds(address, name) > 0
      if (isLast) this.#note({ user: name, role: '', address }, 'login_refused')
      throw new Refusal(401, 'LOGIN_WRONG', 'the name or the password is wrong')
    }
    this.#limit.succeed(address, name)
    const session = this.#sessions.start(user.name, user.role)
    this.#note({ user: user.name, role: user.role, address }, 'login')
    response.setHeader('set-cookie', cookieText(request, session.id))
    sendJson(response, this.#answer(session))
  }

  async logout(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const session = await this.allowed(request, 'viewer')
    this.#sessions.end(session)
    this.#note({ ...session, address: request.socket.remoteAddress ?? '' }, 'logout')
    response.setHeader('set-cookie', cookieText(request, ''))
    sendJson(response, this.#answer(null))
  }

  #note(
    who: { readonly user: string; readonly role: string; readonly address: string },
    action: string,
  ): void {
    const { user, role, address } = who
    this.#audit.add({ user, role, address, action, subject: null, details: null })
  }

  #answer(session: DashboardSession | null): SessionAnswer {
    const user =
      session === null ? null : { name: session.user, role: session.role, seesIds: seesIds(session.role) }
    return { user, token: session?.token ?? null, hasUsers: this.#users !== null, title: this.#title }
  }
}
