// What the Rules page may ask: the rules as they stand, what is wrong with others, and what those would do.
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { backTest, type NamedRules } from '../backtest/backtest.ts'
import { sectionsOf } from '../backtest/report-text.ts'
import { reportShadows, shadowSections } from '../backtest/shadow-report.ts'
import type { Config } from '../config/config.ts'
import { parseInstantMs } from '../config/values.ts'
import { LakehouseError } from '../errors/errors.ts'
import { besideRules } from '../project/model-file.ts'
import { listParameters, withLists } from '../project/rule-lists.ts'
import { instanceOptions } from '../query/reader.ts'
import {
  givenText,
  type ParsedRules,
  parseRules,
  type RuleSet,
  ruleDifference,
  runExamples,
  withModelScore,
} from '../rules/index.ts'
import { versionedRules } from '../versions/configured-rules.ts'
import { readVersions } from '../versions/rules-in-force.ts'
import type { BacktestAnswer, RulesAnswer, RulesCheckAnswer, ShadowsAnswer } from './api.ts'
import { bodyOf, Refusal, sendJson, textOfBody } from './http.ts'
import type { DashboardRoute } from './route-context.ts'

const textMaxBytes = 2 * 2 ** 20
const backtestMaxMs = 60_000
const backtestMemoryBytes = 512 * 2 ** 20
const samplesMax = 20
const dayMs = 86_400_000

export const rulesRoutes = {
  'GET /api/rules': async ({ access, config }, request, response) => {
    await access.allowed(request, 'viewer')
    const { file } = sourceOf(config)
    const { text, rules } = await activeRules(config)
    const answer: RulesAnswer = {
      ...{ file: basename(file), text, reviewFrom: rules.reviewFrom, levels: rules.levels },
      rules: rules.rules.map(({ name, points, when, meaning }) => ({ name, points, when, meaning })),
    }
    sendJson(response, answer)
  },
  'POST /api/rules/check': async ({ access, config }, request, response) => {
    await access.allowed(request, 'viewer')
    const text = textOfBody(await bodyOf(request, textMaxBytes), 'text')
    const { rules } = await activeRules(config)
    sendJson(response, checked(config, text, rules))
  },
  'POST /api/backtest': async ({ access, config }, request, response) => {
    await access.allowed(request, 'analyst')
    const body = await bodyOf(request, textMaxBytes)
    const asked = {
      candidate: rulesIn(config, textOfBody(body, 'text')),
      active: (await activeRules(config)).rules,
      fromMs: dayOf(body, 'from'),
      toMs: dayOf(body, 'to'),
      capacity: wholeOf(body, 'capacity'),
    }
    const stop = new AbortController()
    response.once('close', () => stop.abort())
    sendJson(response, await oneAtATime(() => backtested(config, asked, stop.signal)))
  },
  'POST /api/shadows': async ({ access, config }, request, response) => {
    await access.allowed(request, 'analyst')
    await bodyOf(request, textMaxBytes)
    const stop = new AbortController()
    response.once('close', () => stop.abort())
    sendJson(response, await oneAtATime(() => comparedShadows(config, stop.signal)))
  },
} satisfies Readonly<Record<string, DashboardRoute>>

function sourceOf({ lakehouse }: Config) {
  const { rulesFrom, settings } = lakehouse
  if (rulesFrom === undefined) {
    throw new Refusal(404, 'NO_RULES', 'the rules of this lakehouse stand in its sources, and not in a file')
  }
  return { ...rulesFrom, parameters: listParameters(settings), beside: besideRules(rulesFrom.file) }
}

/** Those of the active version, or of the file where no start has numbered them. */
async function activeRules(config: Config): Promise<{ readonly text: string; readonly rules: RuleSet }> {
  const { active } = await readVersions(await versionedRules(config))
  const text = active?.text ?? (await readFile(sourceOf(config).file, 'utf8'))
  return { text, rules: rulesIn(config, text) }
}

/** Fails with RULES_INVALID where there are mistakes: the page has told them where it asked for a check. */
export function rulesIn(config: Config, text: string): RuleSet {
  const parsed = parseRules(text, sourceOf(config))
  if (parsed.kind === 'rules') return parsed.rules
  const [first] = parsed.mistakes
  throw new LakehouseError('RULES_INVALID', `line ${first?.line}: ${first?.message}`)
}

function checked(config: Config, text: string, active: RuleSet): RulesCheckAnswer {
  const { columns, ...names } = sourceOf(config)
  const parsed: ParsedRules = parseRules(text, { columns, ...names })
  if (parsed.kind === 'mistakes') return { mistakes: parsed.mistakes, wrongExamples: [], changes: [] }
  const asked = parsed.rules.model === null ? columns : withModelScore(columns)
  const results = runExamples(parsed.rules, asked, ({ examples }) => examples)
  const wrong = results.filter(({ example, fired }) => fired !== example.fires)
  return {
    mistakes: [],
    wrongExamples: wrong.map(({ rule, example, fired }) => ({
      line: example.line,
      text: `given ${givenText(example, asked)}, ${rule.name} ${fired ? 'fires, and should not' : 'does not fire, and should'}`,
    })),
    changes: ruleDifference(active, parsed.rules),
  }
}

type Asked = {
  readonly candidate: RuleSet
  readonly active: RuleSet
  readonly fromMs: number | null
  readonly toMs: number | null
  readonly capacity: number | null
}

/** What each said that ever was a shadow, beside what was decided. */
async function comparedShadows(config: Config, gone: AbortSignal): Promise<ShadowsAnswer> {
  const { lakehouse, deltaBasePath, labelMaturityMicros } = config
  const nowMs = Date.now()
  const reports = await withinTime(gone, 'assay rules compare', (signal) =>
    reportShadows({
      ...{ lakehouse, deltaBasePath, fromMicros: null, toMicros: null, version: null, capacityPerDay: null },
      ...{ asOfMicros: BigInt(nowMs) * 1000n, maturityMicros: labelMaturityMicros, signal },
      duckdb: smallInstance(config),
    }),
  )
  return { asOfMs: nowMs, sections: shadowSections(reports) }
}

function smallInstance(config: Config) {
  return instanceOptions({ ...config, duckdb: { memoryLimitBytes: backtestMemoryBytes, threads: 1 } })
}

/** `command` does the same without a limit. */
async function withinTime<T>(
  gone: AbortSignal,
  command: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = AbortSignal.timeout(backtestMaxMs)
  try {
    return await work(AbortSignal.any([gone, late]))
  } catch (error) {
    if (!late.aborted) throw error
    const message = `it took longer than ${backtestMaxMs / 1000} s: choose a shorter time, or use "${command}"`
    throw new Refusal(422, 'TOO_LONG', message)
  }
}

async function backtested(config: Config, asked: Asked, gone: AbortSignal): Promise<BacktestAnswer> {
  const { lakehouse, deltaBasePath } = config
  const named = (name: string, rules: RuleSet): NamedRules => {
    return { name, rules, parameters: withLists(lakehouse, config.parameters, rules.lists) }
  }
  const nowMs = Date.now()
  const { fromMs, toMs, capacity } = asked
  const report = await withinTime(gone, 'assay backtest', (signal) =>
    backTest({
      ...{ lakehouse, deltaBasePath, samplesMax, isBaselineActive: true, countsRecordLabel: false },
      versions: new Map(),
      candidate: named('candidate', asked.candidate),
      baseline: named('active', asked.active),
      fromMicros: fromMs === null ? null : BigInt(fromMs) * 1000n,
      // The day is in it.
      toMicros: toMs === null ? null : BigInt(toMs + dayMs) * 1000n,
      asOfMicros: BigInt(nowMs) * 1000n,
      maturityMicros: config.labelMaturityMicros,
      capacityPerDay: capacity,
      signal,
      duckdb: smallInstance(config),
    }),
  )
  const { baseline, candidate } = report.figures
  return {
    asOfMs: nowMs,
    ms: Date.now() - nowMs,
    sections: sectionsOf(report),
    curves: [baseline, candidate].map(({ name, curve }) => ({
      name,
      points: curve.flatMap(({ precision, recall }) =>
        precision === null || recall === null ? [] : [{ precision, recall }],
      ),
    })),
  }
}

let isRunning = false

/** It takes a core for a while, which the pipeline needs too. */
async function oneAtATime<T>(work: () => Promise<T>): Promise<T> {
  if (isRunning) throw new Refusal(503, 'BUSY', 'another back-test is running: try again in a moment', 5)
  isRunning = true
  try {
    return await work()
  } finally {
    isRunning = false
  }
}

/** The begin of a day of UTC; null where none is given. */
function dayOf(body: Readonly<Record<string, unknown>>, name: string): number | null {
  const given = body[name] ?? ''
  if (given === '') return null
  const ms = typeof given === 'string' && given.length === 10 ? parseInstantMs(given) : null
  if (ms === null) throw new Refusal(400, 'DAY_UNKNOWN', `${name} is a day, as in 2026-10-31`)
  return ms
}

function wholeOf(body: Readonly<Record<string, unknown>>, name: string): number | null {
  const given = body[name] ?? null
  if (given === null) return null
  if (typeof given === 'number' && Number.isInteger(given) && given >= 0) return given
  throw new Refusal(400, 'NUMBER_UNKNOWN', `${name} is a whole number`)
}
