import { logout, session } from '../server.ts'
import { useStore } from '../store.ts'
import { chooseTheme, theme } from '../theme.ts'
import { Icon } from './icon.tsx'

export function UserMenu() {
  const who = useStore(session)
  const now = useStore(theme)
  const other = now === 'dark' ? 'light' : 'dark'
  return (
    <div class="who">
      <button
        type="button"
        class="plain"
        aria-label={`Use ${other} colours`}
        title={`Use ${other} colours`}
        onClick={() => chooseTheme(other)}
      >
        <Icon name={now === 'dark' ? 'sun' : 'moon'} />
      </button>
      {who?.hasUsers === true && who.user !== null && (
        <>
          <span class="name" title={`Role ${who.user.role}`}>
            {who.user.name}
          </span>
          <button
            type="button"
            class="plain"
            aria-label="Log out"
            title="Log out"
            onClick={() => void logout()}
          >
            <Icon name="out" />
          </button>
        </>
      )}
    </div>
  )
}
