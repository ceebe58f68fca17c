// From when on something counts as wrong: the status of a run and the alert rules go by the same figures.

/** A record is in the tables within so many seconds of its arrival .. */
export const freshnessMaxSeconds = 60
/** .. and from its arrival to its commit it took no longer than this; a bound of the histogram. */
export const latencyMaxSeconds = 5
/** The share of time, and of records, for which that holds over 30 days. */
export const objective = 0.99
/** No broker answered for so long. */
export const unseenMaxSeconds = 60
/** Records wait, and no batch ended for so long. */
export const stalledMaxSeconds = 300
/** The share of records that may be refused. */
export const refusedShareMax = 0.05
/** A partition that holds the watermark back by so much more than the newest one is behind. */
export const heldMaxSeconds = 1_800
export const faultStreakMax = 3
export const diskFreeMinBytes = 1_073_741_824
/** Commits that who opens a table reads one by one. */
export const logCommitsMax = 1_000
/** Batches of silver that a process behind it may lack. */
export const silverBatchesBehindMax = 1_000
/** Records that may wait while the lag does not shrink. */
export const lagRecordsMax = 10_000
