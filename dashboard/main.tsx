import { render } from 'preact'
import 'uplot/dist/uPlot.min.css'
import './tokens.css'
import './base.css'
import './shell.css'
import './parts.css'
import './pages.css'
import './review/review.css'
import './review/queue.css'
import './rules/rules.css'
import './quality/quality.css'
import { App } from './app.tsx'
import { applyTheme, themeNow } from './theme.ts'

applyTheme(themeNow())
render(<App />, document.getElementById('page')!)
