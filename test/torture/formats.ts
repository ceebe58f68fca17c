// Random schemas and values: Avro as avsc reads them, Protobuf as protobufjs does.
// Run: npm run test:formats -- [of each] [seed]
import { avroDifference, protobufDifference } from '../compare/random-formats.ts'

async function main(count: number, seed: number): Promise<void> {
  console.log(`${count} of Avro and of Protobuf, seed ${seed}`)
  const startedMs = performance.now()
  for (let index = 0; index < count; index++) {
    for (const differenceOf of [avroDifference, protobufDifference]) {
      const difference = await differenceOf(seed + index)
      if (difference === null) continue
      console.log(`  ${differenceOf.name} of seed ${seed + index}: ${difference.slice(0, 2_000)}`)
      process.exitCode = 1
      return
    }
    if (index % 10_000 === 9_999) console.log(`  ${index + 1} done`)
  }
  console.log(`No value differs, ${Math.round((performance.now() - startedMs) / 1000)} s`)
}

if (import.meta.main) {
  const [count, seed] = process.argv.slice(2)
  await main(Number(count ?? 100_000), Number(seed ?? Date.now() % 2 ** 31))
}
