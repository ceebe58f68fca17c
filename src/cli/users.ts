// assay users: who may log in to the dashboard. Passwords are read, never given as an argument: those are
// seen by all who look at the processes of a machine.
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { Command, Option } from 'commander'
import type { Config } from '../config/config.ts'
import { writeAudit } from '../dashboard/audit.ts'
import { roles, type UserRole } from '../dashboard/roles.ts'
import {
  hashPassword,
  newToken,
  passwordLengthMax,
  passwordLengthMin,
  readUsers,
  userName,
  writeUsers,
} from '../dashboard/users.ts'
import { LakehouseError } from '../errors/errors.ts'
import type { Project } from '../project/project.ts'
import { commandUser } from './command-user.ts'
import { tableText } from './result-output.ts'
import { openSession } from './session.ts'

export function usersCommand(project: Project): Command {
  const command = new Command('users')
  command
    .command('add')
    .description('make a user, or give one another role and password, which is read from standard input')
    .argument('<name>', 'letters, digits and . _ @ -')
    .addOption(new Option('--role <role>', roles.join(', ')).choices(roles).default('viewer'))
    .action(async (name: string, { role }: { readonly role: UserRole }) => {
      const { config } = openSession(project)
      await addUser(config, name, role, await readPassword(name))
      process.stdout.write(`${name} is ${role}\n`)
    })
  command
    .command('remove')
    .description('take a user out; who is logged in is out at once')
    .argument('<name>')
    .action(async (name: string) => {
      await removeUser(openSession(project).config, name)
      process.stdout.write(`${name} is no user any more\n`)
    })
  command
    .command('token')
    .description(
      'print a new token, by which commands are the user (ASSAY_TOKEN); an older one counts no more',
    )
    .argument('<name>')
    .action(async (name: string) => {
      process.stdout.write(`${await giveToken(openSession(project).config, name)}\n`)
    })
  command
    .command('list')
    .description('the users and their roles')
    .action(async () => {
      const users = await readUsers(usersFileOf(openSession(project).config))
      const rows = users.map((user) => [user.name, user.role])
      process.stdout.write(tableText(['name', 'role'], rows))
    })
  return command
}

function usersFileOf({ dashboard }: Config): string {
  if (dashboard.usersFile !== null) return dashboard.usersFile
  throw new LakehouseError(
    'CONFIG_INVALID',
    'DASHBOARD_USERS_FILE says where the users are, and it is not set: give it a path, in .env or the environment.',
  )
}

async function addUser(config: Config, name: string, role: UserRole, password: string): Promise<void> {
  const file = usersFileOf(config)
  if (!userName.test(name)) {
    throw new LakehouseError(
      'CONFIG_INVALID',
      'the name of a user is letters, digits and . _ @ -, 100 at most.',
    )
  }
  if (password.length < passwordLengthMin || password.length > passwordLengthMax) {
    const lengths = `${passwordLengthMin} to ${passwordLengthMax}`
    const given =
      password === ''
        ? 'no password came by standard input: type it at a terminal, or pipe one line, as in assay users add NAME < password.txt'
        : `the password has ${password.length} characters`
    throw new LakehouseError('CONFIG_INVALID', `${given}; it is ${lengths} characters. Nothing was changed.`)
  }
  const users = await readUsers(file)
  const others = users.filter((user) => user.name !== name)
  const { token } = users.find((user) => user.name === name) ?? {}
  await writeUsers(file, [...others, { name, role, hash: await hashPassword(password), token }])
  await note(config, 'user_added', name, { role })
}

async function giveToken(config: Config, name: string): Promise<string> {
  const file = usersFileOf(config)
  const users = await readUsers(file)
  if (!users.some((user) => user.name === name)) throw noUser(name, file)
  const { token, hash } = newToken()
  await writeUsers(
    file,
    users.map((user) => (user.name === name ? { ...user, token: hash } : user)),
  )
  await note(config, 'user_token', name, {})
  return token
}

function noUser(name: string, file: string): LakehouseError {
  return new LakehouseError('CONFIG_INVALID', `there is no user ${JSON.stringify(name)} in ${file}.`)
}

async function removeUser(config: Config, name: string): Promise<void> {
  const file = usersFileOf(config)
  const users = await readUsers(file)
  const others = users.filter((user) => user.name !== name)
  if (others.length === users.length) throw noUser(name, file)
  await writeUsers(file, others)
  await note(config, 'user_removed', name, {})
}

async function note(config: Config, action: string, subject: string, details: object): Promise<void> {
  const entry = { user: commandUser(), role: 'command line', action, subject, address: null }
  const atMicros = BigInt(Date.now()) * 1000n
  await writeAudit(config.deltaBasePath, [{ atMicros, ...entry, details: JSON.stringify(details) }])
}

/** A line of standard input; on a terminal it is asked for, and not shown. */
async function readPassword(name: string): Promise<string> {
  const { stdin, stderr } = process
  if (stdin.isTTY) stderr.write(`Password of ${name}: `)
  // Without an output the reader takes the keys of a terminal and shows none.
  const reader = createInterface({ input: stdin, terminal: stdin.isTTY === true, crlfDelay: Infinity })
  const closed = once(reader, 'close').then(() => [''])
  const [line] = await Promise.race([once(reader, 'line'), closed])
  reader.close()
  if (stdin.isTTY) stderr.write('\n')
  return String(line)
}
