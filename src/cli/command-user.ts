// Who gives a command, as far as the machine knows.
import { userInfo } from 'node:os'
import type { Config } from '../config/config.ts'
import { readUsers, userOfToken } from '../dashboard/users.ts'
import { LakehouseError } from '../errors/errors.ts'
import type { Actor } from '../versions/change-versions.ts'

/** The name of the user, or the number of one who has no name here, as in many containers. */
export function commandUser(): string {
  try {
    return userInfo().username
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`
  }
}

/** The user of ASSAY_TOKEN, or of the machine. Fails with CONFIG_INVALID for a token of nobody. */
export async function commandActor({ rules, dashboard }: Config): Promise<Actor> {
  const origin = 'command line'
  const token = rules.token
  if (token === null) return { user: commandUser(), role: null, origin }
  const users = dashboard.usersFile === null ? [] : await readUsers(dashboard.usersFile)
  const user = userOfToken(users, token.reveal())
  if (user !== undefined) return { user: user.name, role: user.role, origin }
  throw new LakehouseError(
    'CONFIG_INVALID',
    'ASSAY_TOKEN is the token of no user of DASHBOARD_USERS_FILE: "assay users token" prints a new one.',
  )
}
