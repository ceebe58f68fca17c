// From the configuration to the object store of a lakehouse, whose tables are then read and written as those
// of a disk are.
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { hostname, uptime } from 'node:os'
import { join } from 'node:path'
import type { Config } from '../config/config.ts'
import type { StoreConfig } from '../config/store-variables.ts'
import { type MountedStore, mountStore } from '../delta/mounts.ts'
import { LakehouseError } from '../errors/errors.ts'
import { S3Store } from '../objects/s3.ts'

/** Does nothing for a lakehouse on a disk. Nothing is asked of the store yet. */
export function mountLakehouse(
  { store }: Pick<Config, 'store'>,
  cacheDirectory?: string,
): MountedStore | null {
  if (store === null) return null
  const { credentials, ...place } = store
  const s3 = new S3Store({
    ...place,
    ca: caOf(store),
    credentials: credentials && {
      accessKeyId: credentials.accessKeyId,
      secretAccessKey: credentials.secretAccessKey.reveal(),
      ...(credentials.sessionToken === null ? {} : { sessionToken: credentials.sessionToken.reveal() }),
    },
  })
  return mountStore(s3, cacheRoot(store, cacheDirectory ?? store.cacheDirectory), store.cacheBytesMax)
}

function caOf({ caFile }: StoreConfig): string | null {
  if (caFile === null) return null
  try {
    return readFileSync(caFile, 'utf8')
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const message = `AWS_CA_BUNDLE cannot be read: ${reason}. Name a PEM file that this user can read.`
    throw new LakehouseError('CONFIG_INVALID', message, { cause, details: { caFile } })
  }
}

/**
 * The directory of this lakehouse's copies. They are not synced, so those from before the machine started are
 * not trusted: they are deleted.
 */
function cacheRoot({ endpoint, bucket, prefix }: StoreConfig, cacheDirectory: string): string {
  const place = `${bucket}-${shortHash(JSON.stringify([endpoint, bucket, prefix]))}`
  const root = `${place}-${shortHash(machineStart())}`
  try {
    mkdirSync(join(cacheDirectory, root), { recursive: true })
    for (const name of readdirSync(cacheDirectory)) {
      const isOlder = name.startsWith(`${place}-`) && name !== root
      if (isOlder) rmSync(join(cacheDirectory, name), { recursive: true, force: true })
    }
    return realpathSync(join(cacheDirectory, root))
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const message = `CACHE_DIR (${cacheDirectory}) cannot be used: ${reason}. Name a directory that this user can write.`
    throw new LakehouseError('CONFIG_INVALID', message, { cause, details: { cacheDirectory } })
  }
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8)
}

function machineStart(): string {
  try {
    return `${hostname()} ${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')}`
  } catch {
    const minuteMs = 60_000
    return `${hostname()} ${Math.round((Date.now() - uptime() * 1000) / minuteMs)}` // Systems without /proc.
  }
}
