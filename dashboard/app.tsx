// The shell: where one can go, whether the process answers, who one is.
import { useEffect, useState } from 'preact/hooks'
import type { LakehouseAnswer } from '../src/dashboard/api.ts'
import { AggregationsPage } from './aggregations/page.tsx'
import { FraudPage } from './fraud/page.tsx'
import { PersonPage } from './fraud/person.tsx'
import { followRun } from './live.ts'
import { AwayBanner } from './parts/away-banner.tsx'
import { Icon } from './parts/icon.tsx'
import { Login } from './parts/login.tsx'
import { RunState } from './parts/run-state.tsx'
import { UserMenu } from './parts/user-menu.tsx'
import { PipelinePage } from './pipeline/page.tsx'
import { QualityPage } from './quality/page.tsx'
import { ReviewPage } from './review/page.tsx'
import { linkTo, type Place, place } from './router.ts'
import { RulesPage } from './rules/page.tsx'
import { loadLakehouse, loadSession, session } from './server.ts'
import { useStore } from './store.ts'
import { TablesPage } from './tables/page.tsx'

const pages = [
  { name: 'pipeline', title: 'Pipeline', key: '1' },
  { name: 'fraud', title: 'Fraud', key: '2' },
  { name: 'review', title: 'Review', key: '3' },
  { name: 'aggregations', title: 'Aggregations', key: '4' },
  { name: 'rules', title: 'Rules', key: '5' },
  { name: 'quality', title: 'Quality', key: '6' },
  { name: 'tables', title: 'Tables', key: '7' },
] as const

export function App() {
  const who = useStore(session)
  const [lakehouse, setLakehouse] = useState<LakehouseAnswer | null>(null)
  const [failure, setFailure] = useState<string | null>(null)
  useEffect(() => {
    loadSession().catch((error: Error) => setFailure(error.message))
  }, [])
  const isIn = who?.user != null
  useEffect(() => {
    if (!isIn) return
    loadLakehouse().then(setLakehouse, (error: Error) => setFailure(error.message))
    return followRun()
  }, [isIn])
  if (failure !== null)
    return (
      <main class="alone">
        <p role="alert">The dashboard cannot be shown: {failure}.</p>
      </main>
    )
  if (who === null) return <main class="alone" aria-busy="true" />
  if (!isIn) return <Login title={who.title} />
  if (lakehouse === null) return <main class="alone" aria-busy="true" />
  return <Shell lakehouse={lakehouse} />
}

function Shell({ lakehouse }: { readonly lakehouse: LakehouseAnswer }) {
  const at = useStore(place)
  const page = at.page === 'person' ? 'fraud' : at.page
  useEffect(() => {
    // Where the names of all pages do not fit, that of this one is seen.
    const own = document.querySelector('.top nav [aria-current]')
    own?.scrollIntoView({ inline: 'center', block: 'nearest' })
    document.title = `${pages.find(({ name }) => name === page)?.title ?? 'Assay'} · Assay`
  }, [page])
  useEffect(() => {
    const go = (event: KeyboardEvent): void => {
      const isTyping =
        event.target instanceof Element && event.target.closest('input, textarea, select') !== null
      const found = pages.find(({ key }) => key === event.key)
      if (found === undefined || isTyping || event.ctrlKey || event.metaKey || event.altKey) return
      location.hash = linkTo(found.name)
    }
    addEventListener('keydown', go)
    return () => removeEventListener('keydown', go)
  }, [])
  return (
    <div class="shell">
      <button type="button" class="skip" onClick={skip}>
        Skip to the page
      </button>
      <header class="top">
        <a class="brand" href={linkTo('pipeline')}>
          <Icon name="assay" /> <span>Assay</span>
        </a>
        <nav aria-label="Pages">
          {pages.map(({ name, title, key }) => (
            <a
              key={name}
              href={linkTo(name)}
              aria-current={name === page ? 'page' : undefined}
              title={`Key ${key}`}
            >
              <Icon name={name} />
              <span>{title}</span>
            </a>
          ))}
        </nav>
        <RunState />
        <UserMenu />
      </header>
      <AwayBanner />
      <main id="content" tabIndex={-1}>
        <PageAt at={at} lakehouse={lakehouse} />
      </main>
    </div>
  )
}

function PageAt({ at, lakehouse }: { readonly at: Place; readonly lakehouse: LakehouseAnswer }) {
  switch (at.page) {
    case 'fraud':
      return <FraudPage lakehouse={lakehouse} />
    case 'person':
      return <PersonPage lakehouse={lakehouse} id={at.rest[0] ?? ''} />
    case 'review':
      return <ReviewPage lakehouse={lakehouse} />
    case 'aggregations':
      return <AggregationsPage lakehouse={lakehouse} wanted={at.rest[0] ?? null} />
    case 'rules':
      return <RulesPage />
    case 'quality':
      return <QualityPage lakehouse={lakehouse} />
    case 'tables':
      return <TablesPage lakehouse={lakehouse} wanted={at.rest[0] ?? null} />
    default:
      return <PipelinePage lakehouse={lakehouse} />
  }
}

/** No link: the address is that of a page. */
function skip(): void {
  document.getElementById('content')?.focus()
}
