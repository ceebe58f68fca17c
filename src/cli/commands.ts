// The commands: what `assay --help` says of each, and where it is. A command's own file is read only when it
// is called, so that the help does not wait for DuckDB and Kafka.
import type { Command } from 'commander'
import type { Project } from '../project/project.ts'

export type CommandEntry = {
  readonly name: string
  readonly summary: string
  /** What it does, as the first lines of its own help. */
  readonly does: string
  readonly examples: readonly string[]
  readonly load: (project: Project) => Promise<Command>
}

export const commands: readonly CommandEntry[] = [
  {
    name: 'init',
    summary: 'make a project: a lakehouse of your own topic',
    does:
      'Makes a folder with a config, rules, a table and tests of your own, which work at once and show how each of it is done. ' +
      'README.md in it says how it becomes yours.',
    examples: ['assay init my-payments'],
    load: async () => (await import('./init.ts')).initCommand(),
  },
  {
    name: 'demo',
    summary: 'generator and pipeline on one machine, no Kafka, no JVM',
    does:
      'Generates transactions and carries them through all tables on this machine, and shows what happens until Ctrl-C. ' +
      'It needs no Kafka and no JVM; the tables stay, and it ends with where they are.',
    examples: ['assay demo', 'assay demo --rate 500 --seconds 60'],
    load: async (project) => (await import('./demo.ts')).demoCommand(project),
  },
  {
    name: 'run',
    summary: 'run the pipeline from Kafka or from files',
    does:
      'Carries records from Kafka or from files through all tables, exactly once, until Ctrl-C or SIGTERM; with --once to ' +
      'the end of what is there now. It goes on where the tables are, whatever ended the run before.',
    examples: [
      'assay run',
      'assay run --once --finalize --from data',
      'assay run fraud-detection aggregations',
    ],
    load: async (project) => (await import('./run.ts')).runCommand(project),
  },
  {
    name: 'status',
    summary: 'how the streams are: batch, lag, watermark, who writes, and what is wrong',
    does:
      'Asks the processes that run the streams of the lakehouse how they are; of streams that nobody runs the tables tell. ' +
      'What is wrong is said in words, with the page or the command that helps; the exit code is 1 then.',
    examples: ['assay status', 'assay status --json'],
    load: async (project) => (await import('./status.ts')).statusCommand(project),
  },
  {
    name: 'produce',
    summary: 'send realistic synthetic transactions to Kafka or into a directory',
    does:
      'Sends realistic synthetic transactions to KAFKA_TOPIC, which is created where it is missing, or writes them into a ' +
      'directory of NDJSON files.',
    examples: [
      'assay produce --rate 1000',
      'assay produce --to data --period 2026-10-01/2026-10-02 --count 100000',
    ],
    load: async (project) => (await import('./produce.ts')).produceCommand(project),
  },
  {
    name: 'check',
    summary: 'check configuration, Kafka, topic, tables and Spark, and say what to do',
    does:
      'Checks the configuration, the tables and the input, and what a run would make of a sample of its records. ' +
      'Each line says ok or what to do; nothing is changed.',
    examples: ['assay check', 'assay check --from data'],
    load: async (project) => (await import('./check.ts')).checkCommand(project),
  },
  {
    name: 'infer',
    summary: 'propose the fields of a config from records that are there',
    does:
      'Reads a sample of records and writes the "fields" of assay.config.ts for them, and which further columns there are. ' +
      'What was guessed is said on stderr: read it before you use it.',
    examples: ['assay infer --topic payments', 'assay infer --from data'],
    load: async (project) => (await import('./infer.ts')).inferCommand(project),
  },
  {
    name: 'plan',
    summary: 'show what a start would change, before it does',
    does:
      'Compares the tables, rules and settings of today with those of the last batch, and says what a start makes of each ' +
      'difference. The exit code is 1 where a start would be refused; nothing is changed.',
    examples: ['assay plan', 'assay plan --json'],
    load: async (project) => (await import('./plan.ts')).planCommand(project),
  },
  {
    name: 'verify',
    summary: 'prove from the tables that no record is lost or twice',
    does:
      'Proves from the tables alone that no record is lost, twice or wrong, and names what is. The exit code is 1 where a ' +
      'check fails.',
    examples: ['assay verify', 'assay verify silver.transactions --json', 'assay verify --since 2026-10-01'],
    load: async (project) => (await import('./verify.ts')).verifyCommand(project),
  },
  {
    name: 'query',
    summary: 'SQL over the tables',
    does: 'Runs one SELECT over the tables, with DuckDB. Nothing is written and no other file is read.',
    examples: [
      'assay query "select merchant, sum(amount) from silver.transactions group by all order by 2 desc limit 10"',
      'assay query --json "from fraud_detection where requires_review" | jq .transaction_id',
      'assay query --csv < report.sql',
    ],
    load: async (project) => (await import('./query.ts')).queryCommand(project),
  },
  {
    name: 'dbt',
    summary: 'analytics with dbt: staging, marts, KPIs and tests over the tables',
    does:
      'Runs dbt over the tables as they are at one batch, and installs it the first time (Python is needed). What it makes is in ' +
      'analytics/assay.duckdb; --target spark makes it with Spark. What follows is what dbt itself takes; without it: build.',
    examples: ['assay dbt build', 'assay dbt test --select gold', 'assay dbt source freshness'],
    load: async (project) => (await import('./dbt.ts')).dbtCommand(project),
  },
  {
    name: 'explain',
    summary: 'show the plan of a table and its SQL',
    does: 'Shows how a table is defined: its plan, and the SQL that the plan is for DuckDB and for Spark.',
    examples: ['assay explain silver.transactions', 'assay explain aggregations/merchant --duckdb'],
    load: async (project) => (await import('./explain.ts')).explainCommand(project),
  },
  {
    name: 'why',
    summary: 'tell where a transaction came from, which rules fired, or why it was refused',
    does:
      'Tells the story of one transaction: the record it came from, the rules that fired with their points, and what its ' +
      'user did before; or why it was refused.',
    examples: ['assay why 1f0732f8-c436-4850-99ed-1a44067773a0', 'assay why ecommerce.transactions/0/4711'],
    load: async (project) => (await import('./why.ts')).whyCommand(project),
  },
  {
    name: 'experiment',
    summary: 'let a version of the rules decide for a share of the customers, and see what differs',
    does:
      'Puts a share of the customers into the arm of another version of the rules, from a batch on and without a restart, ' +
      'and reports what differs: fraud money let through, good customers reviewed, reviews a day. One may look every day.',
    examples: [
      'assay experiment start less-friction --candidate 2 --share 10%',
      'assay experiment report less-friction',
      'assay experiment promote less-friction',
    ],
    load: async (project) => (await import('./experiment.ts')).experimentCommand(project),
  },
  {
    name: 'rules',
    summary: 'check rules.yaml, run its examples; propose, approve and activate versions of it',
    does:
      'Looks for mistakes in a file of rules, each told with its line and column; runs the examples that the rules carry; ' +
      'prints what an editor completes; and says which version of the rules decides. docs/guide/rules.md says how rules are ' +
      'written, docs/guide/rule-versions.md how they come into force.',
    examples: [
      'assay rules check',
      'assay rules test rules.yaml',
      'assay rules list',
      'assay rules propose candidate.yaml --reason "fewer reviews"',
      'assay rules activate 2',
      'assay rules rollback',
      'assay rules add high_risk_countries Peru --until "7 days"',
      'assay rules snooze high_velocity 42 --until "2 hours" --note "called: a wedding"',
    ],
    load: async (project) => (await import('./rules.ts')).rulesCommand(project),
  },
  {
    name: 'alerts',
    summary: 'try the sinks of alerts, list what was told, send it again, silence',
    does:
      'A run with ALERTS_CONFIG tells Slack, PagerDuty, a webhook, a topic or a mailbox of risky transactions and of trouble; ' +
      'this tries the sinks, shows what they took and what not, and silences. docs/guide/alerts.md says how the file is written.',
    examples: [
      'assay alerts test team-slack',
      'assay alerts list --failed',
      'assay alerts replay --failed',
      'assay alerts silence --for "2 hours" --route card-theft',
    ],
    load: async (project) => (await import('./alerts.ts')).alertsCommand(project),
  },
  {
    name: 'review',
    summary: 'the queue of reviewers: take the next case, say what it is, take that back',
    does:
      'Transactions that require review are cases until a reviewer says what they are; on the dashboard there is a page for it. ' +
      'The reviewer is the user of this machine, the answers are JSON. docs/guide/review.md says what comes of it.',
    examples: [
      'assay review list --order loss',
      'assay review next',
      'assay review decide transactions/0/4711 fraud --reason "stolen card"',
      'assay review undo',
    ],
    load: async (project) => (await import('./review.ts')).reviewCommand(project),
  },
  {
    name: 'erase',
    summary: 'take the rows of a person out of the tables, or adopt a deletion by another program',
    does:
      'Takes the rows of persons out of bronze, silver, quarantine and fraud_detection, with the files and log entries ' +
      'that hold their values; "assay run" pauses meanwhile. Without a user it finishes an erasure that ended ' +
      'half-way. docs/guide/erasure.md says what stays.',
    examples: [
      'assay erase --user-id 4711 --dry-run',
      'assay erase --user-id 4711',
      'assay erase --adopt silver.transactions 42',
    ],
    load: async (project) => (await import('./erase.ts')).eraseCommand(project),
  },
  {
    name: 'rebuild',
    summary: 'compute a derived table anew from the history of silver',
    does:
      'Computes a table anew from all rows of silver and replaces its rows in one commit: each with the time of its own batch, ' +
      'and by today\'s definition where that has changed. "assay run" pauses meanwhile; older versions of the table stay readable.',
    examples: ['assay rebuild aggregations.merchant'],
    load: async (project) => (await import('./rebuild.ts')).rebuildCommand(project),
  },
  {
    name: 'backup',
    summary: 'copy the lakehouse to another directory or bucket, while it runs',
    does:
      'Copies all tables, as they are at one batch, to a directory or bucket; "assay run" goes on meanwhile. Into the last copy ' +
      'only what is new is brought, and what the tables no longer have is deleted there.',
    examples: ['assay backup /mnt/backup/assay', 'assay backup s3://backups/assay'],
    load: async (project) => (await import('./backup.ts')).backupCommand(project),
  },
  {
    name: 'restore',
    summary: 'bring a lakehouse back from its copy, here or at another place',
    does:
      'Brings the tables from where "assay backup" put them to DELTA_BASE_PATH, which must have nothing; "assay run" then ' +
      'goes on from their last batch, on either engine.',
    examples: [
      'assay restore /mnt/backup/assay',
      'DELTA_BASE_PATH=s3://lake/assay assay restore /mnt/backup/assay',
    ],
    load: async (project) => (await import('./backup.ts')).restoreCommand(project),
  },
  {
    name: 'spark',
    summary: 'install the Spark that the Spark engine starts',
    does:
      'Brings the Spark that "assay run --engine spark" starts by itself. A Spark Connect server of yours needs no ' +
      'installation here: SPARK_MASTER names it.',
    examples: ['assay spark install'],
    load: async (project) => (await import('./spark.ts')).sparkCommand(project),
  },
  {
    name: 'decide',
    summary: 'say what would be decided of transactions, and why',
    does:
      'Scores transactions of a file as if they came now, one after another, by the rules of today and what the tables ' +
      'know: score, level, each rule that fires with its sentence, features, or why the record is refused. It writes nothing.',
    examples: ['assay decide transaction.json', "assay decide - --json < today.ndjson | jq '.fraud_score'"],
    load: async (project) => (await import('./decide.ts')).decideCommand(project),
  },
  {
    name: 'backtest',
    summary: 'try rules on the transactions that are there',
    does:
      'Says what a file of rules would have decided of the transactions that are there, beside the rules of today: how many ' +
      'and how much money by level, what is known to be fraud since, and what each rule brings. It reads alone.',
    examples: [
      'assay backtest rules.yaml --from 2026-10-01 --to 2026-10-31',
      'assay backtest rules.yaml --capacity 200 --html report.html',
    ],
    load: async (project) => (await import('./backtest.ts')).backtestCommand(project),
  },
  {
    name: 'model',
    summary: 'models for the rules: bring one, train one, its card, its drift',
    does:
      "Brings a model of LightGBM or XGBoost, or trains one, and lays it beside the project's rules, which can ask its model_score " +
      'then. The rules stay as they are: it prints what to write into them.',
    examples: [
      'assay model import fraud.txt',
      'assay model train --test-from 2026-09-01',
      'assay model drift',
    ],
    load: async (project) => (await import('./model.ts')).modelCommand(project),
  },
  {
    name: 'labels',
    summary: 'bring what became known of transactions, such as chargebacks',
    does:
      'Brings labels from elsewhere to fraud_labels: which transactions turned out to be fraud, and when that became known. ' +
      'Back-tests judge rules by them.',
    examples: ['assay labels import chargebacks.csv', 'assay labels import disputes.ndjson --source dispute'],
    load: async (project) => (await import('./labels.ts')).labelsCommand(project),
  },
  {
    name: 'table',
    summary: 'describe, optimize, vacuum or verify a table, or show its history',
    does: 'Shows a Delta table of the lakehouse, or of any other path, and keeps it in order.',
    examples: [
      'assay table describe silver.transactions',
      'assay table history gold.transactions --limit 5',
      'assay table vacuum bronze.transactions --dry-run',
    ],
    load: async (project) => (await import('./table.ts')).tableCommand(project),
  },
  {
    name: 'users',
    summary: 'make, list or remove users of the dashboard',
    does:
      'Says who may log in to the dashboard, and in which role: a viewer looks, without ids; an analyst sees ids and ' +
      'decides; an approver and an admin approve. The users are in DASHBOARD_USERS_FILE, with a hash of each password.',
    examples: ['assay users add ann --role analyst', 'assay users list', 'assay users remove ann'],
    load: async (project) => (await import('./users.ts')).usersCommand(project),
  },
]
