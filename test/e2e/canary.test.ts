import t from 'tap'

import { sandbox } from './sandbox.ts'

t.test('a pushed release is tried on some of the clients first', async t => {
  const box = await sandbox(t)
  const app = await box.checkout('echo', 'echo')
  t.match(await app.push(), { code: 0 })
  t.match(await box.ssh('checks:canary echo 50 --seconds 4'), {
    code: 0,
    stdout: 'Releases pushed to echo are shown to 50 % of its clients for 4 s first\n',
  })
  t.match(await box.ssh('checks:canary echo 101'), { code: 1, stderr: /100/ })

  /** Clients without a cookie, each another one, until stopped. */
  const visit = () => {
    const seen: string[] = []
    let on = true
    const ended = (async () => {
      while (on) {
        const answers = await Promise.all([1, 2, 3, 4].map(() => box.get('echo.localhost', '/visit')))
        seen.push(...answers.map(({ status, body }) => `${status} ${body.trim()}`))
      }
    })()
    const stop = async () => {
      on = false
      await ended
      return seen
    }
    return stop
  }
  const push = async (version: string) => {
    await app.write('version', `${version}\n`)
    await app.commit(version)
    const stop = visit()
    const pushed = await app.push()
    return { ...pushed, seen: await stop() }
  }

  const failing = await push('failing')
  t.match(failing, { code: 1, text: /Showing release 2 to 50 % of the clients for 4 s/ })
  t.match(failing.text, /Release 2 is worse than release 1: .* of its answers were errors/)
  t.ok(
    failing.seen.some(each => each === '500 /visit failing'),
    'some saw it',
  )
  t.match(await box.get('echo.localhost', '/after'), { status: 200, body: '/after one\n' })
  for (let n = 0; n < 10; n++) t.match(await box.get('echo.localhost'), { body: '/ one\n' })
  t.equal((await box.containers()).length, 1, 'nothing of it is left')
  t.match(await box.ssh('releases:info echo 2'), { stdout: /failed/ })

  const sound = await push('sound')
  t.match(sound, { code: 0, text: /On trial: \d+ requests, 0\.0 % errors, p95 \d+ ms; the old release: / })
  t.ok(sound.seen.includes('200 /visit one') && sound.seen.includes('200 /visit sound'))
  t.match(await box.get('echo.localhost'), { body: '/ sound\n' })

  t.match(await box.ssh('checks:canary echo 0'), { stdout: /without a trial/ })
  t.notMatch((await push('quick')).text, /Showing release/)
})
