// Why a record is in quarantine: the names that stand in `reasons`, with what an analyst reads.
import { seedSilver } from './2-silver/transactions.ts'

export const { reasonMeanings } = seedSilver
