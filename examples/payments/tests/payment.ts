// A payment as the topic has it.
import { join } from 'node:path'

/** Where the config's rules are, from wherever the tests are started. */
export const directory = join(import.meta.dirname, '..')

export type Payment = {
  readonly id: string
  readonly customer: string
  readonly at: string
  readonly minor?: number
  readonly country?: string
  readonly device?: string | null
  readonly channel?: string
  readonly bin?: string
  readonly risk?: number
}

export function payment(of: Payment): object {
  const { device = 'd1', channel = 'app', country = 'France', bin = '520000', risk = 0.1 } = of
  return {
    id: of.id,
    customer: { id: of.customer },
    amt: { minor: of.minor ?? 1250 },
    ts: Date.parse(of.at),
    shop: { name: 'Grocer', risk },
    method: 'card',
    addr: { city: 'Lyon', country },
    device,
    channel,
    card: { bin },
  }
}
