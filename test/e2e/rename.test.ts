import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import t from 'tap'

import { type Checkout, run, sandbox } from './sandbox.ts'

t.test('an app that gets another name while people are at it', async t => {
  const box = await sandbox(t)
  const shop = await box.checkout('echo', 'shop')
  await version(shop, 'one')
  t.match(await shop.push(), { code: 0 })
  t.match(await box.ssh('checks:set shop wait-to-retire 1'), { code: 0 })

  await t.test('a push that was on its way is told the new name, and changes nothing', async t => {
    const gate = join(box.dir, 'gate')
    const slow = join(box.dir, 'slow-ssh')
    // Of what the client says, the pack among it, only the beginning comes through at first.
    await writeFile(
      slow,
      `#!/bin/sh\n{ head -c 1; touch ${gate}.begun; until [ -e ${gate} ]; do sleep 0.05; done; cat; } | ssh -F ${join(box.dir, 'ssh_config')} "$@"\n`,
    )
    await chmod(slow, 0o755)
    await version(shop, 'two')
    const pushed = run('git', ['push', 'davit', 'main'], {
      cwd: shop.dir,
      env: { GIT_SSH_COMMAND: slow, GIT_SSH_VARIANT: 'ssh' },
    })
    await untilThere(`${gate}.begun`)
    t.match(await box.ssh('apps:rename shop ship'), { code: 0 })
    await writeFile(gate, '')
    const { code, stderr } = await pushed
    t.not(code, 0)
    t.match(stderr, /shop is called ship now/)
    t.match(await box.get('ship.localhost'), { body: '/ one\n' })
    t.match(await box.ssh('apps:list'), { stdout: 'ship\n' }, 'and makes no app of the old name')
    await shop.git('remote', 'set-url', 'davit', 'davit:ship')
    t.match(await shop.push(), { code: 0 })
    t.match(await box.get('ship.localhost'), { body: '/ two\n' })
  })

  await t.test('a renaming waits for the push before it, and the push after it is told', async t => {
    await version(shop, 'three', 'RUN echo running && sleep 3')
    const first = talking(shop.start('push', 'davit', 'main'))
    await first.says(/RUN echo running/)
    const renaming = talking(box.sshProcess(['-t', '-t', 'davit', 'apps:rename ship boat']))
    await renaming.says(/Waiting for ann's push \(ship\) to end/)
    const other = await box.checkout('echo', 'other')
    await other.git('remote', 'set-url', 'davit', 'davit:ship')
    const second = talking(other.start('push', '-f', 'davit', 'main'))
    await second.says(/Waiting for the renaming of ship to end/)
    t.equal(await first.ended, 0)
    t.equal(await renaming.ended, 0)
    t.equal(await second.ended, 1)
    t.match(second.text(), /ship is called boat now/)
    t.match(await box.get('boat.localhost'), { body: '/ three\n' })
  })

  await t.test('who follows its log reads on', async t => {
    const logs = talking(box.sshProcess(['davit', 'logs boat -t']))
    await logs.says(/web\.1\]: version three/)
    t.match(await box.ssh('apps:rename boat tub'), { code: 0 })
    await logs.says(/version three\n[\s\S]*version three\n/)
    await shop.git('remote', 'set-url', 'davit', 'davit:tub')
    await version(shop, 'four')
    t.match(await shop.push(), { code: 0 })
    await logs.says(/web\.1\]: version four\n/)
    logs.end()
  })
})

async function version(app: Checkout, name: string, line = ''): Promise<void> {
  const base = ['FROM davit/stack-base', 'COPY server.pl version /app/', line, 'EXPOSE 8000']
  await app.write(
    'Dockerfile',
    [...base, 'CMD echo "version $(cat /app/version)"; exec perl /app/server.pl', ''].join('\n'),
  )
  await app.write('version', `${name}\n`)
  await app.commit(name)
}

interface Talking {
  /** Settles when it has said so, on either stream. */
  says(what: RegExp): Promise<void>
  text(): string
  readonly ended: Promise<number | null>
  end(): void
}

function talking(child: ChildProcess): Talking {
  let text = ''
  const waiting = new Set<() => void>()
  for (const stream of [child.stdout!, child.stderr!])
    stream.setEncoding('utf8').on('data', more => {
      text += more
      for (const each of [...waiting]) each()
    })
  const ended = once(child, 'close').then(([code]) => code as number | null)
  return {
    text: () => text,
    ended,
    end: () => void child.kill(),
    says: what =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!what.test(text)) return
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
        look()
        void ended.then(() => reject(new Error(`it ended without saying ${what}:\n${text}`)))
      }),
  }
}

async function untilThere(path: string): Promise<void> {
  while (!existsSync(path)) await pause(20)
}
