// What the card of the versions on the Rules page may ask: what became of each, and what is done to one.

import type { Config } from '../config/config.ts'
import { ruleDifference } from '../rules/index.ts'
import {
  type Actor,
  activateVersion,
  approveVersion,
  type NewRow,
  proposeVersion,
  rejectVersion,
  rollBack,
  shadowVersion,
  unshadowVersion,
} from '../versions/change-versions.ts'
import { versionedRules } from '../versions/configured-rules.ts'
import { contentHash, type RuleVersion, type Versions } from '../versions/rule-version.ts'
import {
  type RulesOfLakehouse,
  readVersions,
  refuseInvalid,
  rulesOfVersion,
} from '../versions/rules-in-force.ts'
import { withVersionLog } from '../versions/version-log.ts'
import type { VersionsAnswer } from './api.ts'
import { bodyOf, Refusal, sendJson, textOfBody } from './http.ts'
import { mayDo, type UserRole } from './roles.ts'
import type { DashboardRoute, RouteContext } from './route-context.ts'
import { rulesIn } from './rules-routes.ts'
import type { DashboardSession } from './sessions.ts'

const textMaxBytes = 2 * 2 ** 20
const reasonLengthMax = 1_000

type Body = Readonly<Record<string, unknown>>
type Decide = (versions: Versions, of: RulesOfLakehouse) => readonly NewRow[]

export const versionRoutes = {
  'GET /api/rules/versions': async ({ access, config }, request, response) => {
    const session = await access.allowed(request, 'viewer')
    sendJson(response, await answerOf(config, session))
  },
  'POST /api/rules/propose': (context, request, response) =>
    change(context, request, response, 'analyst', (body, by) => {
      const text = textOfBody(body, 'text')
      const hash = contentHash(rulesIn(context.config, text))
      return (versions) => proposeVersion(versions, { text, hash, reason: reasonOf(body) }, by)
    }),
  'POST /api/rules/approve': (context, request, response) =>
    change(context, request, response, 'approver', (body, by) => {
      return (versions) => approveVersion(versions, numberOf(body), reasonOf(body), by)
    }),
  'POST /api/rules/reject': (context, request, response) =>
    change(context, request, response, 'approver', (body, by) => {
      return (versions) => rejectVersion(versions, numberOf(body), reasonOf(body), by)
    }),
  'POST /api/rules/activate': (context, request, response) =>
    change(context, request, response, 'approver', (body, by) => {
      return (versions, { policy }) => activateVersion(versions, numberOf(body), reasonOf(body), by, policy)
    }),
  'POST /api/rules/shadow': (context, request, response) =>
    change(context, request, response, 'analyst', (body, by) => {
      return (versions) => shadowVersion(versions, numberOf(body), reasonOf(body), by)
    }),
  'POST /api/rules/unshadow': (context, request, response) =>
    change(context, request, response, 'analyst', (body, by) => {
      return (versions) => unshadowVersion(versions, numberOf(body), reasonOf(body), by)
    }),
  'POST /api/rules/rollback': (context, request, response) =>
    change(context, request, response, 'approver', (body, by) => {
      return (versions) => rollBack(versions, reasonOf(body), by)
    }),
} satisfies Readonly<Record<string, DashboardRoute>>

async function change(
  { access, config }: RouteContext,
  request: Parameters<DashboardRoute>[1],
  response: Parameters<DashboardRoute>[2],
  least: UserRole,
  decideBy: (body: Body, by: Actor) => Decide,
): Promise<void> {
  const session = await access.allowed(request, least)
  const decide = decideBy(await bodyOf(request, textMaxBytes), actorOf(config, session))
  const of = await versionedRules(config)
  await withVersionLog(of, (log) =>
    log.change((versions) => {
      const rows = decide(versions, of)
      refuseInvalid(config.lakehouse, versions, rows)
      return rows
    }),
  )
  sendJson(response, await answerOf(config, session))
}

/** Who is let in without a login is no user of the users file. */
function actorOf({ dashboard }: Config, { user, role }: DashboardSession): Actor {
  return { user, role: dashboard.usersFile === null ? null : role, origin: 'dashboard' }
}

async function answerOf(config: Config, { user, role }: DashboardSession): Promise<VersionsAnswer> {
  const of = await versionedRules(config)
  const versions = await readVersions(of)
  return {
    approval: of.policy.kind,
    user,
    mayPropose: mayDo(role, 'analyst'),
    mayDecide: mayDo(role, 'approver'),
    mayRollBack: versions.before !== null,
    hasShadows: versions.hasShadows,
    ignored: versions.ignored.map(({ sequence, why }) => `row ${sequence}: ${why}`),
    versions: versions.all.toReversed().map((one) => shown(of, versions, one)),
  }
}

function shown(
  of: RulesOfLakehouse,
  { active }: Versions,
  version: RuleVersion,
): VersionsAnswer['versions'][number] {
  const { activatedAtMicros, proposedAtMicros, shadowSinceMicros, authors, hash: _, ...more } = version
  return {
    ...more,
    authors: authors.map(({ user }) => user),
    proposedAtMs: Number(proposedAtMicros / 1000n),
    activatedAtMs: activatedAtMicros === null ? null : Number(activatedAtMicros / 1000n),
    shadowSinceMs: shadowSinceMicros === null ? null : Number(shadowSinceMicros / 1000n),
    changes: active === null || active.version === version.version ? [] : changesOf(of, active, version),
  }
}

/** A version may ask for columns that are gone. */
function changesOf({ lakehouse }: RulesOfLakehouse, active: RuleVersion, version: RuleVersion): string[] {
  try {
    return ruleDifference(rulesOfVersion(lakehouse, active), rulesOfVersion(lakehouse, version))
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)]
  }
}

function numberOf({ version }: Body): number {
  if (typeof version === 'number' && Number.isSafeInteger(version) && version > 0) return version
  throw new Refusal(400, 'VERSION_UNKNOWN', 'version is the number of a version')
}

function reasonOf({ reason }: Body): string | null {
  if (reason == null || reason === '') return null
  if (typeof reason === 'string' && reason.length <= reasonLengthMax) return reason
  throw new Refusal(400, 'REASON_INVALID', `a reason has at most ${reasonLengthMax} characters`)
}
