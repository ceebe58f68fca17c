// Where one is: the part of the address behind #, so that a page can be shared and the back button works.
import { createStore } from './store.ts'

export type Place = { readonly page: string; readonly rest: readonly string[] }

export const place = createStore<Place>(placeNow())

function placeNow(): Place {
  const [page = '', ...rest] = location.hash.replace(/^#\/?/, '').split('/').map(decode)
  return { page: page === '' ? 'pipeline' : page, rest }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

export function linkTo(page: string, ...rest: readonly string[]): string {
  return `#/${[page, ...rest].map(encodeURIComponent).join('/')}`
}

export function goTo(page: string, ...rest: readonly string[]): void {
  location.hash = linkTo(page, ...rest)
}

addEventListener('hashchange', () => place.set(placeNow()))
