// A variable that is not ours but nearly: WATERMARK_GLOD would be ignored in silence, so it gets a hint.
import { laterVariables } from './variables.ts'

const distanceMax = 2
const lengthMin = 6

/**
 * What begins so in the file .env is meant for Assay. In the environment it may be another program's:
 * KAFKA_HOME and SPARK_LOCAL_IP are.
 */
const prefixes = ['ASSAY_', 'KAFKA_', 'DELTA_', 'WATERMARK_', 'DEDUP_', 'COMPACTION_', 'SPARK_', 'DUCKDB_']

/**
 * `variables` are those that there are. One sentence for each of `names` that looks like a misspelt variable, or like one of another version;
 * `inFile` are those of them that the file has.
 */
export function spellingHints(
  variables: readonly string[],
  names: readonly string[],
  inFile: readonly string[],
): readonly string[] {
  const ours = new Set(variables)
  return names.flatMap((name) => {
    const later = laterVariables.get(name)
    if (later !== undefined) return [`${name} has no effect: ${later}`]
    if (ours.has(name) || name.length < lengthMin) return []
    const isInFile = inFile.includes(name)
    const meant =
      closest(variables, name.toUpperCase()) ?? (isInFile ? sameWords(variables, name.toUpperCase()) : null)
    if (meant !== null) return [`${name} is not a variable of Assay: did you mean ${meant}?`]
    const prefix = prefixes.find((each) => name.toUpperCase().startsWith(each))
    if (prefix === undefined || !isInFile) return []
    const known = variables.filter((each) => each.startsWith(prefix))
    return [`${name} is not a variable of Assay and has no effect. There is ${known.join(', ')}.`]
  })
}

function closest(variables: readonly string[], name: string): string | null {
  let best: string | null = null
  let bestDistance = distanceMax + 1
  for (const candidate of variables) {
    if (Math.abs(candidate.length - name.length) > distanceMax) continue
    const distance = editDistance(name, candidate)
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance]
  }
  return best
}

/** The variable that has all words of `name`, or of which `name` has all words, where there is only one. */
function sameWords(variables: readonly string[], name: string): string | null {
  const words = name.split('_')
  const isIn = (some: readonly string[], all: readonly string[]) => some.every((word) => all.includes(word))
  const found = variables.filter((candidate) => {
    const its = candidate.split('_')
    return words.length > 1 && its.length > 1 && (isIn(words, its) || isIn(its, words))
  })
  return found.length === 1 ? found[0]! : null
}

/** How many characters to insert, delete, replace or swap with their neighbour (optimal string alignment). */
export function editDistance(left: string, right: string): number {
  const rows = Array.from({ length: left.length + 1 }, () => new Array<number>(right.length + 1).fill(0))
  const at = (row: number, column: number) => rows[row]![column]!
  for (let row = 0; row <= left.length; row++) {
    for (let column = 0; column <= right.length; column++) {
      if (row === 0 || column === 0) {
        rows[row]![column] = row + column
        continue
      }
      const same = left[row - 1] === right[column - 1]
      let least = Math.min(
        at(row - 1, column) + 1,
        at(row, column - 1) + 1,
        at(row - 1, column - 1) + (same ? 0 : 1),
      )
      const swapped =
        row > 1 && column > 1 && left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1]
      if (swapped) least = Math.min(least, at(row - 2, column - 2) + 1)
      rows[row]![column] = least
    }
  }
  return at(left.length, right.length)
}
