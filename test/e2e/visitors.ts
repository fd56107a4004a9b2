import { createHash, randomBytes } from 'node:crypto'
import { Agent, type IncomingMessage, type RequestOptions, request } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

/** One request, or one message over the WebSocket, from its first byte to its end. Times are Date.now(). */
export interface Visit {
  readonly number: number
  readonly host: string
  readonly kind: Kind
  readonly begun: number
  readonly ended: number
  readonly outcome:
    | { readonly kind: 'answered'; readonly status: number; readonly version: string }
    /** An answer to something else, or of other bytes. */
    | { readonly kind: 'wrong'; readonly what: string }
    /** No whole answer, or none but the proxy's own 5xx. */
    | { readonly kind: 'lost'; readonly why: string; readonly status?: number }
  /** Asked once more on a new connection because a kept one turned out to be closed (RFC 9110, 9.2.2). */
  readonly again: boolean
}

export const kinds = ['kept', 'new', 'slow', 'upload', 'websocket'] as const
export type Kind = (typeof kinds)[number]

export interface Visitors {
  readonly visits: readonly Visit[]
  /** Settles at the next visit that passes. */
  next(passes: (visit: Visit) => boolean): Promise<Visit>
  stop(): Promise<void>
}

export interface Where {
  readonly port: number
  readonly host: string
  /** What the version of every answer has to begin with: by it apps are told from each other. */
  readonly sign?: string
  /** Bytes of each upload: 50 to 300 KB, and 2 MB now and then, unless told. */
  readonly uploadBytes?: (number: number) => number
}

const usualBytes = (number: number) => (number % 7 === 6 ? 2 * 2 ** 20 : 50_000 + (number % 7) * 50_000)

/** Why a WebSocket ended that was closed in order, with a close frame: its client comes again at once. */
export const toldToComeAgain = 'the WebSocket was told to come again'

/** Clients of the app `echo` that ask all the while, each kind one after another, and check every answer. */
export function openVisitors(
  { port, host, sign = '', uploadBytes = usualBytes }: Where,
  which: readonly Kind[] = kinds,
): Visitors {
  const visits: Visit[] = []
  const waiting = new Set<(visit: Visit) => void>()
  const over = new AbortController()
  const keeping = new Agent({ keepAlive: true, maxSockets: 1 })
  let last = 0
  const note = (seen: Seen) => {
    const visit = { ...seen, host, outcome: signed(seen.outcome, sign) }
    visits.push(visit)
    for (const each of [...waiting]) each(visit)
  }
  const target = { host: '127.0.0.1', port, headers: { host } }

  const ask: Record<Exclude<Kind, 'websocket'>, Ask> = {
    kept: { options: { ...target, agent: keeping }, path: number => `/${number}` },
    new: { options: { ...target, agent: false }, path: number => `/${number}` },
    slow: { options: { ...target, agent: false }, path: number => `/slow/${number}` },
    upload: {
      options: { ...target, agent: false, method: 'POST' },
      path: number => `/upload/${number}`,
      body: number => randomBytes(uploadBytes(number)),
    },
  }
  const restMs = { kept: 10, new: 20, slow: 5, upload: 150 }

  const stroll = async (kind: Exclude<Kind, 'websocket'>) => {
    while (!over.signal.aborted) {
      note(await visit(++last, kind, ask[kind]))
      await rest(restMs[kind], over.signal)
    }
  }
  const talk = async () => {
    while (!over.signal.aborted) {
      const talk = { options: { ...target, agent: false }, next: () => ++last, note, signal: over.signal }
      if ((await converse(talk)) !== 'told') await rest(100, over.signal)
    }
  }
  const all = Promise.all(which.map(kind => (kind === 'websocket' ? talk() : stroll(kind))))
  return {
    visits,
    next: passes =>
      new Promise(resolve => {
        const listener = (visit: Visit) => {
          if (!passes(visit)) return
          waiting.delete(listener)
          resolve(visit)
        }
        waiting.add(listener)
      }),
    async stop() {
      over.abort()
      await all
      keeping.destroy()
    },
  }
}

async function rest(ms: number, signal: AbortSignal): Promise<void> {
  await pause(ms, undefined, { signal }).catch(() => undefined)
}

// Requests -----------------------------------------------------------------------------------------------

interface Ask {
  readonly options: RequestOptions
  readonly path: (number: number) => string
  readonly body?: (number: number) => Buffer
}

type Outcome = Visit['outcome']
type Seen = Omit<Visit, 'host'>

/** Nothing is waited for longer. */
const patienceMs = 30_000

async function visit(number: number, kind: Kind, { options, path, body }: Ask): Promise<Seen> {
  const begun = Date.now()
  const sent = body?.(number)
  const expected = sent ? createHash('sha256').update(sent).digest('hex') : path(number)
  const once = (how: RequestOptions) => exchange({ ...options, ...how, path: path(number) }, sent)
  const first = await once({})
  const again = first === 'stale'
  const answer = again ? await once({ agent: false }) : first
  return { number, kind, begun, ended: Date.now(), outcome: judged(answer, expected), again }
}

type Answer = { readonly status: number; readonly text: string } | { readonly error: string } | 'stale'

function exchange(options: RequestOptions, body: Buffer | undefined): Promise<Answer> {
  return new Promise(resolve => {
    let head: IncomingMessage | undefined
    const asked = request({ ...options, signal: AbortSignal.timeout(patienceMs) })
    asked.on('error', error => {
      if (!head && asked.reusedSocket) resolve('stale')
      else resolve({ error: `${error.message}${head ? ' in the middle of an answer' : ''}` })
    })
    asked.on('response', async response => {
      head = response
      let text = ''
      try {
        for await (const chunk of response.setEncoding('utf8')) text += chunk
        resolve({ status: response.statusCode ?? 0, text })
      } catch (error) {
        resolve({ error: `${(error as Error).message} in the middle of an answer` })
      }
    })
    asked.end(body)
  })
}

function judged(answer: Answer, expected: string): Outcome {
  if (answer === 'stale') return { kind: 'lost', why: 'a new connection counts as a kept one' }
  if ('error' in answer) return { kind: 'lost', why: answer.error }
  const { status, text } = answer
  if (status >= 500) return { kind: 'lost', why: `${status}`, status }
  if (status !== 200) return { kind: 'answered', status, version: '' }
  const [, said, version] = /^(\S+) (\S+)\n$/.exec(text) ?? []
  if (said === expected && version) return { kind: 'answered', status, version }
  return { kind: 'wrong', what: `${JSON.stringify(text.slice(0, 120))} instead of ${expected}` }
}

/** Another app's answer is worse than none. Pages of the proxy have no version. */
function signed(outcome: Outcome, sign: string): Outcome {
  if (outcome.kind !== 'answered' || outcome.version === '' || outcome.version.startsWith(sign))
    return outcome
  return { kind: 'wrong', what: `answered by ${outcome.version} instead of ${sign}…` }
}

// WebSocket ----------------------------------------------------------------------------------------------

interface Talk {
  readonly options: RequestOptions
  readonly next: () => number
  readonly note: (visit: Seen) => void
  readonly signal: AbortSignal
}

/** Messages over one WebSocket, one after another, until it ends. The end is a lost visit, whatever was under way. */
async function converse({ options, next, note, signal }: Talk): Promise<'told' | 'cut' | 'left'> {
  const opened = Date.now()
  const number = next()
  const record = (begun: number, at: number, outcome: Outcome) =>
    note({ number: at, kind: 'websocket', begun, ended: Date.now(), outcome, again: false })
  const socket = await shake(options)
  if (!(socket instanceof Object)) {
    record(opened, number, { kind: 'lost', why: socket })
    return 'cut'
  }
  const line = listenTo(socket)
  while (!signal.aborted) {
    const at = next()
    const begun = Date.now()
    const answer = line.message()
    socket.write(frame(String(at)))
    const text = await answer
    if (text === undefined) {
      record(begun, at, { kind: 'lost', why: line.told() ? toldToComeAgain : 'the WebSocket was cut' })
      return line.told() ? 'told' : 'cut'
    }
    const [said, version = ''] = text.split(' ')
    if (said === String(at)) record(begun, at, { kind: 'answered', status: 101, version })
    else record(begun, at, { kind: 'wrong', what: `${text} instead of ${at}` })
    await Promise.race([rest(100, signal), line.end])
  }
  socket.destroy()
  return 'left'
}

/** The connection, or why there is none. */
function shake(options: RequestOptions): Promise<Socket | string> {
  return new Promise(resolve => {
    const asked = request({
      ...options,
      path: '/websocket',
      headers: {
        ...(options.headers as Record<string, string>),
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': randomBytes(16).toString('base64'),
      },
      signal: AbortSignal.timeout(patienceMs),
    })
    asked.on('error', error => resolve(`no WebSocket: ${error.message}`))
    asked.on('response', response => {
      response.resume()
      resolve(`no WebSocket: ${response.statusCode}`)
    })
    asked.on('upgrade', (_response, socket: Socket) => {
      socket.on('error', () => socket.destroy())
      resolve(socket)
    })
    asked.end()
  })
}

interface Line {
  /** The next one that comes; undefined when there is none any more. */
  message(): Promise<string | undefined>
  /** Whether it was ended by a close frame (RFC 6455, 5.5.1). */
  told(): boolean
  readonly end: Promise<undefined>
}

/** Short messages only. */
function listenTo(socket: Socket): Line {
  const end = new Promise<undefined>(resolve => socket.once('close', () => resolve(undefined)))
  let bytes = Buffer.alloc(0)
  let told = false
  let take: ((text: string) => void) | undefined
  socket.on('data', (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk])
    while (bytes.length >= 2 && bytes.length >= 2 + bytes[1]!) {
      const text = bytes.subarray(2, 2 + bytes[1]!).toString()
      if ((bytes[0]! & 0x0f) === 8) {
        told = true
        socket.destroy()
      } else take?.(text)
      bytes = bytes.subarray(2 + bytes[1]!)
    }
  })
  return {
    end,
    told: () => told,
    message() {
      const said = new Promise<string>(resolve => {
        take = resolve
      })
      return Promise.race([said, end])
    },
  }
}

/** A short text message as a client sends it (RFC 6455, 5.2). */
function frame(text: string): Buffer {
  const mask = randomBytes(4)
  const bytes = Buffer.from(text).map((byte, at) => byte ^ mask[at % 4]!)
  return Buffer.concat([Buffer.from([0x81, 0x80 | bytes.length]), mask, bytes])
}
