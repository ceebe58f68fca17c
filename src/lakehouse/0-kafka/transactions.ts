// The records of the topic (or of files) as they arrive, nothing parsed.
import { input } from '../../plan/index.ts'

export const kafkaRecords = input('kafka_batch', {
  topic: 'string',
  partition: 'int',
  offset: 'long',
  kafka_key: 'binary',
  value: 'binary', // null is a tombstone
  headers: 'headers',
  kafka_timestamp: 'timestamp', // null where records come from files
})
