// Everything that is installed may be used by everybody, in programs that are sold too.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { builtInPackages, lockedPackages } from '../../docs/licences-page.ts'

const root = dirname(dirname(import.meta.dirname))
const permissive = ['MIT', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', '0BSD', 'MIT-0']
/** Of tools that build and test, and are not handed on. */
const ofTools = [...permissive, 'MPL-2.0']

/** All of an expression of SPDX with AND, one of an expression with OR. */
function isAllowed(license: string, allowed: readonly string[]): boolean {
  const choices = license.replace(/^\((.*)\)$/, '$1').split(' OR ')
  return choices.some((choice) => choice.split(' AND ').every((one) => allowed.includes(one)))
}

test('the licence of every package is allowed', () => {
  const builtIn = builtInPackages()
  expect(builtIn).toContain('preact')
  const refused = lockedPackages().filter(({ name, license, isInstalled }) => {
    return !isAllowed(license, isInstalled || builtIn.includes(name) ? permissive : ofTools)
  })
  expect(refused).toEqual([])
  expect(isAllowed('GPL-3.0', ofTools)).toBe(false)
  expect(isAllowed('(MIT AND GPL-3.0)', permissive)).toBe(false)
})

test('each package says the licence that the lock file has of it', () => {
  const differing = lockedPackages().flatMap(({ path, license }) => {
    const file = join(root, path, 'package.json')
    if (!existsSync(file)) return [] // Of another platform.
    const said = JSON.parse(readFileSync(file, 'utf8')).license
    return said === license ? [] : [`${path}: ${said} instead of ${license}`]
  })
  expect(differing).toEqual([])
})
