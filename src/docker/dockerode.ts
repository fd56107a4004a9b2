import { Agent, type IncomingMessage } from 'node:http'
import type { Duplex, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'

import Docker from 'dockerode'

import { diskFull } from '../errors.ts'
import { type Api, type AskOptions, dropped, type StreamOptions } from './api.ts'
import { attach, exec } from './attach.ts'
import { build } from './build.ts'
import { pruneCache } from './cache.ts'
import * as containers from './containers.ts'
import type { Engine, Labels } from './engine.ts'
import { events } from './events.ts'
import { lacksRoom, plainError } from './failure.ts'
import * as images from './images.ts'
import { logs } from './logs.ts'
import * as networks from './networks.ts'
import { openTerminals } from './terminals.ts'
import { traceDecoder } from './trace.ts'

/** The newest API that this room is written for. */
const newestApi = '1.47'

/**
 * Everything made here carries the instance's label, and lists of containers, images and events show its own only.
 * UserError `engine-away` when the engine does not answer.
 */
export async function openEngine({
  socketPath,
  instance,
}: {
  socketPath: string
  instance: string
}): Promise<Engine> {
  const connection = connect(socketPath)
  const { api } = connection
  const own = (labels: Labels): Labels => ({ ...labels, 'com.davit.instance': instance })
  const terminals = openTerminals()
  const decode = traceDecoder()
  await connection.ping()
  return {
    ping: connection.ping,

    networks: () => networks.networks(api),
    ensureNetwork: network => networks.ensureNetwork(api, { ...network, labels: own(network.labels) }),
    removeNetwork: name => networks.removeNetwork(api, name),
    connect: (name, network, joined) => networks.connect(api, name, network, joined),
    disconnect: (name, network) => networks.disconnect(api, name, network),

    copyOut: (name, file, options) => containers.copyOut(api, name, file, options),
    create: container => containers.create(api, { ...container, labels: own(container.labels) }),
    async start(name) {
      await containers.start(api, name)
      await terminals.started(name)
    },
    stop: (name, options) => containers.stop(api, name, options),
    kill: (name, options) => containers.kill(api, name, options),
    remove: name => containers.remove(api, name),
    setRestart: (name, restart) => containers.setRestart(api, name, restart),
    rename: (name, to) => containers.rename(api, name, to),
    inspect: name => containers.inspect(api, name),
    containers: labels => containers.containers(api, own(labels)),
    wait: (name, options) => containers.wait(api, name, options),
    logs: (name, options) => connection.reading(logs(api, name, options)),
    attach: (name, streams) => attach(api, name, { ...streams, terminals }),
    exec: (name, command, streams) => exec(api, name, command, streams),

    build: connection.mended(request =>
      build(api, { ...request, labels: own(request.labels) }, { decode, buildKit: connection.buildKit() }),
    ),
    image: reference => images.image(api, reference),
    images: labels => images.images(api, own(labels)),
    tag: (reference, tag) => images.tag(api, reference, tag),
    removeImage: reference => images.removeImage(api, reference),
    pruneCache: limits => pruneCache(api, limits),

    events: ({ labels, signal }) => events(api, { labels: own(labels), signal, reconnect: connection.ping }),
  }
}

/** `ping` settles the API version anew each time, because an engine may be upgraded underneath us. */
function connect(socketPath: string) {
  // A connection each: over a Unix socket it costs nothing, and none is stale after the engine restarts.
  const agent = new Agent({ keepAlive: false })
  // Everything is given, so that dockerode takes nothing from the environment.
  const plain = { socketPath, host: undefined, port: undefined, protocol: 'http' as const, timeout: 0, agent }
  const unversioned = new Docker(plain)
  let docker = unversioned
  let buildKit = true

  const ping = async () => {
    const { headers } = await within({ seconds: 10 }, signal =>
      dial(unversioned, { method: 'GET', path: '/_ping' }, signal),
    )
    const apiVersion = olderOf(String(headers['api-version'] ?? newestApi), newestApi)
    docker = new Docker({ ...plain, version: `v${apiVersion}` })
    buildKit = headers['builder-version'] !== '1'
    return { version: /Docker\/(\S+)/.exec(String(headers.server))?.[1] ?? 'unknown', apiVersion }
  }
  const api: Api = {
    ask: (method, path, options = {}) =>
      retried(() => within(options, signal => answer(docker, { method, path, ...options }, signal)), {
        times: method === 'GET' || options.idempotent ? 1 : 0,
      }),
    stream: (method, path, options) => dial(docker, { method, path, ...options }, options.signal),
    hijack: (path, options) =>
      dial<Duplex>(
        docker,
        { method: 'POST', path, ...options, hijack: true, openStdin: true },
        options.signal,
      ),
  }
  const plainly = async (error: unknown) =>
    lacksRoom(error)
      ? diskFull("the engine's data", await rootOf(docker), error)
      : plainError(error, socketPath)
  const mended = <A extends unknown[], T>(call: (...args: A) => Promise<T>) =>
    ((...args: A) => call(...args).catch(async error => Promise.reject(await plainly(error)))) as typeof call
  async function* reading<T>(source: AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
    try {
      yield* source
    } catch (error) {
      throw await plainly(error)
    }
  }
  return {
    mended,
    reading,
    api: { ask: mended(api.ask) as Api['ask'], stream: mended(api.stream), hijack: mended(api.hijack) },
    ping: mended(ping),
    buildKit: () => buildKit,
  }
}

type Request = Partial<StreamOptions> & {
  method: string
  path: string
  hijack?: true
  openStdin?: true
}

async function answer(docker: Docker, request: Request, signal: AbortSignal) {
  const message = await dial(docker, request, signal)
  try {
    const words = await text(message)
    return words === '' ? undefined : JSON.parse(words)
  } catch (error) {
    throw signal.aborted ? signal.reason : error
  }
}

// dockerode's own methods gather whole answers and wait for ever when one breaks off, so we ask it for streams.
function dial<T extends Readable = IncomingMessage>(
  docker: Docker,
  { method, path, query, body, file, hijack, openStdin }: Request,
  signal: AbortSignal,
): Promise<T> {
  if (signal.aborted) return Promise.reject(signal.reason)
  const request = {
    method,
    path: `${path}?`,
    options: { _query: defined(query ?? {}), _body: body ?? {} },
    // A body said to be empty sends the request off at once and leaves nothing behind that could be taken for input.
    file: hijack && !body ? Buffer.alloc(0) : file,
    hijack,
    openStdin,
    isStream: true,
    abortSignal: signal,
    statusCodes: { 200: true, 201: true, 204: true, 304: true },
  }
  return new Promise((resolve, reject) => {
    docker.modem.dial(request, (error, result) => {
      const stream = result as T | null
      // Whoever reads the stream learns of a failure; until somebody does, it must not end the process.
      stream?.on('error', () => undefined)
      if (stream && !error) resolve(stream)
      else reject(signal.aborted ? signal.reason : error)
    })
  })
}

async function retried<T>(call: () => Promise<T>, { times }: { times: number }): Promise<T> {
  try {
    return await call()
  } catch (error) {
    if (times === 0 || !dropped(error)) throw error
    return retried(call, { times: times - 1 })
  }
}

// The engine's time runs out with an error of its own: the caller's signal may be a deadline too, and keeps its reason.
async function within<T>(
  { seconds = 120, signal }: AskOptions,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = seconds === Infinity ? undefined : AbortSignal.timeout(seconds * 1000)
  try {
    return await call(AbortSignal.any([signal, limit].filter(each => each !== undefined)))
  } catch (error) {
    if (!limit?.aborted || signal?.aborted) throw error
    throw Object.assign(new Error(`No answer within ${seconds} s`), { code: 'ETIMEDOUT', cause: error })
  }
}

/** Where the engine keeps all it has. */
async function rootOf(docker: Docker): Promise<string> {
  const usual = '/var/lib/docker'
  try {
    const info = await within({ seconds: 5 }, signal =>
      answer(docker, { method: 'GET', path: '/info' }, signal),
    )
    return (info as { DockerRootDir?: string }).DockerRootDir || usual
  } catch {
    return usual
  }
}

function defined(query: object): object {
  return Object.fromEntries(Object.entries(query).filter(([, value]) => value !== undefined))
}

function olderOf(a: string, b: string): string {
  const minor = (version: string) => Number(version.split('.')[1])
  return minor(a) < minor(b) ? a : b
}
