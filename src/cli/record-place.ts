// Where a record stood, as a person writes it: topic/partition/offset.
import type { CasePlace } from '../review/review-answers.ts'

/** null for another text. A file of the input is a topic with a name that may have a slash. */
export function recordPlace(text: string): CasePlace | null {
  const found = /^(.+)\/(\d{1,9})\/(\d{1,18})$/s.exec(text)
  if (found === null) return null
  const [, topic = '', partition = '', offset = ''] = found
  return { topic, partition: Number(partition), offset }
}
