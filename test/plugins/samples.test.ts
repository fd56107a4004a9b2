import t from 'tap'

import { parseProcfile } from '../../src/deploy/procfile.ts'
import { builders, fixture } from './builders.ts'

const ask = await builders(t)

const expected = {
  'broken-build': 'dockerfile',
  'broken-exit': 'procfile',
  'broken-import': 'python',
  'broken-never-listens': 'procfile',
  'broken-procfile': 'procfile',
  'broken-release': 'procfile',
  django: 'python',
  'dockerfile-base': 'dockerfile',
  'flask-bare': 'python',
  'flask-gunicorn': 'python',
  'listens-localhost': 'python',
  'node-bare': 'node',
  'node-build': 'node',
  'node-express': 'node',
  'node-grpc': 'node',
  worker: 'python',
}

t.test('every sample app finds its builder and has processes or an image of its own', async t => {
  for (const [name, builder] of Object.entries(expected)) {
    const files = await fixture(name)
    const found = await ask(files)
    t.equal(found.builder?.name, builder, name)
    if (files.Procfile && name !== 'broken-procfile')
      t.ok(parseProcfile(files.Procfile.toString()).web, `${name} has a web process`)
  }
  t.throws(() => parseProcfile('web gunicorn app:app\n'), { code: 'bad-procfile' })
})
