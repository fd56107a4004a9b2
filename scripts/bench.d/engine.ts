import { type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'

/** The engine's API as it stands, without Davit: https://docs.docker.com/reference/api/engine/. */
export interface PlainEngine {
  /** Builds a tar with a Dockerfile under the tag, from the cache where it can. */
  build(context: Buffer, tag: string): Promise<void>
  /** A bridge network, as an app has one. */
  createNetwork(name: string): Promise<void>
  removeNetwork(name: string): Promise<void>
  /** Answers the container's id. */
  create(image: string, network: string): Promise<string>
  start(id: string): Promise<void>
  address(id: string, network: string): Promise<string>
  remove(id: string): Promise<void>
  removeImage(tag: string): Promise<void>
}

export function openPlainEngine({ socketPath }: { socketPath: string }): PlainEngine {
  const ask = async (method: string, path: string, body?: Buffer | object): Promise<string> => {
    const answer = await dial(socketPath, { method, path, body })
    const words = await text(answer)
    if (answer.statusCode! >= 400) throw new Error(`${method} ${path}: ${words}`)
    return words
  }
  return {
    async build(context, tag) {
      const words = await ask('POST', `/build?version=2&rm=1&t=${encodeURIComponent(tag)}`, context)
      if (/^\{"error/m.test(words)) throw new Error(words.slice(-500))
    },
    async createNetwork(name) {
      await ask('POST', '/networks/create', { Name: name, CheckDuplicate: true })
    },
    async removeNetwork(name) {
      await ask('DELETE', `/networks/${name}`)
    },
    async create(image, network) {
      const wanted = { Image: image, HostConfig: { NetworkMode: network } }
      return (JSON.parse(await ask('POST', '/containers/create', wanted)) as { Id: string }).Id
    },
    async start(id) {
      await ask('POST', `/containers/${id}/start`)
    },
    async address(id, network) {
      const { NetworkSettings } = JSON.parse(await ask('GET', `/containers/${id}/json`)) as {
        NetworkSettings: { Networks: Record<string, { IPAddress: string }> }
      }
      return NetworkSettings.Networks[network]!.IPAddress
    },
    async remove(id) {
      await ask('DELETE', `/containers/${id}?force=1&v=1`)
    },
    async removeImage(tag) {
      await ask('DELETE', `/images/${tag}?force=1`)
    },
  }
}

function dial(
  socketPath: string,
  { method, path, body }: { method: string; path: string; body: Buffer | object | undefined },
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const type = Buffer.isBuffer(body) ? 'application/x-tar' : 'application/json'
    const asked = request({ socketPath, method, path, agent: false, headers: { 'content-type': type } })
    asked.on('response', resolve)
    asked.on('error', reject)
    asked.end(body && (Buffer.isBuffer(body) ? body : JSON.stringify(body)))
  })
}
