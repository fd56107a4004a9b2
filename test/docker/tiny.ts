import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'

import type { Test } from 'tap'
import { pack } from 'tar-stream'

import { openEngine } from '../../src/docker/dockerode.ts'
import type { AttachStreams, Engine, EngineEvent, NewBuild, NewContainer } from '../../src/docker/engine.ts'
import { readSettings } from '../../src/settings.ts'
import type { ContainerSpec } from '../../src/types.ts'

export const socketPath = readSettings([]).docker

export interface Tiny {
  readonly engine: Engine
  readonly instance: string
  /** An image of busybox and nothing else. */
  readonly image: string
  readonly network: string
  /** The address ending in `.host` in the test's own network, of 2 to 62. */
  address(host: number): string
  readonly subnet: string
  container(
    command: readonly string[],
    more?: Partial<NewContainer>,
    spec?: Partial<ContainerSpec>,
  ): NewContainer
  /** Creates and starts; answers the name. */
  run(
    command: readonly string[],
    more?: Partial<NewContainer>,
    spec?: Partial<ContainerSpec>,
  ): Promise<string>
}

/** An engine whose containers, networks and images are all gone after the test. */
export async function tiny(t: Test, { socket = socketPath }: { socket?: string } = {}): Promise<Tiny> {
  const instance = `tiny-${randomBytes(4).toString('hex')}`
  const engine = await openEngine({ socketPath: socket, instance })
  t.teardown(() => clear(engine, instance))
  const image = `davit-test/${instance}:1`
  await engine.build(await tinyBuild(image))
  const [a, b] = randomBytes(2)
  const subnet = `10.214.${a}.${b! & 0xc0}/26`
  const address = (host: number) => `10.214.${a}.${(b! & 0xc0) + host}`
  const network = `${instance}-net`
  await engine.ensureNetwork({ name: network, subnet, gateway: address(1), labels: {} })
  let next = 2
  const container: Tiny['container'] = (command, more, spec) => ({
    name: `${instance}-${randomBytes(3).toString('hex')}`,
    labels: {},
    network,
    address: address(next++),
    restart: false,
    ...more,
    spec: { image, command, env: {}, mounts: {}, labels: {}, pidLimit: 64, stopTimeout: 5, ...spec },
  })
  const run: Tiny['run'] = async (...given) => {
    const made = container(...given)
    await engine.create(made)
    await engine.start(made.name)
    return made.name
  }
  return { engine, instance, image, network, address, subnet, container, run }
}

async function clear(engine: Engine, instance: string): Promise<void> {
  for (const { id } of await engine.containers({})) await engine.remove(id)
  for (const { name, labels } of await engine.networks()) {
    if (labels['com.davit.instance'] === instance) await engine.removeNetwork(name)
  }
  for (const { tags, id } of await engine.images({})) {
    for (const reference of tags.length > 0 ? tags : [id]) await engine.removeImage(reference)
  }
}

async function tinyBuild(tag: string): Promise<NewBuild> {
  const file = ['/bin/busybox', '/usr/bin/busybox'].find(existsSync)
  if (!file) throw new Error('These tests want busybox-static: apt-get install busybox-static')
  const dockerfile =
    'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "--install", "-s", "/bin"]\n' +
    'EXPOSE 8080 443 53/udp\nCMD ["sleep", "60"]\n'
  const context = pack()
  context.entry({ name: 'busybox', mode: 0o755 }, await readFile(file))
  context.entry({ name: 'Dockerfile' }, dockerfile)
  context.finalize()
  return newBuild(Readable.from(context), { tag })
}

export function newBuild(context: Readable, more: Partial<NewBuild> & { tag: string }): NewBuild {
  const signal = new AbortController().signal
  return {
    context,
    dockerfile: 'Dockerfile',
    buildArgs: {},
    labels: {},
    signal,
    line: () => undefined,
    ...more,
  }
}

/** A tar of these files. */
export function files(contents: Readonly<Record<string, string>>): Readable {
  const tar = pack()
  for (const [name, text] of Object.entries(contents)) tar.entry({ name }, text)
  tar.finalize()
  return Readable.from(tar)
}

/** Gathers what is written to it. */
export function sink(): Writable & { text(): string; bytes(): Buffer } {
  const chunks: Buffer[] = []
  const writable = new Writable({
    write(chunk, _, done) {
      chunks.push(chunk)
      done()
    },
  })
  const bytes = () => Buffer.concat(chunks)
  return Object.assign(writable, { bytes, text: () => bytes().toString() })
}

export function streams(more: Partial<AttachStreams> = {}) {
  const stdout = sink()
  const stderr = sink()
  return { stdout, stderr, signal: new AbortController().signal, ...more } as AttachStreams & {
    stdout: typeof stdout
    stderr: typeof stderr
  }
}

/** The first event that fits, of those still to come. */
export async function eventually(
  events: AsyncIterator<EngineEvent>,
  fits: (event: EngineEvent) => boolean,
): Promise<EngineEvent> {
  for (;;) {
    const { value, done } = await events.next()
    if (done) throw new Error('The events ended')
    if (fits(value)) return value
  }
}

export const never = new AbortController().signal

/** A way to the engine that can be cut; `head` may change the beginning of each answer. */
export async function relay(t: Test, { head = (text: string) => text } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'relay-'))
  const path = join(folder, 'docker.sock')
  const open = new Set<Socket>()
  let passed = 0
  const server = createServer({ allowHalfOpen: true }, client => {
    const engine = connect({ path: socketPath, allowHalfOpen: true })
    for (const [one, other] of [
      [client, engine],
      [engine, client],
    ] as const) {
      open.add(one)
      one.on('error', () => other.destroy()).on('close', () => open.delete(one))
    }
    client.pipe(engine)
    engine.once('data', chunk => {
      client.write(head(chunk.toString('latin1')), 'latin1')
      engine.on('data', ({ length }) => {
        passed += length
      })
      engine.pipe(client)
    })
  })
  const listen = () => new Promise<void>(resolve => server.listen(path, resolve))
  const cut = () => {
    for (const socket of open) socket.destroy()
  }
  const close = async () => {
    cut()
    if (server.listening) await new Promise(resolve => server.close(resolve))
  }
  t.teardown(async () => {
    await close()
    await rm(folder, { recursive: true })
  })
  await listen()
  return { path, cut, close, listen, passed: () => passed }
}
