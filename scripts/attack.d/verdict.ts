import type { Backend, Saw } from './backends.ts'
import type { Talk } from './client.ts'
import { type Answer, type Read, readAnswers, readRequests, valuesOf } from './reader.ts'
import type { Tapped } from './tap.ts'

/** Something that two sides of the proxy understood differently. */
export interface Finding {
  readonly kind: 'forwarded' | 'written' | 'read' | 'answered' | 'hung'
  readonly what: string
}

/** An answer that is not to the request in its place, or to none. */
export function judgeAnswers(talk: Talk): readonly Finding[] {
  const { requests } = talk.understood
  const methods = requests.map(({ method }) => method)
  const { answers, doubt } = readAnswers(talk.heard, methods, { closed: talk.end === 'closed' })
  const found: Finding[] = []
  const say = (what: string) => found.push({ kind: 'answered', what: `${nameOf(talk)}: ${what}` })
  if (doubt) say(`an answer cannot be read: ${doubt}: ${short(talk.heard)}`)
  for (const [at, answer] of answers.entries()) {
    const saw = valuesOf(answer.fields, 'x-saw')[0]
    const request = requests[at]
    if (saw === undefined) continue
    const understood = Buffer.from(saw, 'base64url').toString('latin1')
    const asked = request && `${request.method} ${forwardedTarget(request.target)}`
    if (understood !== asked)
      say(`answer ${at} is to ${short(understood)}, not to ${short(asked ?? 'nothing')}`)
    else if (request?.method !== 'HEAD' && answer.whole && !counted(answer, request!)) {
      say(`answer ${at} has seen another body`)
    }
  }
  if (answers.length > requests.length + (talk.understood.end.kind === 'doubtful' ? 1 : 0)) {
    say(`${answers.length} answers to ${requests.length} requests`)
  }
  if (talk.end === 'hung' && !waitsForGood(talk))
    found.push({ kind: 'hung', what: `${nameOf(talk)}: nothing came after ${short(talk.heard)}` })
  return found
}

/** Node tells nobody of a broken body behind an upgrade that is ignored. The connection is silent until its time is over. */
function waitsForGood({ understood: { requests, end } }: Talk): boolean {
  const last = requests.at(-1)
  return end.kind === 'doubtful' && last?.whole === false && valuesOf(last.fields, 'upgrade').length > 0
}

const counted = (answer: Answer, { body }: Read) =>
  Number(/(\d+) bytes$/.exec(answer.body)?.[1]) === body.length

/** What the proxy wrote to a backend has to be plain, and what some client said. */
export function judgeForwarded(tapped: readonly Tapped[], talks: readonly Talk[]): readonly Finding[] {
  const asked = new Map<string, { request: Read; talk: Talk }[]>()
  for (const talk of talks) {
    for (const request of talk.understood.requests) {
      const key = `${request.method} ${forwardedTarget(request.target)}`
      asked.set(key, [...(asked.get(key) ?? []), { request, talk }])
    }
  }
  const byId = new Map(talks.map(talk => [String(talk.id), talk]))
  return tapped.flatMap(({ said }) => {
    const { requests, end } = readRequests(said)
    const found: Finding[] = []
    if (end.kind === 'doubtful')
      found.push({ kind: 'written', what: `${end.why}: ${short(said.slice(end.at))}` })
    for (const request of requests) {
      const key = `${request.method} ${request.target}`
      const all = asked.get(key) ?? []
      const origin = all.find(each => !difference(request, each.request)) ?? all[0]
      if (!origin) {
        const talk = byId.get(/^\/(\d+)\//.exec(request.target)?.[1] ?? '')
        found.push({
          kind: 'forwarded',
          what: `${talk ? nameOf(talk) : 'nobody'}: ${short(key)}, which nobody asked`,
        })
        continue
      }
      asked.set(
        key,
        all.filter(each => each !== origin),
      )
      const wrong = difference(request, origin.request)
      if (wrong)
        found.push({ kind: 'forwarded', what: `${nameOf(origin.talk)}: ${short(key)} with another ${wrong}` })
    }
    return found
  })
}

function difference(forwarded: Read, asked: Read): string | undefined {
  if (forwarded.whole && !asked.whole) return 'end'
  if (!asked.body.startsWith(forwarded.body)) return 'body'
  if (forwarded.whole && forwarded.body !== asked.body) return 'body'
  if (valuesOf(forwarded.fields, 'host')[0]?.toLowerCase() !== hostOf(asked)?.toLowerCase()) return 'host'
  const known = new Set(namesOf(asked.fields))
  const strange = namesOf(forwarded.fields).find(name => !known.has(name) && !own.has(name))
  return strange && `field, ${strange}`
}

/** Fields that the proxy may say by itself. */
const own: ReadonlySet<string> = new Set([
  ...['host', 'connection', 'content-length', 'transfer-encoding', 'x-request-id'],
  ...['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-forwarded-port'],
])

const namesOf = (fields: readonly string[]) =>
  fields.filter((_, at) => at % 2 === 0).map(name => name.toLowerCase())

const absolute = /^https?:\/\/([^/?#]+)(.*)$/is

function hostOf({ target, fields }: Read): string | undefined {
  return absolute.exec(target)?.[1] ?? valuesOf(fields, 'host')[0]
}

/** RFC 9112 3.2.2. */
function forwardedTarget(target: string): string {
  const rest = absolute.exec(target)?.[2]
  if (rest === undefined) return target
  return rest.startsWith('/') ? rest : `/${rest}`
}

/** A backend has to see on each connection what the proxy wrote there. It may refuse, and then it hears no more. */
export function judgeSeen(backend: Backend, tapped: readonly Tapped[]): readonly Finding[] {
  return tapped.flatMap(({ from, said }) => {
    const written = [...readRequests(said).requests]
    const found: Finding[] = []
    for (const saw of backend.saw.get(from) ?? []) {
      const at = written.findIndex(request => request.method === saw.method && request.target === saw.target)
      const what = `${backend.name} saw ${short(`${saw.method} ${saw.target}`)}`
      if (at === -1) {
        found.push({ kind: 'read', what: `${what}, which was not written there` })
        continue
      }
      const [request] = written.splice(0, at + 1).slice(-1) as [Read]
      const wrong = misread(saw, request, backend.name)
      if (wrong) found.push({ kind: 'read', what: `${what} with another ${wrong}` })
    }
    return found
  })
}

function misread(saw: Saw, written: Read, backend: string): string | undefined {
  if (saw.whole && (!written.whole || saw.body !== written.body)) return 'body'
  if (!written.body.startsWith(saw.body)) return 'body'
  const [seen, said] = [grouped(saw.fields, backend), grouped(written.fields, backend)]
  for (const name of new Set([...seen.keys(), ...said.keys()])) {
    if (seen.get(name) !== said.get(name)) return `${name}, ${short(seen.get(name) ?? 'nothing')}`
  }
  return undefined
}

/** Go tells of these apart from the others, or not at all. */
const framing: ReadonlySet<string> = new Set(['connection', 'content-length', 'transfer-encoding', 'trailer'])

function grouped(fields: readonly string[], backend: string): ReadonlyMap<string, string> {
  const groups = new Map<string, string>()
  for (const [at, name] of namesOf(fields).entries()) {
    // Gunicorn leaves these out, as it says in its manual (header_map).
    if (framing.has(name) || (backend === 'gunicorn' && name.includes('_'))) continue
    groups.set(name, `${groups.get(name) ?? ''}${fields[at * 2 + 1]!.trim()}\n`)
  }
  return groups
}

export const nameOf = ({ id, spoilt }: Pick<Talk, 'id' | 'spoilt'>) => `${id} (${spoilt.join(', ')})`

function short(text: string): string {
  return JSON.stringify(text.length > 160 ? `${text.slice(0, 160)}…` : text)
}
