import type { NoticeCode } from '../errors/notices.ts'

/**
 * Something an operator should know although the input goes on: the caller logs it, nothing branches on it.
 */
export type SourceNotice = {
  readonly code: NoticeCode
  readonly message: string
  readonly details: Readonly<Record<string, unknown>>
}

export type OnNotice = (notice: SourceNotice) => void
