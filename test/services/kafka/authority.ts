// Certificates as an authority of one's own makes them, with openssl.
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export type Authority = {
  /** The PEM file with its certificate. */
  readonly file: string
  /** Makes a key and a certificate, and tells their files and one that holds both, the key first. */
  sign(options: SignOptions): Promise<Signed>
}

export type SignOptions = {
  readonly name: string
  readonly subject: string
  /** As openssl takes them: IP:127.0.0.1, DNS:localhost. */
  readonly names?: readonly string[]
  /** With it the key is encrypted. */
  readonly passphrase?: string
  /** It was valid, for a day of the year 2020. */
  readonly isExpired?: boolean
}

export type Signed = {
  readonly certFile: string
  readonly keyFile: string
  /** The key before it was encrypted. */
  readonly plainKeyFile: string
  readonly bothFile: string
}

export async function makeAuthority(directory: string, name: string): Promise<Authority> {
  const path = (file: string): string => join(directory, file)
  const [caKey, caFile] = [path(`${name}.key`), path(`${name}.pem`)]
  const openssl = (...args: string[]) => run('openssl', args)
  const key = (file: string) =>
    openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', file)
  await key(caKey)
  const ca = ['-x509', '-key', caKey, '-out', caFile, '-days', '2', '-subj', `/CN=${name}`]
  await openssl('req', ...ca, '-addext', 'keyUsage=critical,keyCertSign')
  // For "openssl ca", which alone sets when a certificate begins and ends.
  const config = path(`${name}.cnf`)
  const database = path(`${name}.index`)
  await writeFile(
    config,
    `[ca]\ndefault_ca=it\n[it]\ndatabase=${database}\nserial=${path(`${name}.serial`)}\nnew_certs_dir=${directory}\n` +
      'policy=any\ndefault_md=sha256\ncopy_extensions=copy\nunique_subject=no\n[any]\ncommonName=supplied\n',
  )
  await writeFile(database, '')
  return {
    file: caFile,
    async sign({ name: leaf, subject, names = [], passphrase, isExpired = false }) {
      const [keyFile, request, certFile] = [path(`${leaf}.key`), path(`${leaf}.csr`), path(`${leaf}.pem`)]
      await key(keyFile)
      const altNames = names.length === 0 ? [] : ['-addext', `subjectAltName=${names.join(',')}`]
      await openssl('req', '-new', '-key', keyFile, '-subj', subject, '-out', request, ...altNames)
      const dates = isExpired
        ? ['-startdate', '20200101000000Z', '-enddate', '20200102000000Z']
        : ['-days', '2']
      const issuer = ['-config', config, '-cert', caFile, '-keyfile', caKey, '-rand_serial']
      await openssl('ca', '-batch', '-notext', ...issuer, ...dates, '-in', request, '-out', certFile)
      const bothFile = path(`${leaf}-both.pem`)
      await writeFile(bothFile, (await readFile(keyFile, 'utf8')) + (await readFile(certFile, 'utf8')))
      if (passphrase !== undefined) {
        const encrypted = path(`${leaf}-encrypted.key`)
        const cipher = ['-v2', 'aes-256-cbc', '-passout', `pass:${passphrase}`]
        await openssl('pkcs8', '-topk8', '-in', keyFile, '-out', encrypted, ...cipher)
        return { certFile, keyFile: encrypted, plainKeyFile: keyFile, bothFile }
      }
      return { certFile, keyFile, plainKeyFile: keyFile, bothFile }
    },
  }
}
