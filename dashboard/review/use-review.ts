// The state of the Review page, and what can be done: one thing at a time, since keys may come faster than
// answers.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { LakehouseAnswer, ReviewAnswer, ReviewCase } from '../../src/dashboard/api.ts'
import { seen } from '../format.ts'
import { placeOf } from '../fraud/matching.ts'
import { decideCase, Failure, loadReview, nextCase, takeCase, undoVerdict } from '../server.ts'
import type { Verdict } from './decision.tsx'
import { type Order, orders } from './queue.tsx'

const asksEveryMs = 4_000

export function useReview(lakehouse: LakehouseAnswer) {
  const state = useReviewState()
  const { order, setOrder, current, act, show } = state
  const { answer, setCurrent, reason, note } = state
  const next = () => act(async () => show(await nextCase(order, null), 'Nothing is open for you.'))
  const skip = () =>
    act(async () => {
      if (current !== null) show(await nextCase(order, current), 'Skipped.')
    })
  const decide = (verdict: Verdict) =>
    act(async () => {
      if (current === null) return
      const told = `${verdict}: ${seen(String(current.cells[lakehouse.names.event] ?? ''))}.`
      try {
        show(await decideCase(current, { verdict, reason, note }, order), told)
      } catch (error) {
        // It is another reviewer's, or decided: what is shown of it is no case any more.
        if (error instanceof Failure && error.status === 409) show(null, '')
        throw error
      }
    })
  const undo = (sequence: string | null) =>
    act(async () => show(await takeCase(await undoVerdict(sequence)), 'Taken back.'))
  const choose = (one: ReviewCase): void => {
    if (answer?.mayDecide !== true) setCurrent(one)
    else if (current === null || placeOf(current) !== placeOf(one))
      void act(async () => show(await takeCase(one.place), ''))
  }
  useKeys({
    n: next,
    f: () => decide('fraud'),
    l: () => decide('legitimate'),
    u: () => decide('unsure'),
    s: skip,
    z: () => undo(null),
    r: () => state.reasonField.current?.focus(),
    e: () => state.noteField.current?.focus(),
    o: () => setOrder(orders[(orders.findIndex(([name]) => name === order) + 1) % orders.length]![0]),
  })
  return { ...state, next, skip, decide, choose, undo }
}

function useReviewState() {
  const [order, setOrder] = useState<Order>('score')
  const [answer, setAnswer] = useState<ReviewAnswer | null>(null)
  const [current, setCurrent] = useState<ReviewCase | null>(null)
  const [failure, setFailure] = useState<string | null>(null)
  const [readFailure, setReadFailure] = useState<string | null>(null)
  const [message, setMessage] = useState('')
  const [isBusy, setBusy] = useState(false)
  const [reason, setReason] = useState('')
  const [note, setNote] = useState('')
  const isActing = useRef(false)
  const isFirst = useRef(true)
  const read = async (): Promise<void> => {
    const found = await loadReview(order)
    setAnswer(found)
    setReadFailure(null)
    // Who comes back has what was held before.
    if (isFirst.current && found.mine !== null) setCurrent(found.mine)
    isFirst.current = false
  }
  const show = (one: ReviewCase | null, told: string): void => {
    setCurrent(one)
    setReason('')
    setNote('')
    setMessage(one === null ? told : `${told} The next case is here.`)
  }
  const act = async (work: () => Promise<void>): Promise<void> => {
    if (isActing.current || answer?.mayDecide !== true) return
    isActing.current = true
    setBusy(true)
    setFailure(null)
    try {
      await work()
    } catch (error) {
      setFailure((error as Error).message)
    } finally {
      isActing.current = false
      setBusy(false)
      await read().catch(() => undefined)
    }
  }
  useEffect(() => {
    let isOver = false
    const ask = (): void => {
      if (document.hidden || isActing.current) return
      read().catch((error: Error) => void (isOver || setReadFailure(error.message)))
    }
    ask()
    const timer = setInterval(ask, asksEveryMs)
    return () => {
      isOver = true
      clearInterval(timer)
    }
  }, [order])
  return {
    ...{ order, setOrder, answer, current, setCurrent, message, isBusy, act, show },
    failure: failure ?? readFailure,
    ...{ reason, setReason, note, setNote },
    reasonField: useRef<HTMLInputElement>(null),
    noteField: useRef<HTMLTextAreaElement>(null),
  }
}

/** Letters are letters in a field; Escape leaves it. What a key does is of the case that is on the screen. */
function useKeys(keys: Readonly<Record<string, () => void>>): void {
  useLayoutEffect(() => {
    const hear = (event: KeyboardEvent): void => {
      const field = event.target instanceof Element ? event.target.closest('input, textarea, select') : null
      const isTyping = field !== null && field.getAttribute('type') !== 'radio'
      if (isTyping && event.key === 'Escape') (field as HTMLElement).blur()
      if (isTyping || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return
      const does = keys[event.key]
      if (does === undefined) return
      event.preventDefault() // Else the letter would be written into the field that it goes to.
      does()
    }
    addEventListener('keydown', hear)
    return () => removeEventListener('keydown', hear)
  })
}
