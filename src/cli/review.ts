// assay review: the queue of reviewers for scripts and terminals. The reviewer is the user of the machine,
// and the answers are JSON.
import { Argument, Command, InvalidArgumentError, Option } from 'commander'
import { LakehouseError } from '../errors/errors.ts'
import { refuseNoTables } from '../ops/readable.ts'
import { type VerdictName, verdictNames } from '../ops/verdicts.ts'
import type { Project } from '../project/project.ts'
import { noteLengthMax, type ReviewDesk, reasonLengthMax } from '../review/desk.ts'
import { openReview } from '../review/open-review.ts'
import { type QueueOrder, queueOrders } from '../review/queue-sql.ts'
import { type CasePlace, isRefused, type OpenCase, refusalText } from '../review/review-answers.ts'
import { commandUser } from './command-user.ts'
import { exitCodes } from './failure.ts'
import { textUpTo } from './option-values.ts'
import { printable } from './printable.ts'
import { recordPlace } from './record-place.ts'
import { openSession } from './session.ts'

type DecideFlags = { readonly reason?: string; readonly note?: string }
type OrderFlags = { readonly order: QueueOrder; readonly skip?: CasePlace }

export function reviewCommand(project: Project): Command {
  const command = new Command('review')
  const order = () =>
    new Option('--order <order>', queueOrders.join(', ')).choices(queueOrders).default('score')
  const place = new Argument('<case>', 'topic/partition/offset of its record').argParser(placeOf)
  command
    .command('list')
    .description('the open cases, the first 50, and what was decided')
    .addOption(order())
    .action(async ({ order: by }: OrderFlags) => {
      await answer(project, async (desk, reviewer) => {
        const { cases, figures, isCut } = await desk.view(reviewer, by)
        return { ...figures, isCut, cases: cases.map(told) }
      })
    })
  command
    .command('next')
    .description('take the next case: it is nobody else’s for REVIEW_LOCK_TIMEOUT')
    .addOption(order())
    .addOption(new Option('--skip <case>', 'leave this one to others').argParser(placeOf))
    .action(async ({ order: by, skip }: OrderFlags) => {
      await answer(project, async (desk, reviewer) => {
        const found = await desk.next(reviewer, by, skip ?? null)
        return found === null || isRefused(found) ? found : told(found)
      })
    })
  command
    .command('decide')
    .description('say what a case is')
    .addArgument(place)
    .addArgument(new Argument('<verdict>', verdictNames.join(', ')).choices(verdictNames))
    .addOption(new Option('--reason <text>').argParser(textUpTo(reasonLengthMax)))
    .addOption(new Option('--note <text>').argParser(textUpTo(noteLengthMax)))
    .action(async (of: CasePlace, verdict: VerdictName, { reason, note }: DecideFlags) => {
      await answer(project, async (desk, reviewer) => {
        const given = { verdict, reason: reason ?? null, note: note ?? null }
        const decided = await desk.decide(reviewer, of, given)
        return isRefused(decided) ? decided : { decided: verdict, sequence: String(decided.sequence) }
      })
    })
  command
    .command('undo')
    .description('take a verdict back')
    .addArgument(new Argument('[sequence]', 'of review.verdicts (default: your last)').argParser(sequenceOf))
    .action(async (sequence: bigint | undefined) => {
      await answer(project, async (desk, reviewer) => {
        const undone = await desk.undo(reviewer, sequence ?? null, false)
        return isRefused(undone) ? undone : { undone: caseName(undone.place) }
      })
    })
  return command
}

/** A refusal is an answer with the exit code 1. */
async function answer(
  project: Project,
  work: (desk: ReviewDesk, reviewer: string) => Promise<unknown>,
): Promise<void> {
  const { config } = openSession(project)
  await refuseNoTables(config.lakehouse, config.deltaBasePath)
  const desk = await openReview(config)
  if (desk === null) throw new LakehouseError('CONFIG_INVALID', 'this lakehouse scores no transactions.')
  try {
    const found = await work(desk, commandUser())
    if (isRefused(found)) process.exitCode = exitCodes.failed
    const shown = isRefused(found) ? { refused: found.why, message: refusalText(found) } : found
    process.stdout.write(`${printable(JSON.stringify(shown, null, 2))}\n`)
  } finally {
    await desk.close()
  }
}

function told({ place, cells, ...more }: OpenCase): object {
  return { case: caseName(place), ...more, ...cells }
}

function caseName({ topic, partition, offset }: CasePlace): string {
  return `${topic}/${partition}/${offset}`
}

function placeOf(text: string): CasePlace {
  const place = recordPlace(text)
  if (place === null) throw new InvalidArgumentError('It must be topic/partition/offset.')
  return place
}

function sequenceOf(text: string): bigint {
  if (/^\d{1,18}$/.test(text)) return BigInt(text)
  throw new InvalidArgumentError('It must be a whole number.')
}
