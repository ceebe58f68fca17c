// Trees stay balanced in whatever order rows come: the steps to a row grow with the logarithm.
import { expect, test } from 'vitest'
import { BalancedTrees } from '../../../src/state/balanced-trees.ts'

/** Rows by a number each; counts how often two are compared. */
class NumberTrees extends BalancedTrees {
  compared = 0
  readonly #numbers: readonly number[]

  constructor(numbers: readonly number[]) {
    super(0, numbers.length + 1)
    this.#numbers = [0, ...numbers]
  }

  protected isBefore(a: number, b: number): boolean {
    this.compared++
    return this.#numbers[a]! < this.#numbers[b]!
  }

  protected absorb(): void {
    // Nothing is kept of trees.
  }

  protected sum(): void {
    // As above.
  }
}

const count = 1 << 14
const order = Array.from({ length: count }, (_, index) => index)
const orders: Readonly<Record<string, readonly number[]>> = {
  ascending: order,
  descending: order.toReversed(),
  'from both ends': order.map((index) => (index % 2 === 0 ? index : -index)),
  'towards the middle': order.map((index) => (index % 2 === 0 ? index : 2 * count - index)),
  'mixed, by a fixed step': order.map((index) => (index * 7919) % count),
  'in runs that overlap': order.map((index) => index - (index % 100) * 37.5),
}

test.each(Object.entries(orders))('%s: all rows in order, at most 24 steps to one of 16384', (_, numbers) => {
  const trees = new NumberTrees(numbers)
  let [root, most] = [0, 0]
  for (let row = 1; row <= count; row++) {
    const before = trees.compared
    root = trees.insert(root, row)
    most = Math.max(most, trees.compared - before)
  }
  // The logarithm is 14, and no such tree is more than 2.06 times as deep.
  expect(most).toBeLessThanOrEqual(24)
  const rows = new Int32Array(count)
  expect(trees.list(root, rows)).toBe(count)
  const found = [...rows].map((row) => numbers[row - 1]!)
  expect(found).toEqual(numbers.toSorted((a, b) => a - b))
  const built = new NumberTrees(found)
  expect(
    built.list(
      built.build(
        order.map((index) => index + 1),
        0,
        count,
      ),
      rows,
    ),
  ).toBe(count)
  expect([...rows]).toEqual(order.map((index) => index + 1))
})
