// What is larger than its place: it scrolls, by the keyboard too.
import type { ComponentChildren } from 'preact'

type ScrollProps = {
  readonly label: string
  readonly isShort?: boolean
  readonly children: ComponentChildren
}

export function Scroll({ label, isShort = false, children }: ScrollProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: without a focus the keyboard cannot scroll it.
    <section class={isShort ? 'scroll short' : 'scroll'} aria-label={label} tabIndex={0}>
      {children}
    </section>
  )
}
