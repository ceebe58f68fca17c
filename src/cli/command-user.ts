// Who gives a command, as far as the machine knows.
import { userInfo } from 'node:os'

/** The name of the user, or the number of one who has no name here, as in many containers. */
export function commandUser(): string {
  try {
    return userInfo().username
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`
  }
}
