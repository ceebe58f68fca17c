// A value that components follow.
import { useEffect, useState } from 'preact/hooks'

export type Store<T> = {
  get(): T
  set(value: T): void
  follow(follower: (value: T) => void): () => void
}

export function createStore<T>(first: T): Store<T> {
  let value = first
  const followers = new Set<(value: T) => void>()
  return {
    get: () => value,
    set(next) {
      value = next
      for (const follower of followers) follower(next)
    },
    follow(follower) {
      followers.add(follower)
      return () => followers.delete(follower)
    },
  }
}

export function useStore<T>(store: Store<T>): T {
  const [value, setValue] = useState(store.get())
  useEffect(() => {
    setValue(() => store.get())
    return store.follow((next) => setValue(() => next))
  }, [store])
  return value
}
