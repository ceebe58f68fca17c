// A variable that is not ours but nearly: WATERMARK_GLOD would be ignored in silence, so it gets a hint.
import { nearestName } from '../errors/nearest-name.ts'

const distanceMax = 2
const lengthMin = 6

/**
 * What begins so in the file .env is meant for Assay. In the environment it may be another program's:
 * KAFKA_HOME and SPARK_LOCAL_IP are.
 */
const prefixes = [
  'ASSAY_',
  'KAFKA_',
  'DELTA_',
  'WATERMARK_',
  'DEDUP_',
  'COMPACTION_',
  'SPARK_',
  'DUCKDB_',
  'SCHEMA_',
]

/**
 * `variables` are those that there are. One sentence for each of `names` that looks like a misspelt variable;
 * `inFile` are those of them that the file has.
 */
export function spellingHints(
  variables: readonly string[],
  names: readonly string[],
  inFile: readonly string[],
): readonly string[] {
  const ours = new Set(variables)
  return names.flatMap((name) => {
    if (ours.has(name) || name.length < lengthMin) return []
    const isInFile = inFile.includes(name)
    const meant =
      nearestName(name.toUpperCase(), variables, distanceMax) ??
      (isInFile ? sameWords(variables, name.toUpperCase()) : null)
    if (meant !== null) return [`${name} is not a variable of Assay: did you mean ${meant}?`]
    const prefix = prefixes.find((each) => name.toUpperCase().startsWith(each))
    if (prefix === undefined || !isInFile) return []
    const known = variables.filter((each) => each.startsWith(prefix))
    return [`${name} is not a variable of Assay and has no effect. There is ${known.join(', ')}.`]
  })
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
