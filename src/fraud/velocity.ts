// How many transactions of one user in a short time are many.

/** More transactions of one user than this within the range are a high velocity. */
export const velocityMax = 5
export const velocityRangeMinutes = 30
