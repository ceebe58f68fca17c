import { useState } from 'preact/hooks'
import { login } from '../server.ts'
import { Icon } from './icon.tsx'

export function Login({ title }: { readonly title: string }) {
  const [failure, setFailure] = useState<string | null>(null)
  const [isBusy, setBusy] = useState(false)
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault()
    const form = new FormData(event.currentTarget as HTMLFormElement)
    setBusy(true)
    setFailure(null)
    await login(String(form.get('name')), String(form.get('password'))).catch((error: Error) =>
      setFailure(error.message),
    )
    setBusy(false)
  }
  return (
    <main class="alone">
      <form class="card login" onSubmit={submit}>
        <h1>
          <Icon name="assay" /> {title}
        </h1>
        <label>
          Name
          <input name="name" autocomplete="username" required maxLength={100} />
        </label>
        <label>
          Password
          <input name="password" type="password" autocomplete="current-password" required maxLength={1000} />
        </label>
        {failure !== null && (
          <p class="failure" role="alert">
            {failure}
          </p>
        )}
        <button class="primary" type="submit" disabled={isBusy}>
          Log in
        </button>
      </form>
    </main>
  )
}
