import type { ComponentChildren } from 'preact'
import { timeOfDay } from '../format.ts'

type CardProps = {
  readonly title: string
  /** Where it is not that of the whole page. */
  readonly asOfMs?: number | null
  readonly note?: string
  readonly actions?: ComponentChildren
  readonly className?: string
  readonly children: ComponentChildren
}

export function Card({ title, asOfMs, note, actions, className, children }: CardProps) {
  return (
    <section class={`card ${className ?? ''}`} aria-label={title}>
      <header>
        <h2>{title}</h2>
        {note !== undefined && <p class="note">{note}</p>}
        {asOfMs != null && <p class="note as-of">as of {timeOfDay(asOfMs)} UTC</p>}
        {actions}
      </header>
      {children}
    </section>
  )
}

export function Failed({ message }: { readonly message: string }) {
  return (
    <p class="failure" role="alert">
      {message}
    </p>
  )
}

export function Nothing({ children }: { readonly children: ComponentChildren }) {
  return <p class="nothing">{children}</p>
}
