// Runs several tasks as if on machines of their own, one step at a time, in an order that a seed decides. At
// each named step a task may be let go on, left alone for long, or die.
import { AsyncLocalStorage } from 'node:async_hooks'
import { setStepHook } from '../../src/steps/step.ts'

export class Death extends Error {}

export type Task = { readonly name: string; readonly run: () => Promise<void>; readonly mayDie: boolean }

type Actor = {
  readonly task: Task
  /** Let it go on from where it waits, or die there; several where it does several things at once. */
  wakes: ((dies: boolean) => void)[]
  /** Turns of others before it is its turn again. */
  rest: number
  isDead: boolean
  hasEnded: boolean
  failure: unknown
}

export type Ended = { readonly task: Task; readonly isDead: boolean; readonly failure: unknown }

const current = new AsyncLocalStorage<Actor>()
const deathShare = 0.004
const pauseShare = 0.015
const pauseTurnsMax = 250
/** So many turns of tasks that wait for one another, and nothing would ever move. */
const idleTurnsMax = 1_000_000

export class Scheduler {
  readonly #random: () => number
  readonly #actors: Actor[] = []
  /** What one does beside its main work goes on while others move, as reading a real disk does. */
  #moving: Actor | null = null
  #idleTurns = 0
  /** Told when the one that moves has come to its next step, or has ended. */
  #onRest: () => void = () => undefined
  steps = 0

  constructor(random: () => number) {
    this.#random = random
    setStepHook(() => this.stop())
  }

  close(): void {
    setStepHook(null)
  }

  start(task: Task): void {
    const actor: Actor = { task, wakes: [], rest: 0, isDead: false, hasEnded: false, failure: null }
    this.#actors.push(actor)
    actor.wakes.push(() => {
      void current
        .run(actor, task.run)
        .catch((error: unknown) => {
          actor.failure = error
        })
        .then(() => {
          actor.hasEnded = true
          if (actor === this.#moving) this.#onRest()
        })
    })
  }

  /** Lets tasks move until one has ended; null where there are none left. */
  async next(): Promise<Ended | null> {
    for (;;) {
      const ended = this.#actors.findIndex(({ hasEnded }) => hasEnded)
      if (ended >= 0) return this.#actors.splice(ended, 1)[0]!
      if (this.#actors.length === 0) return null
      await this.#turn()
    }
  }

  async #turn(): Promise<void> {
    const ready = this.#actors.filter(({ rest }) => rest === 0)
    for (const actor of this.#actors) actor.rest = Math.max(0, actor.rest - 1)
    const actor = ready[Math.floor(this.#random() * ready.length)]
    if (actor === undefined) return
    const lot = this.#random()
    if (lot < pauseShare) {
      actor.rest = Math.ceil(this.#random() * pauseTurnsMax)
      return
    }
    const wakes = actor.wakes.splice(0)
    if (wakes.length === 0) return this.#idle(actor)
    this.#idleTurns = 0
    this.#moving = actor
    const rested = new Promise<void>((resolve) => {
      this.#onRest = resolve
    })
    const dies = actor.task.mayDie && lot > 1 - deathShare
    for (const wake of wakes) wake(dies)
    await rested
  }

  /** It waits for a real disk, or for what another does. */
  async #idle({ task }: Actor): Promise<void> {
    this.#idleTurns += 1
    if (this.#idleTurns > idleTurnsMax) throw new Error(`${task.name} never comes to a step`)
    await new Promise(setImmediate)
  }

  /** To be called by what a task does, wherever it may stop; the calls of others go on. */
  stop(): Promise<void> | undefined {
    const actor = current.getStore()
    if (actor === undefined) return undefined
    // What is dead does nothing more, whoever catches its death.
    if (actor.isDead) return Promise.reject(new Death())
    this.steps += 1
    const waiting = new Promise<void>((resolve, reject) => {
      actor.wakes.push((dies) => {
        actor.isDead = dies
        if (dies) reject(new Death())
        else resolve()
      })
    })
    if (actor === this.#moving) this.#onRest()
    return waiting
  }
}
