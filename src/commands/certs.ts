import { open } from 'node:fs/promises'

import { openParcel } from '../deploy/parcel.ts'
import { messageOf, UserError } from '../errors.ts'
import { appName, hostname, one, optional, text } from '../plugin/args.ts'
import { type CommandContext, defineCommand } from '../plugin/command.ts'
import type { CertificateFacts, Core } from '../plugin/core.ts'
import { defineReport } from '../plugin/property.ts'
import type { AppName } from '../types.ts'

export const about = 'Manage the certificates that apps are served with over HTTPS'

const files = {
  certificate: optional(text('CRT', 'On the host itself: path of the chain')),
  key: optional(text('KEY', 'And of its key')),
}

export const commands = [
  ...(['add', 'update'] as const).map(verb =>
    defineCommand({
      name: `certs:${verb}`,
      about:
        verb === 'add'
          ? 'Serve an app over HTTPS: a tar with one .crt and one .key comes on stdin'
          : "Replace an app's certificate, while connections stand",
      args: { app: appName(), ...files },
      async run({ app, certificate, key }, context) {
        context.core.apps.get(app)
        const pair = await pairGiven(app, [certificate, key], context)
        context.out.step(`Setting the certificate of ${app}`)
        tell(await context.core.certificates.add(app, pair, context), context)
      },
    }),
  ),

  defineCommand({
    name: 'certs:generate',
    about: 'Make a self-signed certificate for an app: for trying out, browsers warn of it',
    args: { app: appName(), hostname: hostname() },
    async run({ app, hostname }, context) {
      context.core.apps.get(app)
      context.out.step(`Making a self-signed certificate for ${hostname}`)
      tell(await context.core.certificates.generate(app, hostname, context), context)
    },
  }),

  defineCommand({
    name: 'certs:remove',
    about: "Remove an app's certificate; what plugins have for it stays",
    args: { app: appName() },
    async run({ app }, context) {
      context.core.apps.get(app)
      await context.core.certificates.remove(app, context)
      context.out(`Removed the certificate of ${app}`)
    },
  }),

  defineCommand({
    name: 'certs:show',
    about: "Print an app's certificate or its key, in PEM form",
    args: { app: appName(), what: one('CRT|KEY', 'crt or key', partOf) },
    async run({ app, what }, { core, out }) {
      core.apps.get(app)
      const { chain, key } = core.certificates.own(app)
      out((what === 'crt' ? chain : key).trimEnd())
    },
  }),

  defineReport({ name: 'certs', label: 'ssl', facts: factsOf }),
]

function partOf(word: string): 'crt' | 'key' {
  if (word === 'crt' || word === 'key') return word
  throw new UserError('bad-argument', `${word} is neither crt nor key.`, 'Usage: certs:show APP crt')
}

function tell(
  { hostnames, expiresAt, warnings }: CertificateFacts & { readonly warnings: readonly string[] },
  { out }: CommandContext,
): void {
  out.detail(`For ${hostnames.join(', ')}`)
  out.detail(`Expires at ${opensslDate(expiresAt)}`)
  for (const each of warnings) out.warn(each)
}

function factsOf(app: AppName, core: Core): Record<string, string> {
  const all = core.certificates.inForce(app)
  const joined = (of: (facts: CertificateFacts) => string) => [...new Set(all.map(of))].join('; ')
  return {
    dir: '',
    enabled: String(all.length > 0),
    hostnames: [...new Set(all.flatMap(each => each.hostnames))].join(' '),
    'expires-at': joined(each => opensslDate(each.expiresAt)),
    issuer: joined(each => each.issuer),
    'starts-at': joined(each => opensslDate(each.startsAt)),
    subject: joined(each => each.subject),
    verified: joined(each => each.verified),
  }
}

/** As openssl writes it, and as scripts read it: `Oct  5 23:59:59 2026 GMT`. */
function opensslDate(date: Date): string {
  const [, day, month, year, time] = /^\w+, (\d+) (\w+) (\d+) (\S+) GMT$/.exec(date.toUTCString())!
  return `${month} ${String(Number(day)).padStart(2)} ${time} ${year} GMT`
}

const limits = { bytes: 4 * 1024 * 1024, entries: 1_000, fileBytes: 256 * 1024 }

async function pairGiven(
  app: AppName,
  [certificate, key]: readonly [string | undefined, string | undefined],
  context: CommandContext,
): Promise<{ chain: string; key: string }> {
  if (certificate === undefined) return pairSent(app, context)
  if (key === undefined)
    throw new UserError('bad-usage', 'KEY is missing.', `Usage: certs:add ${app} CRT KEY`)
  if (!context.session.local) {
    throw new UserError(
      'no-file',
      'Files can be named on the host itself only.',
      howToSend(app, certificate, key),
    )
  }
  return { chain: await fileAt(certificate), key: await fileAt(key) }
}

async function fileAt(path: string): Promise<string> {
  try {
    const file = await open(path)
    try {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(limits.fileBytes + 1))
      if (bytesRead > limits.fileBytes) throw new Error('it is too large')
      return buffer.toString('utf8', 0, bytesRead)
    } finally {
      await file.close()
    }
  } catch (error) {
    throw new UserError('no-file', `Cannot read ${path}: ${messageOf(error)}`)
  }
}

async function pairSent(app: AppName, { session }: CommandContext): Promise<{ chain: string; key: string }> {
  if (session.terminal) throw new UserError('no-archive', 'No archive came in.', howToSend(app))
  const found = await openParcel(session.stdin, isPart, { limits, signal: session.signal })
  const only = (ending: string) => {
    const [first, ...more] = found.filter(each => each.path.toLowerCase().endsWith(ending))
    if (!first) throw new UserError('bad-archive', `Tar archive is missing a ${ending} file`, howToSend(app))
    if (more.length > 0)
      throw new UserError('bad-archive', `Tar archive contains more than one ${ending} file`, howToSend(app))
    return first.content.toString('utf8')
  }
  return { chain: only('.crt'), key: only('.key') }
}

/** Not what a Mac puts beside each file of its own. */
function isPart(path: string): boolean {
  const name = path.split('/').at(-1)!
  return /\.(crt|key)$/i.test(name) && !name.startsWith('.')
}

function howToSend(app: AppName, certificate = 'server.crt', key = 'server.key'): string {
  return `Send both in a tar: tar -c ${certificate} ${key} | ssh HOST certs:add ${app}`
}
