// The dashboard beside a run; it is loaded only where it is wanted.
import type { OnNotice } from '../batches/notice.ts'
import type { Config } from '../config/config.ts'
import type { Dashboard, DashboardOptions } from '../dashboard/server.ts'

export type ServedDashboard = Omit<DashboardOptions, 'config' | 'onNotice'>

/** null where DASHBOARD_PORT is 0. */
export async function serveDashboard(
  config: Config,
  about: ServedDashboard,
  onNotice: OnNotice,
): Promise<Dashboard | null> {
  if (config.dashboard.port === 0) return null
  const { openDashboard } = await import('../dashboard/server.ts')
  return await openDashboard({ ...about, config, onNotice })
}
