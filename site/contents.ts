// What the pages of the documentation are called in its site, in the order in which one reads them.

export type Chapter = { readonly text: string; readonly pages: Readonly<Record<string, string>> }

/** By the path of the page in the repository, without `.md`. */
export const chapters: readonly Chapter[] = [
  {
    text: 'Begin',
    pages: {
      README: 'First five minutes',
      'docs/guide/running': 'Run it',
      'docs/guide/files': 'On files',
      'docs/guide/synthetic-data': 'Synthetic data',
      'docs/guide/records': 'Records',
      'docs/guide/journeys': 'Journeys',
      'docs/guide/life-of-a-batch': 'The life of a batch',
    },
  },
  {
    text: 'Make it yours',
    pages: {
      'docs/guide/your-own-topic': 'Your own topic',
      'docs/guide/rules': 'Write a rule',
      'docs/guide/backtest': 'Try it on what was there',
      'docs/guide/worked-example': 'A worked example',
      'docs/guide/rule-versions': 'Versions of rules',
      'docs/guide/model': 'A model in the rules',
      'docs/guide/shadows': 'Shadows',
      'docs/guide/experiments': 'Experiments',
      'docs/guide/decisions': 'Decide as transactions come',
      'docs/guide/changing': 'Add a column, a table, a setting',
      'examples/payments/README': 'An example of everything',
    },
  },
  {
    text: 'Connect it',
    pages: {
      'docs/guide/kafka': 'Kafka',
      'docs/guide/secure-kafka': 'Secure Kafka',
      'docs/guide/schema-registry': 'Schema registry',
      'docs/guide/object-stores': 'Object stores',
      'docs/guide/spark': 'Run on Spark',
      'docs/guide/other-readers': 'Other readers',
    },
  },
  {
    text: 'Keep it running',
    pages: {
      'docs/guide/deployment': 'Deploy',
      'docs/guide/operate': 'See how it is',
      'docs/guide/dashboard': 'The dashboard',
      'docs/guide/review': 'Review cases',
      'docs/guide/alerts': 'Alerts',
      'docs/guide/quality': 'Quality of the data',
      'docs/guide/recovery': 'Recover',
      'docs/guide/backup': 'Back up, and move',
      'docs/guide/retention': 'Let old days go',
      'docs/guide/verify': 'Prove it',
      'docs/guide/performance': 'How fast',
      'docs/guide/erasure': 'Erase a person',
      'docs/guide/guarantees': 'Guarantees',
    },
  },
]

/** Other folders with their pages by name, of the guide those that no chapter has. */
export const folders: Readonly<Record<string, string>> = {
  'docs/guide': 'More',
  'docs/reference': 'Reference',
  'docs/runbooks': 'Runbooks',
  'docs/decisions': 'Decisions',
}

/** Pages that are in the site and in no list. */
export const others = ['ARCHITECTURE.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'dbt/README.md']
