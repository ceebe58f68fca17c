// The worked example with its model: what the script writes has the form of the page, and the rules that ask
// the model stand beside those that were better before.
import { expect, test } from 'vitest'
import { formOf, writtenFigures } from '../../unit/worked-example-page.ts'
import { cacheDirectory, pythonAvailable } from '../tools.ts'

const ofModel = ['model', 'with model', 'model rules', 'drift']

test.skipIf(pythonAvailable !== null)(
  'the figures with a model have the form that the script writes',
  async () => {
    const { shown, written, picture } = await writtenFigures({ ASSAY_HOME: cacheDirectory })
    expect([...written.keys()].slice(-ofModel.length)).toEqual(ofModel)
    for (const name of ['with model', 'model rules'])
      expect(formOf(shown.get(name)!), name).toBe(formOf(written.get(name)!))
    // Which features count the most, other transactions say otherwise.
    for (const name of ['model', 'drift']) {
      const [is, was] = [written, shown].map((of) => formOf(of.get(name)!).split('\n'))
      expect(was!.slice(0, 3), name).toEqual(is!.slice(0, 3))
      expect(was!.length, name).toBe(is!.length)
    }
    expect(picture!.match(/<polyline/g)).toHaveLength(3)
  },
)
