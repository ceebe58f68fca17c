import { expect, test } from 'vitest'
import { storeAddress, storeUrl, storeUrlMistake } from '../../../src/objects/address.ts'

test('an address names a bucket and a prefix, in one spelling', () => {
  expect(storeAddress('s3://bucket/a/b=1/')).toEqual({ bucket: 'bucket', prefix: 'a/b=1' })
  for (const url of ['s3://bucket', 's3://bucket/', 's3://my.bucket-1/a/b c']) {
    expect(storeUrlMistake(url)).toBeNull()
  }
  expect(storeUrl(storeAddress('s3://bucket/'))).toBe('s3://bucket')
  expect(storeUrl(storeAddress('s3://bucket/a/'))).toBe('s3://bucket/a')
})

test('what is no address of a store that keeps commits apart is refused with its reason', () => {
  expect(storeUrlMistake('gs://bucket/a')).toMatch(/If-None-Match/)
  expect(storeUrlMistake('abfss://container@account/a')).toMatch(/Azure/)
  expect(storeUrlMistake('hdfs://host/a')).toMatch(/s3:\/\/bucket/)
  expect(storeUrlMistake('s3://B/a')).toMatch(/bucket/)
  for (const url of ['s3://bucket//a', 's3://bucket/a/../b', 's3://bucket/a?b', 's3://bucket/a\nb']) {
    expect(storeUrlMistake(url)).toMatch(/prefix/)
  }
})
