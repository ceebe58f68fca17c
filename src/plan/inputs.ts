// What a plan reads, and what it looks back at.
import { assert } from '../errors/errors.ts'
import type { InputNode, PlanNode, SessionsNode, WindowNode } from './relation.ts'

/** An operator that looks back at rows that a table had before the batch. */
export type HistoryNode = Extract<PlanNode, { history: PlanNode }>

/** The reading nodes of a plan, each name once. */
export function inputsOf(node: PlanNode): readonly InputNode[] {
  const found = new Map<string, InputNode>()
  const visit = (one: PlanNode): void => {
    if (one.kind === 'input') {
      found.set(one.name, one)
      return
    }
    visit(one.input)
    if ('history' in one) visit(one.history)
    if ('written' in one) visit(one.written)
  }
  visit(node)
  return [...found.values()]
}

/** The relation that is split into accepted and refused rows; see `quarantineSplit`. */
export function judgedOf(events: PlanNode): Extract<PlanNode, { kind: 'shared' }> | null {
  if (events.kind === 'filter' && events.input.kind === 'shared') return events.input
  return 'input' in events ? judgedOf(events.input) : null
}

/** The operators of a plan that look back, each with the input that has its history. */
export function historiesOf(
  node: PlanNode,
): readonly { readonly node: HistoryNode; readonly history: InputNode }[] {
  const below = 'input' in node ? historiesOf(node.input) : []
  if (!('history' in node)) return below
  const { history } = node
  assert(history.kind === 'input', 'a history is what a table has')
  return [...below, { node, history }]
}

/** The window aggregate of a table's plan; null where it has none. */
export function windowOf(node: PlanNode): WindowNode | null {
  if (node.kind === 'window') return node
  return 'input' in node ? windowOf(node.input) : null
}

/** The sessions of a table's plan; null where it has none. */
export function sessionsIn(node: PlanNode): SessionsNode | null {
  if (node.kind === 'sessions') return node
  return 'input' in node ? sessionsIn(node.input) : null
}

/** Whether rows come when a watermark closes them, not with the events of a batch. */
export function hasClosingRows(node: PlanNode): boolean {
  return windowOf(node) !== null || sessionsIn(node) !== null
}
