// The variables of the dashboard.
import { duration, localPath, textMatching, wholeNumber } from './values.ts'

const dashboard = { group: 'Dashboard' } as const

export const dashboardVariables = {
  DASHBOARD_PORT: {
    ...dashboard,
    ...wholeNumber(0, 65_535),
    meaning: 'Port of the dashboard; where it is taken, the next that is free; 0 for none',
    default: '8080',
    example: '8090',
  },
  DASHBOARD_HOST: {
    ...dashboard,
    ...textMatching('a name or an address of this machine', /^[A-Za-z0-9.:-]{1,253}$/),
    meaning:
      'Where the dashboard listens; anything but localhost can be reached by others, and needs DASHBOARD_USERS_FILE',
    default: 'localhost',
    example: '0.0.0.0',
  },
  DASHBOARD_USERS_FILE: {
    ...dashboard,
    ...localPath(),
    meaning:
      'File of the users of the dashboard, which "assay users" writes; with it everybody has to log in',
    default: null,
    absent: 'nobody has to log in, and the dashboard is for this machine alone',
    example: '/etc/assay/users.json',
  },
  REVIEW_LOCK_TIMEOUT: {
    ...dashboard,
    ...duration(),
    meaning: 'How long a case is held for the reviewer who has taken it (docs/guide/review.md)',
    default: '10 minutes',
    example: '30 minutes',
  },
} as const
