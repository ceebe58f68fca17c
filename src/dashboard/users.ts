// The users of the dashboard: a JSON file, private to its owner, with a scrypt hash for each.
import { createHash, randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { readFile, rename, stat, writeFile } from 'node:fs/promises'
import { z } from 'zod'
import { LakehouseError } from '../errors/errors.ts'
import { roles, type UserRole } from './roles.ts'

export type DashboardUser = {
  readonly name: string
  readonly role: UserRole
  readonly hash: string
  /** SHA-256 of the token by which commands are this user's; absent: none. */
  readonly token?: string | undefined
}

/** Cost, block size and parallelism: 32 MiB and about a tenth of a second. */
const cost = { N: 2 ** 15, r: 8, p: 1 } as const
const memoryMaxBytes = 128 * 2 ** 20
const hashLength = 32
const saltLength = 16

const hashPattern = /^scrypt\$(\d{1,7})\$(\d{1,3})\$(\d{1,3})\$([\w-]{1,200})\$([\w-]{1,200})$/

export const userName = /^[\p{L}\p{N}._@-]{1,100}$/u

const usersSchema = z.object({
  users: z.array(
    z.object({
      name: z.string().regex(userName, 'is letters, digits and . _ @ -'),
      role: z.enum(roles),
      hash: z.string().regex(hashPattern, 'is no scrypt hash'),
      token: z
        .string()
        .regex(/^[0-9a-f]{64}$/, 'is no SHA-256 of a token')
        .optional(),
    }),
  ),
})

export const passwordLengthMin = 10
export const passwordLengthMax = 1_000

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(saltLength)
  const hash = await scryptOf(password, salt, { ...cost, length: hashLength })
  const { N, r, p } = cost
  return ['scrypt', N, r, p, salt.toString('base64url'), hash.toString('base64url')].join('$')
}

/** Takes the same time for a user who does not exist. */
export async function isPasswordOf(user: DashboardUser | undefined, password: string): Promise<boolean> {
  const [, N, r, p, salt, hash] = hashPattern.exec(user?.hash ?? nobody)!
  const expected = Buffer.from(hash!, 'base64url')
  const of = { N: Number(N), r: Number(r), p: Number(p), length: expected.length }
  const given = await scryptOf(password.slice(0, passwordLengthMax), Buffer.from(salt!, 'base64url'), of)
  return timingSafeEqual(given, expected) && user !== undefined
}

const nobody = `scrypt$${cost.N}$${cost.r}$${cost.p}$${'A'.repeat(22)}$${'A'.repeat(43)}`

/** A token is long and random: it needs no slow hash. */
export function newToken(): { readonly token: string; readonly hash: string } {
  const token = `assay_${randomBytes(hashLength).toString('base64url')}`
  return { token, hash: tokenHash(token) }
}

export function userOfToken(users: readonly DashboardUser[], token: string): DashboardUser | undefined {
  const hash = tokenHash(token)
  return users.find((user) => user.token === hash)
}

function tokenHash(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

function scryptOf(
  password: string,
  salt: Buffer,
  { length, ...of }: { readonly N: number; readonly r: number; readonly p: number; readonly length: number },
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, key: Buffer): void => (error === null ? resolve(key) : reject(error))
    scrypt(password.normalize('NFC'), salt, length, { ...of, maxmem: memoryMaxBytes }, done)
  })
}

/** Fails with CONFIG_INVALID for a file that is none of users; none where the file is absent. */
export async function readUsers(path: string): Promise<readonly DashboardUser[]> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw new LakehouseError('CONFIG_INVALID', `${path} cannot be read: ${error.message}`, { cause: error })
  })
  if (text === null) return []
  const parsed = usersSchema.safeParse(jsonOf(text))
  if (parsed.success) return parsed.data.users
  const [issue] = parsed.error.issues
  const where = issue!.path.map(String).join('.')
  throw new LakehouseError(
    'CONFIG_INVALID',
    `${path} is no file of users: ${where === '' ? 'it' : where} ${issue!.message}; "assay users add" writes one.`,
  )
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** Whole or not at all, and for its owner alone. */
export async function writeUsers(path: string, users: readonly DashboardUser[]): Promise<void> {
  const draft = `${path}.${process.pid}.tmp`
  await writeFile(draft, `${JSON.stringify({ users }, null, 2)}\n`, { mode: 0o600 })
  await rename(draft, path)
}

/** The users as the file has them now: who is taken out of it is out. */
export class UsersFile {
  readonly #path: string
  #readMs = Number.NEGATIVE_INFINITY
  #stamp = ''
  #users: readonly DashboardUser[] = []

  constructor(path: string) {
    this.#path = path
  }

  async named(name: string): Promise<DashboardUser | undefined> {
    return (await this.all()).find((user) => user.name === name)
  }

  async all(): Promise<readonly DashboardUser[]> {
    const nowMs = performance.now()
    if (nowMs - this.#readMs < lookEveryMs) return this.#users
    this.#readMs = nowMs
    const found = await stat(this.#path).catch(() => null)
    const stamp = found === null ? 'absent' : `${found.mtimeMs} ${found.size} ${found.ino}`
    if (stamp !== this.#stamp) this.#users = await readUsers(this.#path)
    this.#stamp = stamp
    return this.#users
  }
}

const lookEveryMs = 1_000
