import { randomBytes } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'

import type { Test } from 'tap'

import { commandOf, parseProcfile } from '../../src/deploy/procfile.ts'
import { openEngine } from '../../src/docker/dockerode.ts'
import { readSettings } from '../../src/settings.ts'
import { archiveOf, builders, type Files } from './builders.ts'

export interface Built {
  readonly image: string
  readonly web: string
  readonly lines: readonly string[]
}

/** Builds and runs on an engine where everything made here is gone after the test. */
export async function host(t: Test) {
  const ask = await builders(t)
  const { signal } = new AbortController()
  const instance = `builds-${randomBytes(4).toString('hex')}`
  const engine = await openEngine({ socketPath: readSettings([]).docker, instance })
  const prefix = `10.215.${randomBytes(1)[0]}`
  const network = `${instance}-net`
  await engine.ensureNetwork({ name: network, subnet: `${prefix}.0/26`, gateway: `${prefix}.1`, labels: {} })
  t.teardown(async () => {
    for (const { name } of await engine.containers({})) await engine.remove(name)
    await engine.removeNetwork(network)
    for (const { tags, id } of await engine.images({}))
      for (const reference of tags.length ? tags : [id]) await engine.removeImage(reference)
  })

  async function build(files: Files): Promise<Built> {
    const { builder } = await ask(files)
    const lines: string[] = []
    const image = await engine.build({
      context: archiveOf({ ...files, '.davit.Dockerfile': builder!.dockerfile }),
      dockerfile: '.davit.Dockerfile',
      tag: `davit-test/${instance}:${randomBytes(4).toString('hex')}`,
      buildArgs: {},
      labels: {},
      signal,
      line: text => lines.push(text),
    })
    const declared = files.Procfile && parseProcfile(files.Procfile.toString())
    return { image, web: (declared || builder!.processes)?.web ?? '', lines }
  }

  let last = 1
  async function run({ image, web }: Built, env: Record<string, string> = {}, port = 5000) {
    const address = `${prefix}.${++last}`
    const name = `${instance}-${last}`
    const spec = { image, command: commandOf(web), mounts: {}, labels: {}, pidLimit: 128, stopTimeout: 1 }
    const whole = { ...spec, env: { ...env, PORT: String(port) } }
    await engine.create({ name, spec: whole, labels: {}, network, address, restart: false })
    await engine.start(name)
    const get = async (path: string) => {
      const answer = await fetch(`http://${address}:${port}${path}`, { signal: AbortSignal.timeout(5000) })
      return { status: answer.status, body: await answer.text() }
    }
    await ready(get)
    return get
  }

  return { build, run }
}

async function ready(get: (path: string) => Promise<unknown>): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await get('/')
      return
    } catch (error) {
      if (tries > 200) throw error
      await setTimeout(50)
    }
  }
}
