// Who may do what. Each role may do what those before it may.

export const roles = ['viewer', 'analyst', 'approver', 'admin'] as const
export type UserRole = (typeof roles)[number]

export function isUserRole(text: string): text is UserRole {
  return (roles as readonly string[]).includes(text)
}

/** Whether `role` may do what `least` may. */
export function mayDo(role: UserRole, least: UserRole): boolean {
  return roles.indexOf(role) >= roles.indexOf(least)
}

/** A viewer sees that two ids are the same, but not which they are. */
export function seesIds(role: UserRole): boolean {
  return mayDo(role, 'analyst')
}
