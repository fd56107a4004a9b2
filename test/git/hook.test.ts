import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'

import t, { type Test } from 'tap'

import { hooks, text } from './host.ts'

const quarantine = {
  GIT_OBJECT_DIRECTORY: '/a b/$(id)',
  GIT_ALTERNATE_OBJECT_DIRECTORIES: '/objects',
  GIT_QUARANTINE_PATH: '/q',
}

function run(t: Test, stdio: 'pipe' | 'ignore' = 'pipe') {
  const child = spawn(join(hooks, 'pre-receive'), {
    env: { PATH: '/usr/bin:/bin', ...quarantine },
    stdio: ['pipe', 'pipe', 'pipe', stdio, stdio],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const [, , , questions, words] = child.stdio as unknown as Duplex[]
  return { child, questions: questions!, words: words!, out: text(child.stdout!), err: text(child.stderr!) }
}

t.test('passes on the paths and the refs as they came', async t => {
  const { child, questions, words } = run(t)
  child.stdin!.end('0 1 refs/heads/`id`\n0 2 refs/heads/$(id)\n')
  let heard = ''
  for await (const chunk of questions) {
    heard += chunk
    if (heard.endsWith('end\n')) break
  }
  t.equal(heard, '/a b/$(id)\0/objects\0/q\x000 1 refs/heads/`id`\n0 2 refs/heads/$(id)\nend\n')
  words.destroy()
})

for (const code of [0, 1, 70]) {
  t.test(`ends with ${code} when told exit:${code}`, async t => {
    const { child, questions, words, out } = run(t)
    child.stdin!.end()
    questions.resume()
    words.resume().end('exit:0\nbye\n')
    questions.write(`exit:${code}\n`)
    t.equal((await once(child, 'exit'))[0], code)
    t.equal(await out, 'exit:0\nbye\n')
  })
}

t.test('ends with 70 and a sentence when the daemon is gone', async t => {
  const { child, questions, words, err } = run(t)
  child.stdin!.end()
  let heard = ''
  questions.on('data', chunk => {
    heard += chunk
    if (!heard.endsWith('end\n')) return
    questions.destroy()
    words.destroy()
  })
  t.equal((await once(child, 'exit'))[0], 70)
  t.match(await err, /The deploy was interrupted/)
})

for (const answer of ['exit:\n', 'exit\n', 'yes\n', '']) {
  t.test(`takes ${JSON.stringify(answer)} for no answer`, async t => {
    const { child, questions, words } = run(t)
    child.stdin!.end()
    questions.resume().end(answer)
    words.resume().end()
    t.equal((await once(child, 'exit'))[0], 70)
  })
}

t.test('never takes a push by itself, when nobody is on the other side', async t => {
  const { child } = run(t, 'ignore')
  child.stdin!.end()
  t.equal((await once(child, 'exit'))[0], 70)
})
