// The rules that decide, and a place to try others: what is wrong with them, and what they would have done.
import { useEffect, useState } from 'preact/hooks'
import type { RulesAnswer, VersionsAnswer } from '../../src/dashboard/api.ts'
import { Card, Failed } from '../parts/card.tsx'
import { loadRules, loadVersions } from '../server.ts'
import { ActiveRules } from './active-rules.tsx'
import { BacktestForm } from './backtest-form.tsx'
import { ProposeForm } from './propose-form.tsx'
import { RulesEditor } from './rules-editor.tsx'
import { ShadowsCard } from './shadows-card.tsx'
import { VersionsCard } from './versions-card.tsx'
import { WhatIf } from './what-if.tsx'

export function RulesPage() {
  const [rules, setRules] = useState<RulesAnswer | null>(null)
  const [failure, setFailure] = useState<string | null>(null)
  const [versions, setVersions] = useState<VersionsAnswer | null>(null)
  const [text, setText] = useState<string | null>(null)
  const activeVersion = versions?.versions.find(({ status }) => status === 'active')?.version ?? null
  const told = (error: Error): void => setFailure(error.message)
  useEffect(() => {
    loadVersions().then(setVersions, told)
  }, [])
  useEffect(() => {
    loadRules().then(setRules, told)
  }, [activeVersion])
  if (failure !== null)
    return (
      <div class="page">
        <h1 class="hidden">Rules</h1>
        <Card title="Rules">
          <Failed message={failure} />
        </Card>
      </div>
    )
  if (rules === null || versions === null) return <div class="page" aria-busy="true" />
  const tried = text ?? rules.text
  return (
    <div class="page rules">
      <h1 class="hidden">Rules</h1>
      <ActiveRules rules={rules} />
      <RulesEditor
        text={tried}
        isChanged={text !== null && text !== rules.text}
        onText={setText}
        onReset={() => setText(null)}
      >
        <ProposeForm text={tried} versions={versions} onVersions={setVersions} />
      </RulesEditor>
      <WhatIf />
      <BacktestForm text={tried} />
      <VersionsCard versions={versions} onVersions={setVersions} onText={setText} />
      {versions.hasShadows && <ShadowsCard versions={versions} />}
    </div>
  )
}
