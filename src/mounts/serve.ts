import { chmod, mkdir, rm } from 'node:fs/promises'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import { dirname } from 'node:path'

import type { Logger } from '../log.ts'
import { explain } from '../plugin/blame.ts'
import { type Member, stopped } from '../plugin/driver.ts'
import type { Mount, MountAnswer } from '../plugin/mount.ts'
import type { Roster } from '../plugin/roster.ts'
import { asPlugin } from '../plugin/trail.ts'
import type { AppName } from '../types.ts'

/** Bytes of a request's body. */
const longestBody = 1024 * 1024
const answerMs = 10_000

/**
 * Answers for plugins what the proxy leads to their mounts, over HTTP/1.1 on a Unix socket in a folder that the proxy may enter and
 * nobody else. Until `close`.
 */
export async function serveMounts(
  path: string,
  { roster: { members, failed }, log }: { roster: Pick<Roster, 'members' | 'failed'>; log: Logger },
): Promise<{ close(): void }> {
  await mkdir(dirname(path), { recursive: true, mode: 0o750 })
  await rm(path, { force: true })
  const server = http.createServer((request, response) => {
    answer(request, members()).then(
      given => send(response, given),
      (err: unknown) => {
        const name = String(request.headers['davit-plugin'])
        const member = members().find(each => each.plugin.name === name)
        log.error({ err, plugin: name, reason: explain(err, member?.folder) }, "a plugin's mount failed")
        if (member) failed(name, stopped(member, `mount ${request.headers['davit-mount']}`, err))
        send(response, {
          status: err instanceof Late ? 504 : 500,
          body: 'The plugin that answers here failed.\n',
        })
      },
    )
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  await chmod(path, 0o660)
  return {
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

class Late extends Error {}

async function answer(request: IncomingMessage, members: readonly Member[]): Promise<MountAnswer> {
  const said = (name: string) => String(request.headers[name] ?? '')
  const member = members.find(each => each.plugin.name === said('davit-plugin'))
  const mount = member?.plugin.mounts?.find(each => pathOf(each) === said('davit-mount'))
  if (!member || !mount || !('handle' in mount))
    return { status: 404, body: 'Nothing answers here any more.\n' }
  const body = await bodyOf(request)
  if (!body) return { status: 413, body: 'That is too long.\n' }
  const { plugin, context } = member
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(answerMs)])
  const asked = {
    ...{ method: request.method!, path: request.url!, app: said('davit-app') as AppName, body },
    client: said('x-forwarded-for').split(',')[0]!.trim(),
    headers: Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
    ),
  }
  const late = Promise.withResolvers<never>()
  const end = () => late.reject(new Late(`${plugin.name} did not answer within ${answerMs / 1000} s`))
  signal.addEventListener('abort', end, { once: true })
  try {
    const work = asPlugin(plugin.name, `mount ${mount.path}`, async () =>
      mount.handle(asked, { ...context, signal }),
    )
    return await Promise.race([work, late.promise])
  } finally {
    signal.removeEventListener('abort', end)
    late.promise.catch(() => undefined)
  }
}

/** As the proxy says it. */
function pathOf({ path }: Mount): string {
  return path.replace(/\/+$/, '')
}

/** Undefined when it is too long. */
async function bodyOf(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > longestBody) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function send(response: ServerResponse, { status, headers = {}, body = '' }: MountAnswer): void {
  response.writeHead(status, {
    'Content-Type': 'text/plain; charset=utf-8',
    ...headers,
    'Content-Length': Buffer.byteLength(body),
  })
  response.end(body)
}
