import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync } from 'node:fs'
import { join } from 'node:path'

import t from 'tap'

const log = join(import.meta.dirname, '../src/log.ts')

t.test('a log on a full disk neither ends nor holds up whoever writes it', async t => {
  const script = `
    const { openLog } = await import(${JSON.stringify(log)})
    const log = openLog('test')
    for (let line = 0; line < 2000; line++) {
      log.info('x'.repeat(1000))
      if (line % 100 === 0) await new Promise(setImmediate)
    }
    process.stderr.write('still here')
    process.exit(3)`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', openSync('/dev/full', 'w'), 'pipe'],
    timeout: 10_000,
    killSignal: 'SIGKILL',
  })
  let said = ''
  child.stderr!.setEncoding('utf8').on('data', text => {
    said += text
  })
  const [code] = await once(child, 'close')
  t.equal(code, 3)
  t.equal(said, 'still here')
})

t.test('lines are JSON, each on its own, without the values that are nobody’s business', async t => {
  const script = `
    const { openLog } = await import(${JSON.stringify(log)})
    openLog('test').info({ app: 'shop', env: { KEY: 'secret' } }, 'hello')`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  child.stdout.setEncoding('utf8').on('data', text => {
    said += text
  })
  await once(child, 'close')
  t.match(JSON.parse(said), { name: 'test', msg: 'hello', app: 'shop', level: 30 })
  t.notMatch(said, 'secret')
})
