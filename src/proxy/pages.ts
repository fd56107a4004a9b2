import type { Asked } from './asked.ts'
import { valuesOf } from './fields.ts'
import type { Visitor } from './visitor.ts'

/** What a visitor reads when no app answers: the fact, then the way out. */
export interface Page {
  readonly status: number
  readonly title: string
  readonly text: string
  /** Nothing more is read from a connection that has sent this. */
  readonly last?: true
  /** With 405: the methods that are answered. */
  readonly allow?: string
  /** What the error log says of it; without, nothing has gone wrong. */
  readonly fault?: string
  /** The app ought to have answered. */
  readonly lost?: true
  /** The whole page, where somebody wrote one of their own. */
  readonly html?: string
}

export const pages = {
  unknownHost: (hostname: string): Page => ({
    status: 404,
    title: 'There is no app here',
    text: `Nothing answers to ${hostname} on this server. The address may be misspelt, or its app not here yet.`,
  }),
  stopped: {
    status: 503,
    title: 'This app is not running',
    text: 'It is stopped, or has not been deployed yet. Please try again later.',
    fault: 'no process of the app is running',
    lost: true,
  },
  busy: {
    status: 503,
    title: 'This app is very busy',
    text: 'Too many requests are waiting for it. Please try again in a moment.',
    fault: 'too many requests are waiting for the app',
    lost: true,
  },
  unreachable: {
    status: 502,
    title: 'This app did not answer',
    text: 'The request reached the server, but the app gave no proper answer. Please try again in a moment.',
    fault: 'the app gave no answer',
    lost: true,
  },
  slow: {
    status: 504,
    title: 'This app took too long',
    text: 'The app was asked, and no answer came in time. Please try again in a moment.',
    fault: 'it waited for the app in vain',
    lost: true,
  },
  moved: (status: number, url: string): Page => ({
    status,
    title: 'This is at another address',
    text: url,
  }),
  notAllowed: {
    status: 403,
    title: 'This is not open to you',
    text: 'The site is only for some addresses, and yours is not one of them.',
    fault: 'its address is not let in',
  },
  noPassword: {
    status: 401,
    title: 'This needs a name and a password',
    text: 'The site is only for those who have been given one.',
  },
  tooMany: {
    status: 429,
    title: 'These are too many requests',
    text: 'The site takes only so many from one address. Please wait a moment.',
    fault: 'its address has asked too often',
  },
  tooLarge: {
    status: 413,
    title: 'This is too large',
    text: 'The site takes no upload of this size.',
    fault: 'its body is larger than is taken',
  },
  maintenance: {
    status: 503,
    title: 'This site is being worked on',
    text: 'It will be back soon. Please try again later.',
  },
  noFile: {
    status: 404,
    title: 'This page is not here',
    text: 'The site has no page at this address. It may be misspelt, or the page has moved.',
  },
  onlyRead: {
    status: 405,
    title: 'This can only be read',
    text: 'The site is a folder of files: it answers GET and HEAD.',
    allow: 'GET, HEAD',
  },
  refused: (status: number, why: string): Page => ({
    status,
    title: 'This request was not understood',
    text: why,
    last: true,
  }),
} as const

/** Why something is no request. */
export const unread = {
  400: 'It is not proper HTTP.',
  408: 'It took too long to arrive.',
  431: 'Its header fields are too large.',
  body: 'Its body is not proper HTTP.',
} as const

export interface PageOptions {
  /** Of this answer, besides the page's own. */
  readonly fields?: readonly string[] | undefined
  readonly dress?: ((status: number, fields: string[]) => string[]) | undefined
}

/** Answers with a page: HTML for browsers, two plain lines for everything else. */
export function answerPage(
  visitor: Visitor,
  page: Page,
  { id, body: asked }: { readonly id: string; readonly body?: Asked['body'] },
  { fields = [], dress }: PageOptions = {},
): void {
  const html = wantsHtml(valuesOf(visitor.fields, 'accept')[0])
  const body = Buffer.from(html ? (page.html ?? htmlOf(page, id)) : `${page.title}.\n${page.text}\n`)
  const all = [
    ...['Content-Type', html ? 'text/html; charset=utf-8' : 'text/plain; charset=utf-8'],
    ...['Content-Length', String(body.length)],
    ...['Cache-Control', 'no-store'],
    // A page that a person wrote may hold anything.
    ...(html && page.html !== undefined
      ? []
      : ['Content-Security-Policy', "default-src 'none'; style-src 'unsafe-inline'"]),
    ...['X-Content-Type-Options', 'nosniff'],
    ...['X-Request-Id', id],
    ...(page.status === 405 ? ['Allow', page.allow ?? 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'] : []),
    ...fields,
  ]
  // What is left of a request that nobody takes is not read.
  const last = page.last || (asked !== 'none' && !visitor.received)
  visitor.begin(page.status, '', dress ? dress(page.status, all) : all, { last })
  if (visitor.method === 'HEAD') return void visitor.out.end()
  visitor.bytes += body.length
  visitor.out.end(body)
}

/** The whole answer as bytes, for a connection whose request could not even be read. */
export function barePage(page: Page): string {
  const body = `${page.title}.\n${page.text}\n`
  return [
    `HTTP/1.1 ${page.status} ${page.status === 408 ? 'Request Timeout' : page.status === 431 ? 'Request Header Fields Too Large' : 'Bad Request'}`,
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    '',
    body,
  ].join('\r\n')
}

function wantsHtml(accept: string | undefined): boolean {
  return accept?.toLowerCase().includes('text/html') ?? false
}

function htmlOf({ status, title, text }: Page, id: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${escaped(title)}</title>
<style>
:root { color-scheme: light dark; --ground: #f6f7f5; --ink: #1d2a2f; --soft: #5f6f75; --line: #d5dcdb; --sea: #2f7d8c }
@media (prefers-color-scheme: dark) { :root { --ground: #12191c; --ink: #e8eeee; --soft: #93a3a8; --line: #2a363a; --sea: #6fc0cd } }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 2rem; background: var(--ground); color: var(--ink);
  font: 1.0625rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif }
main { max-width: 32rem; width: 100% }
svg { display: block; width: 5.5rem; height: 1.25rem; stroke: var(--sea); fill: none; stroke-width: 2.5; stroke-linecap: round }
h1 { margin: 1.5rem 0 .5rem; font-size: clamp(1.5rem, 5vw, 2rem); line-height: 1.2; font-weight: 600; letter-spacing: -.01em; text-wrap: balance }
p { margin: 0; color: var(--soft); overflow-wrap: anywhere; text-wrap: pretty }
footer { margin-top: 2rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--soft); font-size: .8125rem;
  display: flex; flex-wrap: wrap; gap: .25rem 1rem; justify-content: space-between }
code { font: .8125rem ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere }
</style>
</head>
<body>
<main>
<svg viewBox="0 0 88 20" aria-hidden="true"><path d="M2 7c7 0 7 5 14 5s7-5 14-5 7 5 14 5 7-5 14-5 7 5 14 5 7-5 14-5"/></svg>
<h1>${escaped(title)}</h1>
<p>${escaped(text)}</p>
<footer><span>${status}</span><code>${escaped(id)}</code></footer>
</main>
</body>
</html>
`
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, sign => `&#${sign.charCodeAt(0)};`)
}
