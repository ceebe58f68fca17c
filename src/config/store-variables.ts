// The variables of object stores, by the names that other tools of S3 know.
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { StoreAddress } from '../objects/address.ts'
import { isStoreUrl, storeAddress } from '../objects/address.ts'
import { byteSize, localPath, oneOf, type Secret, secret, textMatching, webAddress } from './values.ts'

const store = { group: 'Object store' } as const

export const storeVariables = {
  AWS_ENDPOINT_URL: {
    ...store,
    ...webAddress(),
    meaning: 'Where the object store of DELTA_BASE_PATH answers',
    default: null,
    absent: 'Amazon S3 in the region of the bucket',
    example: 'https://minio.internal:9000',
  },
  AWS_REGION: {
    ...store,
    ...textMatching('1 to 63 letters, digits and hyphens', /^[A-Za-z0-9-]{1,63}$/),
    meaning: 'Region of the bucket',
    default: null,
    absent: 'that of the profile; with AWS_ENDPOINT_URL us-east-1',
    example: 'eu-central-1',
  },
  S3_PATH_STYLE: {
    ...store,
    ...oneOf('auto', 'on', 'off'),
    meaning:
      'Whether the bucket is in the path of a request and not in the name of the host; auto is on with AWS_ENDPOINT_URL',
    default: 'auto',
    example: 'off',
  },
  AWS_CA_BUNDLE: {
    ...store,
    ...localPath(),
    meaning: 'PEM file with the authorities that signed the certificate of the store',
    default: null,
    absent: 'those that Node trusts',
    example: '/etc/ssl/store-ca.pem',
  },
  AWS_PROFILE: {
    ...store,
    ...textMatching('a name of 1 to 255 characters', /^.{1,255}$/u),
    meaning: 'Profile in ~/.aws whose credentials count',
    default: null,
    absent: 'default',
    example: 'lakehouse',
  },
  AWS_ACCESS_KEY_ID: {
    ...store,
    ...textMatching('a key of 1 to 255 characters', /^[\x21-\x7e]{1,255}$/),
    meaning: 'Access key, in place of a profile, a web identity or the role of the machine',
    default: null,
    absent: 'what profile, web identity or role give',
    example: 'AKIAIOSFODNN7EXAMPLE',
  },
  AWS_SECRET_ACCESS_KEY: {
    ...store,
    ...secret('a key'),
    meaning: 'Secret of the access key; never printed',
    default: null,
    absent: 'needed with AWS_ACCESS_KEY_ID',
    example: 'secret',
    secret: true as const,
  },
  AWS_SESSION_TOKEN: {
    ...store,
    ...secret('a token'),
    meaning: 'Token of temporary credentials; never printed',
    default: null,
    absent: 'none',
    example: 'token',
    secret: true as const,
  },
  CACHE_DIR: {
    ...store,
    ...localPath(),
    meaning: 'Directory for copies of files of an object store; it may be deleted while nothing runs',
    default: null,
    absent: '$XDG_CACHE_HOME/assay/objects or ~/.cache/assay/objects',
    example: '/var/cache/assay',
  },
  CACHE_SIZE_MAX: {
    ...store,
    ...byteSize(2 ** 20),
    meaning: 'So much of it stays; what was read within the last hour stays all the same',
    default: '10 GiB',
    example: '100 GiB',
  },
} as const

export type StoreConfig = StoreAddress & {
  readonly endpoint: string | null
  readonly region: string | null
  readonly pathStyle: boolean
  readonly caFile: string | null
  readonly profile: string | null
  readonly credentials: {
    readonly accessKeyId: string
    readonly secretAccessKey: Secret
    readonly sessionToken: Secret | null
  } | null
  readonly cacheDirectory: string
  readonly cacheBytesMax: number
}

type StoreValues = {
  readonly AWS_ENDPOINT_URL: string | null
  readonly AWS_REGION: string | null
  readonly S3_PATH_STYLE: 'auto' | 'on' | 'off'
  readonly AWS_CA_BUNDLE: string | null
  readonly AWS_PROFILE: string | null
  readonly AWS_ACCESS_KEY_ID: string | null
  readonly AWS_SECRET_ACCESS_KEY: Secret | null
  readonly AWS_SESSION_TOKEN: Secret | null
  readonly CACHE_DIR: string | null
  readonly CACHE_SIZE_MAX: number
}

/** null where the tables are on a disk. */
export function storeConfigOf(deltaBasePath: string, values: StoreValues): StoreConfig | null {
  if (!isStoreUrl(deltaBasePath)) return null
  const endpoint = values.AWS_ENDPOINT_URL
  const [accessKeyId, secretAccessKey] = [values.AWS_ACCESS_KEY_ID, values.AWS_SECRET_ACCESS_KEY]
  return {
    ...storeAddress(deltaBasePath),
    endpoint,
    region: values.AWS_REGION ?? (endpoint === null ? null : 'us-east-1'),
    pathStyle: values.S3_PATH_STYLE === 'auto' ? endpoint !== null : values.S3_PATH_STYLE === 'on',
    caFile: values.AWS_CA_BUNDLE,
    profile: values.AWS_PROFILE,
    credentials:
      accessKeyId === null || secretAccessKey === null
        ? null
        : { accessKeyId, secretAccessKey, sessionToken: values.AWS_SESSION_TOKEN },
    cacheDirectory:
      values.CACHE_DIR ?? join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'assay', 'objects'),
    cacheBytesMax: values.CACHE_SIZE_MAX,
  }
}

/** What is wrong between variables of the store, of those that could be parsed. */
export function storeContradictions(values: Partial<StoreValues>): string[] {
  const [id, key] = [values.AWS_ACCESS_KEY_ID, values.AWS_SECRET_ACCESS_KEY]
  if (typeof id === 'string' && key === null) {
    return ['AWS_SECRET_ACCESS_KEY is not set: AWS_ACCESS_KEY_ID needs it']
  }
  return id === null && key != null ? ['AWS_ACCESS_KEY_ID is not set: AWS_SECRET_ACCESS_KEY needs it'] : []
}
