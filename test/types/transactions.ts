// biome-ignore-all format: an expected error stands on the line before its statement.
// What must not compile: a wrong column or type in a project's checks, and in what reads its silver.
import { equals, greaterThan, hourOfDay, int, literal, long, money, text } from '../../src/expr/index.ts'
import { silverOf } from '../../src/lakehouse/2-silver/transactions.ts'
import { filter, project } from '../../src/plan/index.ts'
import { boolField, numberField, textField, timeField, wholeField } from '../../src/transactions/fields.ts'

const extra = {
  channel: textField('channel'),
  risk: numberField('m.risk'),
  fee: numberField('fee', { scale: 2 }),
  opened: timeField('opened', 'epoch_s'),
  visits: wholeField('visits'),
  is_new: boolField('new'),
}

const silver = silverOf({
  fields: { user_id: { path: 'customer.id', type: 'string' } },
  extra,
  checks: [
    { reason: 'a', when: (row) => equals(row.channel, text('web')) },
    { reason: 'b', when: (row) => equals(row.user_id, text('x')) },
    { reason: 'c', when: (row) => greaterThan(row.fee, money('1')) },
    { reason: 'd', when: (row) => row.is_new },
    // @ts-expect-error there is no such column
    { reason: 'e', when: (row) => equals(row.chanel, text('web')) },
    // @ts-expect-error the user is a text
    { reason: 'f', when: (row) => equals(row.user_id, int(1)) },
    // @ts-expect-error the risk is a double
    { reason: 'g', when: (row) => greaterThan(row.risk, money('1')) },
    // @ts-expect-error a condition is a boolean
    { reason: 'h', when: (row) => row.channel },
  ],
})

project(silver.batch, (row) => ({ hour: hourOfDay(row.opened), at: hourOfDay(row.event_time) }))
filter(silver.recent, (row) => greaterThan(row.visits, long(1n)))
filter(silver.batch, (row) => equals(row.user_id, text('x')))
// @ts-expect-error a text is no instant
project(silver.batch, (row) => ({ hour: hourOfDay(row.channel) }))
// @ts-expect-error the windows of the project have no such column
filter(silver.recent, (row) => equals(row.chanel, text('x')))

const seed = silverOf({})
filter(seed.batch, (row) => equals(row.user_id, int(1)))
// @ts-expect-error the seed's users are numbers
filter(seed.batch, (row) => equals(row.user_id, text('x')))
// @ts-expect-error the seed has no channel
filter(seed.batch, (row) => equals(row.channel, text('x')))

// @ts-expect-error an amount is not read so
silverOf({ fields: { amount: { path: 'a', as: 'euros' } } })
// @ts-expect-error there is no such field
silverOf({ fields: { amout: 'a' } })
// @ts-expect-error a record without a user is no transaction
silverOf({ fields: { user_id: null } })
// @ts-expect-error money has two places
numberField('a', { scale: 3 })
filter(silver.batch, (row) => greaterThan(row.risk, literal('double', 1)))
