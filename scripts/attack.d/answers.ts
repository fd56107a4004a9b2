import { once } from 'node:events'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'

import type { Ground } from './ground.ts'
import { saying } from './mad-app.ts'
import { type Answer, readAnswers } from './reader.ts'

export interface AnswersAttack {
  readonly port: number
  readonly seed: number
  readonly cases: number
  readonly signal: AbortSignal
}

/** Answers every request with its own number. */
export async function openCalmApp(ground: Pick<Ground, 'teardown'>) {
  const server = http.createServer((req, res) => res.end(`calm ${req.url?.split('/')[1]}`))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  ground.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return { port: (server.address() as AddressInfo).port }
}

/** Clients ask mad.test, and calm.test on the same connection. Tells who heard what nobody said, or half of it as if it were all. */
export async function attackAnswers({ port, seed, cases, signal }: AnswersAttack) {
  const findings: string[] = []
  const counts: Record<string, number> = {}
  let next = 1
  const client = async () => {
    while (next <= cases && !signal.aborted) {
      const id = next++
      const { kind, wrong } = await ask(port, id, seed)
      counts[kind] = (counts[kind] ?? 0) + 1
      if (wrong) findings.push(`${id} (${saying(id, seed).spoilt.join(', ')}): ${wrong}`)
    }
  }
  await Promise.all(Array.from({ length: 16 }, client))
  return { findings, counts }
}

async function ask(port: number, id: number, seed: number): Promise<{ kind: string; wrong?: string }> {
  const { method, spoilt, pieces, after } = saying(id, seed)
  const heard = await converse(
    port,
    `${method} /${id}/ HTTP/1.1\r\nHost: mad.test\r\nContent-Length: 0\r\n\r\nGET /${id}/ HTTP/1.1\r\nHost: calm.test\r\nConnection: close\r\n\r\n`,
  )
  const said = readAnswers(pieces.join(''), [method], { closed: after === 'ends' })
  const meant = said.answers.at(0)
  const { answers, doubt } = readAnswers(heard.text, [method, 'GET'], { closed: !heard.hung })
  const [first, second, ...more] = answers
  const kind = heard.hung ? 'waited for' : kindOf(first)
  // A POST that met the end of a connection on which another answer was said is not asked again.
  const honest = method !== 'POST' && after !== 'resets' && spoilt.every(name => name === 'nothing at all')
  const wrong = () => {
    // An app that says half of an answer and no more is waited for.
    if (heard.hung && after === 'keeps' && !meant?.whole) return undefined
    if (heard.hung) return `nothing came any more after ${short(heard.text)}`
    if (doubt) return `what was heard cannot be read (${doubt}): ${short(heard.text)}`
    if (more.length > 0) return 'more answers than requests'
    if (second && !isCalm(second, id))
      return `the next request was answered with ${short(JSON.stringify(second))}`
    if (first?.whole && !second) return 'the next request was not answered'
    if (honest && !(first?.whole && first.status === 200)) return 'a good answer was not passed on'
    if (!first || isOurs(first)) return undefined
    if (!meant) return `an answer that was none was passed on: ${short(heard.text)}`
    return difference(first, meant)
  }
  const found = wrong()
  return found === undefined ? { kind } : { kind, wrong: found }
}

function kindOf(answer: Answer | undefined): string {
  if (!answer) return 'without an answer'
  if (isOurs(answer)) return answer.whole ? 'a whole 502' : 'half of a 502'
  return answer.whole ? 'a whole answer' : 'half of an answer'
}

const isCalm = ({ status, body }: Answer, id: number) => status === 200 && body === `calm ${id}`
const isOurs = ({ status, body }: Answer) => status === 502 && (body === '' || /did not answer/.test(body))

function difference(heard: Answer, meant: Answer): string | undefined {
  if (heard.status !== meant.status) return `status ${heard.status}, not ${meant.status}`
  if (heard.whole && !meant.whole) return 'half of an answer passed for a whole one'
  if (!meant.body.startsWith(heard.body)) return `another body ${short(heard.body)} not ${short(meant.body)}`
  if (heard.whole && heard.body !== meant.body)
    return `another body ${short(heard.body)} not ${short(meant.body)}`
  const known = new Set(namesOf(meant.fields))
  const strange = namesOf(heard.fields).find(name => !known.has(name) && !own.has(name))
  return strange && `a field that nobody said, ${strange}`
}

const namesOf = (fields: readonly string[]) =>
  fields.filter((_, at) => at % 2 === 0).map(name => name.toLowerCase())

/** Fields that the proxy may say by itself. */
const own: ReadonlySet<string> = new Set([
  'date',
  'connection',
  'keep-alive',
  'transfer-encoding',
  'x-request-id',
  'vary',
])

function converse(port: number, bytes: string): Promise<{ text: string; hung: boolean }> {
  return new Promise(resolve => {
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true })
    let text = ''
    let hung = false
    socket.setTimeout(3_000, () => {
      hung = true
      socket.destroy()
    })
    socket.on('error', () => {})
    socket.on('data', chunk => {
      text += chunk.toString('latin1')
    })
    socket.on('close', () => resolve({ text, hung }))
    socket.write(bytes, 'latin1')
  })
}

const short = (text: string) => JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text)
