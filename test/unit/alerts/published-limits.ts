// What Slack and PagerDuty publish of what they take, written down from their documentation, and apart from
// the code that keeps it.
import { z } from 'zod'

const utf16Max = (most: number) => z.string().min(1).max(most)
const plainText = (most: number) =>
  z.strictObject({ type: z.literal('plain_text'), text: utf16Max(most), emoji: z.boolean() })

/** Block Kit: at most 50 blocks in a message, 150 characters of a header, 3000 of a section's text. */
export const slackPayload = z.strictObject({
  text: utf16Max(40_000),
  blocks: z
    .array(
      z.discriminatedUnion('type', [
        z.strictObject({ type: z.literal('header'), text: plainText(150) }),
        z.strictObject({ type: z.literal('section'), text: plainText(3_000) }),
        z.strictObject({ type: z.literal('context'), elements: z.array(plainText(3_000)).min(1).max(10) }),
      ]),
    )
    .min(1)
    .max(50),
})

/** Events API v2. */
const ofEvent = { routing_key: utf16Max(255), dedup_key: utf16Max(255) }
export const pagerDutyPayload = z.discriminatedUnion('event_action', [
  z.strictObject({ ...ofEvent, event_action: z.literal('resolve') }),
  z.strictObject({
    ...ofEvent,
    event_action: z.literal('trigger'),
    client: z.string().optional(),
    payload: z.strictObject({
      summary: utf16Max(1_024),
      source: utf16Max(1_024),
      severity: z.enum(['critical', 'error', 'warning', 'info']),
      timestamp: z.iso.datetime(),
      component: z.string(),
      group: z.string(),
      class: z.string(),
      custom_details: z.record(z.string(), z.unknown()),
    }),
  }),
])
export const pagerDutyBytesMax = 512 * 1024

/** Slack reads &, < and > as signs of its own, wherever they stand. */
export function unescapedSigns(text: string): string[] {
  return text.match(/<|>|&(?!(?:amp|lt|gt);)/g) ?? []
}
