// The rules as they stand in their file, with how often each has fired since the run began.
import type { RulesAnswer } from '../../src/dashboard/api.ts'
import { count, seen } from '../format.ts'
import { live } from '../live.ts'
import { Card } from '../parts/card.tsx'
import { Scroll } from '../parts/scroll.tsx'
import { useStore } from '../store.ts'

export function ActiveRules({ rules }: { readonly rules: RulesAnswer }) {
  const { state } = useStore(live)
  const levels = rules.levels.map(({ name, scoreMin }) => `${name} from ${scoreMin}`).join(', ')
  return (
    <Card
      title="Active rules"
      note={`${rules.file}: reviewed from ${rules.reviewFrom}; ${levels}`}
      {...(state === null ? {} : { asOfMs: state.asOfMs })}
    >
      <Scroll label="Active rules">
        <table>
          <thead>
            <tr>
              <th scope="col">rule</th>
              <th scope="col" class="number">
                points
              </th>
              <th scope="col">fires where</th>
              <th scope="col" class="number">
                fired since the start
              </th>
            </tr>
          </thead>
          <tbody>
            {rules.rules.map(({ name, points, when, meaning }) => (
              <tr key={name}>
                <th scope="row" title={seen(meaning)}>
                  {name}
                </th>
                <td class="number">{points < 0 ? points : `+${points}`}</td>
                <td class="mono">
                  <bdi>{seen(when)}</bdi>
                </td>
                <td class="number">{state === null ? '' : count(state.firings[name] ?? 0)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Card>
  )
}
