// The variables of how rules come into force.
import { localPath, oneOf, type Secret, secretMatching } from './values.ts'

const rules = { group: 'Fraud rules' } as const

export const rulesVariables = {
  RULES_APPROVAL: {
    ...rules,
    ...oneOf('none', 'other_person'),
    meaning:
      'Whether another user than the author of rules has to approve them before they decide (docs/guide/rule-versions.md)',
    default: 'none',
    example: 'other_person',
  },
  RULES_KEY_FILE: {
    ...rules,
    ...localPath(),
    meaning:
      'File of the key that seals rules/versions where approval is asked for; it is made where there is none, and is no part of the lakehouse',
    default: null,
    absent: 'beside DASHBOARD_USERS_FILE, with .rules-key behind its name',
    example: '/etc/assay/rules.key',
  },
  ASSAY_TOKEN: {
    ...rules,
    ...secretMatching('a token that "assay users token" printed', /^assay_[\w-]{43}$/),
    meaning: 'Which user of DASHBOARD_USERS_FILE gives a command; never printed',
    default: null,
    absent: 'the user of the machine, who is none of that file',
    example: `assay_${'x'.repeat(43)}`,
    secret: true,
  },
} as const

type RulesValues = {
  readonly RULES_APPROVAL: 'none' | 'other_person'
  readonly RULES_KEY_FILE: string | null
  readonly ASSAY_TOKEN: Secret | null
  readonly DASHBOARD_USERS_FILE: string | null
}

export type RulesConfig = {
  readonly approval: 'none' | 'other_person'
  /** null where no approval is asked for. */
  readonly keyFile: string | null
  readonly token: Secret | null
}

export function rulesConfigOf(values: RulesValues): RulesConfig {
  const { RULES_APPROVAL: approval, RULES_KEY_FILE: file, DASHBOARD_USERS_FILE: users } = values
  const keyFile = approval === 'none' || users === null ? null : (file ?? `${users}.rules-key`)
  return { approval, keyFile, token: values.ASSAY_TOKEN }
}

/** What is wrong between them, of those that could be parsed. */
export function rulesContradictions(values: Partial<RulesValues>): string[] {
  if (values.RULES_APPROVAL !== 'other_person' || values.DASHBOARD_USERS_FILE !== null) return []
  return [
    'RULES_APPROVAL is other_person, and there are no users who could approve: set DASHBOARD_USERS_FILE, or leave RULES_APPROVAL out',
  ]
}
