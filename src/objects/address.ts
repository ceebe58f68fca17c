// The address of a lakehouse in an object store, as DELTA_BASE_PATH has it.

export type StoreAddress = {
  readonly bucket: string
  /** Without slashes at its ends; empty for the whole bucket. */
  readonly prefix: string
}

export function isStoreUrl(text: string): boolean {
  return text.startsWith('s3://')
}

/** Why the text is no address of a store; null where it is one. */
export function storeUrlMistake(text: string): string | null {
  if (/^gs:\/\//.test(text)) {
    return 'must not be in Google Cloud Storage: its S3 interface does not honour the condition If-None-Match of a PUT, which commits rest on; s3:// works'
  }
  if (/^(az|abfss?|wasbs?|adl):\/\//.test(text)) {
    return 'must not be in Azure Blob Storage, which does not speak the protocol of S3; s3:// works'
  }
  if (!isStoreUrl(text)) return 'must be an address like s3://bucket/prefix'
  const { bucket, prefix } = storeAddress(text)
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) {
    return 'must name a bucket behind s3://: 3 to 63 small letters, digits, hyphens and dots'
  }
  const isOdd = prefix
    .split('/')
    .some((part) => part === '.' || part === '..' || (part === '' && prefix !== ''))
  if (isOdd || !/^[\w!\-.*'()/=+@,:$& ]*$/.test(prefix)) {
    return 'must have a prefix of plain names between single slashes'
  }
  return null
}

export function storeAddress(url: string): StoreAddress {
  const [bucket = '', ...rest] = url.slice('s3://'.length).split('/')
  return { bucket, prefix: rest.join('/').replace(/\/+$/, '') }
}

/** One spelling for one address. */
export function storeUrl({ bucket, prefix }: StoreAddress): string {
  return prefix === '' ? `s3://${bucket}` : `s3://${bucket}/${prefix}`
}
