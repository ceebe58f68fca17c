// How far the transactions of the last complete day are from those that the model of the rules learned from.
import type { RowsAnswer } from '../../src/dashboard/api.ts'
import { shortCount, words } from '../format.ts'
import { Card, Nothing } from '../parts/card.tsx'
import { Scroll } from '../parts/scroll.tsx'

const days = 30
const names = ['feature', 'PSI', 'KS', 'level', `drifted, of ${days} days`] as const

export function Drift({ answer }: { readonly answer: RowsAnswer }) {
  const [first] = answer.rows
  const [day, model, , rows] = first ?? []
  const note =
    first === undefined
      ? ''
      : `${day}, UTC: ${shortCount(Number(rows))} transactions against those that ${model} learned from`
  return (
    <Card title="Drift of the model" note={note} asOfMs={answer.asOfMs} className="wide">
      {first === undefined ? (
        <Nothing>No day is complete yet.</Nothing>
      ) : (
        <Scroll label="The score and the features of the model">
          <table class="figures">
            <thead>
              <tr>
                {names.map((name, index) => (
                  <th key={name} scope="col" class={index === 0 || index === 3 ? '' : 'number'}>
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {answer.rows.map(([, , feature, , psi, ks, level, drifted]) => (
                <tr key={feature ?? ''}>
                  <th scope="row" class={feature == null ? '' : 'mono'}>
                    {feature ?? 'the score'}
                  </th>
                  <td class="number">{Number(psi).toFixed(3)}</td>
                  <td class="number">{Number(ks).toFixed(3)}</td>
                  <td class={level === 'drifted' ? 'odd' : ''}>{words(level!)}</td>
                  <td class="number">{drifted}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </Card>
  )
}
