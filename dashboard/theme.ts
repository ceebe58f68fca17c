// Dark or light: as the system says, until somebody chooses.
import { createStore } from './store.ts'

export type Theme = 'dark' | 'light'

const key = 'assay-theme'
const systemIsDark = matchMedia('(prefers-color-scheme: dark)')

export const theme = createStore<Theme>(themeNow())

export function themeNow(): Theme {
  const chosen = localStorage.getItem(key)
  if (chosen === 'dark' || chosen === 'light') return chosen
  return systemIsDark.matches ? 'dark' : 'light'
}

export function applyTheme(wanted: Theme): void {
  document.documentElement.dataset.theme = wanted
  theme.set(wanted)
}

export function chooseTheme(wanted: Theme): void {
  localStorage.setItem(key, wanted)
  applyTheme(wanted)
}

systemIsDark.addEventListener('change', () => applyTheme(themeNow()))
