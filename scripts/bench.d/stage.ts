import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

import { root } from '../../src/settings.ts'
import { type Checkout, run, type Sandbox, sandbox } from '../../test/e2e/sandbox.ts'
import { type Place, succeeded, untilAnswered } from './answers.ts'
import { openPlainEngine } from './engine.ts'
import { startSshd } from './sshd.ts'
import { timed } from './turns.ts'

/** Both sides, ready: a Davit with an app `shop` that has two releases, and an OpenSSH server and the bare engine beside it. */
export interface Stage {
  readonly box: Sandbox
  readonly live: Live
  readonly plain: Plain
  /** A command that does nothing, over a new connection to OpenSSH's server. */
  sshTrue(): Promise<void>
}

/** The app behind Davit. Times are milliseconds until a client of the proxy sees the version. */
export interface Live {
  readonly checkout: Checkout
  push(version: string): Promise<number>
  rollback(): Promise<number>
  /** The old container is gone, and with it all work in the background. */
  atRest(): Promise<void>
}

/** The same app straight on the engine. */
export interface Plain {
  readonly checkout: Checkout
  /** The tar of the checkout's commit. */
  context(): Promise<Buffer>
  build(context: Buffer): Promise<void>
  /** Creates and starts a container of the last image, until it answers with its version. */
  start(version?: string): Promise<void>
  /** Removes the container, and all images but the last. */
  clear(): Promise<void>
}

export async function makeStage(undo: (() => Promise<unknown>)[]): Promise<Stage> {
  // As install.sh does, too.
  await succeeded(run(join(root, 'scripts/davit'), ['compile']))
  const box = await sandbox({ teardown: end => undo.push(async () => end()) })
  const config = join(box.dir, 'ssh_config')
  const sshd = await startSshd(box.dir, { key: join(box.dir, 'key'), config })
  undo.push(() => sshd.stop())
  const sshTrue = () => succeeded(run('ssh', ['-F', config, 'plain', 'true']))
  const live = liveOf(box, await box.checkout('dockerfile-base', 'shop'))
  const plain = plainOf(box, await box.checkout('dockerfile-base', 'plain'))
  await plain.begin()
  undo.push(() => plain.end())
  for (const _ of [1, 2]) await live.push(await nextVersion(live.checkout))
  const version = await nextVersion(plain.checkout)
  await plain.build(await plain.context())
  await plain.start(version)
  await plain.clear()
  await sshTrue()
  return { box, live, plain, sshTrue }
}

/** Commits a version that nobody has built before, and answers what it says of itself. */
export async function nextVersion(checkout: Checkout): Promise<string> {
  const version = randomBytes(6).toString('hex')
  const text = await readFile(join(checkout.dir, 'server.pl'), 'utf8')
  await checkout.write('server.pl', text.replace(/my \$body = "[^\\]*\\n"/, `my $body = "${version}\\n"`))
  await checkout.commit(version)
  return version
}

function liveOf(box: Sandbox, checkout: Checkout): Live {
  const place = { host: '127.0.0.1', port: box.httpPort, name: 'shop.localhost' }
  const seen: string[] = []
  const until = async (version: string, change: () => Promise<void>) => {
    let ended: Promise<void> | undefined
    const time = await timed(async () => {
      ended = change()
      await Promise.race([untilAnswered(place, `${version}\n`), ended.then(() => new Promise(() => {}))])
    })
    await ended
    seen.unshift(version)
    return time
  }
  return {
    checkout,
    push: version => until(version, () => succeeded(checkout.git('push', 'davit', 'main'))),
    rollback: () => until(seen[1]!, () => succeeded(box.ssh('releases:rollback shop'))),
    async atRest() {
      while ((await box.containers()).length > 1) await pause(50)
    },
  }
}

interface PlainSide extends Plain {
  begin(): Promise<void>
  end(): Promise<void>
}

function plainOf(box: Sandbox, checkout: Checkout): PlainSide {
  const engine = openPlainEngine({ socketPath: '/var/run/docker.sock' })
  const network = `${box.instance}-plain`
  const tags: string[] = []
  let container: string | undefined
  let built: string | undefined
  const self: PlainSide = {
    checkout,
    begin: () => engine.createNetwork(network),
    async context() {
      const file = join(box.dir, 'context.tar')
      await succeeded(checkout.git('archive', '-o', file, 'HEAD'))
      return readFile(file)
    },
    async build(context) {
      tags.push(`davit-bench/${box.instance}:${randomBytes(4).toString('hex')}`)
      await engine.build(context, tags.at(-1)!)
    },
    async start(version = built) {
      container = await engine.create(tags.at(-1)!, network)
      await engine.start(container)
      const place: Place = { host: await engine.address(container, network), port: 8000, name: 'plain' }
      await untilAnswered(place, `${version}\n`)
      built = version
    },
    async clear() {
      if (container !== undefined) await engine.remove(container)
      container = undefined
      for (const tag of tags.splice(0, tags.length - 1)) await engine.removeImage(tag)
    },
    async end() {
      await self.clear()
      for (const tag of tags) await engine.removeImage(tag)
      await engine.removeNetwork(network)
    },
  }
  return self
}
