import { request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'

import type { Result } from '../../test/e2e/sandbox.ts'

export interface Place {
  readonly host: string
  readonly port: number
  /** The hostname asked for. */
  readonly name: string
}

/** Asks anew every 10 ms until the answer is 200 with this body, two minutes at most. */
export async function untilAnswered(place: Place, body: string): Promise<void> {
  for (const deadline = Date.now() + 120_000; Date.now() < deadline; await pause(10)) {
    const answer = await ask(place).catch(() => undefined)
    if (answer?.status === 200 && answer.body === body) return
  }
  throw new Error(`${place.name} did not answer ${body}`)
}

/** One request on a connection of its own. */
function ask({ host, port, name }: Place): Promise<{ status: number | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ host, port, path: '/', headers: { host: name }, agent: false, timeout: 5_000 })
    asked.on('error', reject)
    asked.on('timeout', () => asked.destroy())
    asked.on('response', async response => {
      let body = ''
      for await (const chunk of response.setEncoding('utf8')) body += chunk
      resolve({ status: response.statusCode, body })
    })
    asked.end()
  })
}

/** A measured program has to succeed. */
export async function succeeded(running: Promise<Result>): Promise<void> {
  const { code, stdout, stderr } = await running
  if (code !== 0) throw new Error(`A program ended with ${code}:\n${stdout}${stderr}`)
}
