// What the description says of a project's own fields; that servers keep to it is shown among the services.
import { expect, test } from 'vitest'
import { decisionsApi } from '../../../src/decisions/open-api.ts'
import { paymentsLakehouse } from '../../compare/payments-project.ts'

test('a project finds its own names, features and rules, and an example that its mapping reads', () => {
  const api = decisionsApi(paymentsLakehouse, { version: '1.0.0', needsToken: true })
  expect(api).toMatchObject({
    security: [{ token: [] }],
    paths: {
      '/v1/decisions': {
        post: {
          requestBody: {
            content: {
              'application/json': {
                examples: {
                  one: {
                    value: {
                      ...{ id: 'x-1', customer: { id: 'user-7' }, amt: { minor: 900_000 } },
                      ...{ ts: Date.parse('2026-10-01T00:05:00Z'), channel: 'app' },
                    },
                  },
                },
              },
            },
          },
        },
      },
    },
    components: {
      schemas: {
        Transaction: {
          properties: {
            customer: { properties: { id: { description: 'a text: column user_id' } } },
            amt: { properties: { minor: { description: expect.stringContaining('smallest unit') } } },
            channel: { description: 'a text: column channel' },
          },
        },
        Scored: {
          properties: {
            features: {
              properties: {
                user_amount_1h: { type: ['string', 'null'], description: 'decimal(28,2), as text' },
                user_mean_7d: { type: ['number', 'null'] },
                country_before: { type: ['string', 'null'] },
                is_high_velocity: { type: ['boolean', 'null'] },
              },
            },
          },
        },
        Refused: {
          properties: {
            reasons: {
              items: {
                properties: {
                  name: { examples: expect.arrayContaining(['channel_unknown', 'late']) },
                },
              },
            },
          },
        },
      },
    },
  })
})
