import { createHmac } from 'node:crypto'

import type { Core, DavitEvent, MailServer } from 'davit/plugin'

/** Where somebody is told. Kept sealed: a webhook's URL is a secret. */
export type Channel =
  | { readonly kind: 'slack' | 'discord'; readonly url: string }
  | { readonly kind: 'json'; readonly url: string; readonly secret: string }
  | ({ readonly kind: 'email'; readonly to: string; readonly from: string } & MailServer)

/** What went wrong, and whether it is worth another try. */
export interface Undelivered {
  readonly reason: string
  readonly again: boolean
}

export interface Delivery {
  /** The same for every try, so that whoever gets it twice can tell. */
  readonly id: string
  readonly event: DavitEvent
  readonly channel: Channel
}

/** Tells it once. Answers nothing when it was taken. Throws where it could not be handed over. */
export async function deliver(
  { id, event, channel }: Delivery,
  { core, signal }: { core: Core; signal: AbortSignal },
): Promise<Undelivered | undefined> {
  if (channel.kind === 'email') {
    const { to, from, kind: _, ...server } = channel
    const { subject, text } = letterOf(event)
    await core.outbound.mail(server, { to, from, subject, text }, { signal })
    return undefined
  }
  const body = JSON.stringify(bodyOf(event, channel.kind))
  const signed = channel.kind === 'json' ? signature(body, channel.secret) : {}
  const headers = { 'Content-Type': 'application/json', 'Davit-Delivery': id, ...signed }
  const { status } = await core.outbound.request(channel.url, { method: 'POST', headers, body, signal })
  if (status >= 200 && status < 300) return undefined
  const again = status >= 500 || status === 408 || status === 425 || status === 429
  return { reason: `it was answered with ${status}`, again }
}

function bodyOf(event: DavitEvent, kind: 'slack' | 'discord' | 'json'): unknown {
  const mark = { info: '', warning: '⚠️ ', error: '🔴 ' }[event.level]
  switch (kind) {
    case 'slack':
      // https://docs.slack.dev/messaging/formatting-message-text: these three are control characters.
      return {
        text: mark + event.text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;'),
      }
    case 'discord':
      return {
        username: 'Davit',
        content: (mark + event.text).slice(0, 2000),
        allowed_mentions: { parse: [] },
      }
    case 'json':
      return event
  }
}

/** HMAC-SHA-256 over time and body, in hexadecimal; the time is part of it, so that nothing old can be said again. */
function signature(body: string, secret: string): Record<string, string> {
  const time = String(Math.floor(Date.now() / 1000))
  const hmac = createHmac('sha256', secret).update(`${time}.${body}`).digest('hex')
  return { 'Davit-Timestamp': time, 'Davit-Signature': `sha256=${hmac}` }
}

function letterOf({ app, at, by, kind, level, text, data }: DavitEvent): { subject: string; text: string } {
  const rows = { kind, level, app: app ?? '-', by, at: new Date(at).toISOString(), ...data }
  const lines = Object.entries(rows).map(([key, value]) => `${`${key}:`.padEnd(12)}${value}`)
  return {
    subject: `[davit] ${text}`.slice(0, 200).replace(/\s+/g, ' '),
    text: `${text}\n\n${lines.join('\n')}\n`,
  }
}
