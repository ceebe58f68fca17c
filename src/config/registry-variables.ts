// How to reach a schema registry: the variables of their own, as every lakehouse has them.
import { httpUrls, localPath, secret, textMatching } from './values.ts'

const registry = { group: 'Schema registry' } as const

export const registryVariables = {
  SCHEMA_REGISTRY_URL: {
    ...registry,
    ...httpUrls(),
    meaning:
      'Schema registry with the API of Confluent, or several addresses of one; asked only where a record names a schema',
    default: null,
    absent: 'records that name a schema are refused',
    example: 'https://schemas.example.com',
  },
  SCHEMA_REGISTRY_USERNAME: {
    ...registry,
    ...textMatching('a name of 1 to 255 characters without a colon', /^[^:]{1,255}$/u),
    meaning: 'User to log in as',
    default: null,
    absent: 'no login',
    example: 'assay',
  },
  SCHEMA_REGISTRY_PASSWORD: {
    ...registry,
    ...secret('a password'),
    meaning: 'Password of the user; never printed',
    default: null,
    absent: 'needed with SCHEMA_REGISTRY_USERNAME',
    example: 'secret',
    secret: true,
  },
  SCHEMA_REGISTRY_TOKEN: {
    ...registry,
    ...secret('a token'),
    meaning: 'Bearer token in place of user and password; never printed',
    default: null,
    absent: 'none',
    example: 'secret',
    secret: true,
  },
  SCHEMA_REGISTRY_SSL_CA_FILE: {
    ...registry,
    ...localPath(),
    meaning: 'PEM file with the authorities that signed the certificate of the registry',
    default: null,
    absent: 'those that Node trusts',
    example: '/etc/ssl/registry-ca.pem',
  },
  SCHEMA_REGISTRY_SSL_CERT_FILE: {
    ...registry,
    ...localPath(),
    meaning: 'PEM file with the certificate that the registry asks for',
    default: null,
    absent: 'none',
    example: '/etc/ssl/assay.pem',
  },
  SCHEMA_REGISTRY_SSL_KEY_FILE: {
    ...registry,
    ...localPath(),
    meaning: 'PEM file with the key of that certificate',
    default: null,
    absent: 'needed with SCHEMA_REGISTRY_SSL_CERT_FILE',
    example: '/etc/ssl/assay-key.pem',
  },
  SCHEMA_REGISTRY_SSL_KEY_PASSWORD: {
    ...registry,
    ...secret('a password'),
    meaning: 'Password of the key; never printed',
    default: null,
    absent: 'the key has none',
    example: 'secret',
    secret: true,
  },
} as const
