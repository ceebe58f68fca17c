// Random and mutated JSON documents, judged by the scanner and by naive readings, for as long as one likes.
// Run: npx node test/torture/json-documents.ts [documents] [seed]
import fc from 'fast-check'
import { ScannerCheck } from '../compare/scanned-json.ts'
import { jsonDocument } from '../generate/json-documents.ts'

const documentCount = Number(process.argv[2] ?? 1_000_000)
const seed = Number(process.argv[3] ?? Date.now() % 2 ** 31)
const roundCount = 10_000

console.log(`${documentCount} documents, seed ${seed}`)
const check = new ScannerCheck()
for (let done = 0; done < documentCount; done += roundCount) {
  for (const document of fc.sample(jsonDocument, { seed: seed + done, numRuns: roundCount })) {
    const difference = check.difference(document)
    if (difference === null) continue
    console.log(`${difference} (seed ${seed}, round ${done})\n${document.toString('latin1')}`)
    console.log(document.toString('hex'))
    process.exit(1)
  }
}
console.log(`no difference: ${check.wellFormedCount} well-formed, ${check.malformedCount} malformed`)
