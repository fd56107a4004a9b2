import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import net, { type AddressInfo } from 'node:net'

import { type Test, t } from 'tap'

import type { AppName } from '../../src/types.ts'
import { desk } from '../cli/desk.ts'
import { loaded } from './loaded.ts'

const shop = 'shop' as AppName

async function withNotify(t: Test, allowed: readonly string[] = ['127.0.0.0/8']) {
  const engine = { containers: async () => [], images: async () => [] }
  const all = desk(t, [], { plugins: await loaded(t, ['notify']), engine, allowLocal: allowed })
  await all.say('apps:create shop')
  const [notify] = all.members
  const again = () => {
    const { jobs } = notify!.plugin
    const job = (jobs as readonly { run(context: unknown): Promise<void> }[])[0]!
    return job.run(notify!.context)
  }
  const tell = async (text: string, kind: 'failed' | 'released' | 'x:y' = 'failed', app: AppName = shop) => {
    all.core.events.tell({ kind, app, text, level: kind === 'failed' ? 'error' : 'info', data: { n: 1 } })
    await all.rooms.background.idle()
  }
  return { ...all, again, tell, kv: notify!.context.kv }
}

interface Heard {
  readonly path: string
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: string
}

/** A webhook's other end, which answers with these statuses, the last of them for good. */
async function hook(t: Test, ...statuses: number[]) {
  const heard: Heard[] = []
  const server = createServer(async (req, res) => {
    let body = ''
    for await (const chunk of req.setEncoding('utf8')) body += chunk
    heard.push({ path: req.url!, headers: req.headers, body })
    res.writeHead(statuses.length > 1 ? statuses.shift()! : (statuses[0] ?? 200)).end('no')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { heard, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?token=s3cret` }
}

t.test(
  'a Slack and a Discord channel are told in the form they take, and no URL stands anywhere',
  async t => {
    const { say, tell, audit, logged } = await withNotify(t)
    const slack = await hook(t)
    const discord = await hook(t)
    t.match(await say('notify:add ops slack', { input: `${slack.url}\n` }), {
      code: 0,
      stdout: /notify:test ops/,
    })
    t.match(await say('notify:add fun discord', { input: discord.url }), { code: 0 })
    await tell('push of shop failed: <b> & @everyone')
    t.strictSame(JSON.parse(slack.heard[0]!.body), {
      text: '🔴 push of shop failed: &lt;b&gt; &amp; @everyone',
    })
    t.strictSame(JSON.parse(discord.heard[0]!.body), {
      username: 'Davit',
      content: '🔴 push of shop failed: <b> & @everyone',
      allowed_mentions: { parse: [] },
    })
    t.match((await say('notify:list')).stdout, /^fun {2}discord {2}127\.0\.0\.1:\d+$/m)
    t.notMatch(JSON.stringify([audit(), logged, await say('notify:list')]), /s3cret/)
    t.match(await say('notify:add ops slack', { input: slack.url }), {
      code: 1,
      stderr: /There is a channel ops/,
    })
    await say('notify:remove ops')
    await tell('again')
    t.equal(slack.heard.length, 1)
    t.equal(discord.heard.length, 2)
  },
)

t.test('a webhook of JSON is signed over its time and its body', async t => {
  const { say, tell } = await withNotify(t)
  const { heard, url } = await hook(t)
  const { stdout } = await say('notify:add bot json', { input: url })
  const [, secret] = /signed with: ([0-9a-f]{64})/.exec(stdout) ?? []
  await tell('shop is down')
  const { headers, body } = heard[0]!
  t.match(JSON.parse(body), {
    kind: 'failed',
    level: 'error',
    app: 'shop',
    text: 'shop is down',
    data: { n: 1 },
  })
  const hmac = createHmac('sha256', secret!).update(`${headers['davit-timestamp']}.${body}`).digest('hex')
  t.equal(headers['davit-signature'], `sha256=${hmac}`)
  t.ok(Math.abs(Number(headers['davit-timestamp']) - Date.now() / 1000) < 60)
})

t.test('what to tell, and to whom, is set for an app or for all', async t => {
  const { say, tell, core } = await withNotify(t)
  const ops = await hook(t)
  const team = await hook(t)
  await say('notify:add ops slack', { input: ops.url })
  await say('notify:add team slack', { input: team.url })
  await say('apps:create blog')
  await tell('released', 'released')
  t.equal(ops.heard.length, 0, 'usually warnings and errors are told')
  await say('notify:set shop tell released,x:*')
  await say('notify:set shop to team')
  await tell('released', 'released')
  await tell('of a plugin', 'x:y')
  await tell('failed')
  t.strictSame([ops.heard.length, team.heard.length], [0, 2])
  await tell('failed', 'failed', 'blog' as AppName)
  t.strictSame([ops.heard.length, team.heard.length], [1, 3])
  await say('notify:set --global tell none')
  await tell('failed', 'failed', 'blog' as AppName)
  t.strictSame([ops.heard.length, team.heard.length], [1, 3])
  t.match(await say('notify:set shop tell loud'), { code: 1, stderr: /"loud" is nothing to tell/ })
  t.match((await say('notify:report shop')).stdout, /computed tell: +released,x:\*/)
  await core.apps.destroy('blog' as AppName, { by: { person: 'ann', key: '', role: 'admin' }, ...quiet() })
})

t.test('what could not be told is told later; what was refused for good is not', async t => {
  const { say, tell, again, kv } = await withNotify(t)
  const busy = await hook(t, 503, 200)
  const gone = await hook(t, 404)
  await say('notify:add busy slack', { input: busy.url })
  await say('notify:add gone slack', { input: gone.url })
  await tell('shop is down')
  const pending = () => kv.list().filter(each => each.key.startsWith('pending/'))
  t.match(pending(), [{ value: { channel: 'busy', tries: 1 } }])
  await again()
  t.equal(busy.heard.length, 1, 'not before it is due')
  const [{ key, value } = { key: '', value: {} }] = pending()
  kv.set(key, { ...(value as object), next: 0 })
  await again()
  t.equal(busy.heard.length, 2)
  t.equal(busy.heard[0]!.headers['davit-delivery'], busy.heard[1]!.headers['davit-delivery'])
  t.strictSame([pending().length, gone.heard.length], [0, 1])
})

t.test('what waits to be told is bounded, and goes with its channel', async t => {
  const { say, tell, kv } = await withNotify(t)
  const busy = await hook(t, 503)
  await say('notify:add busy slack', { input: busy.url })
  const at = (n: number) => new Date(n).toISOString()
  for (let n = 0; n < 500; n++)
    kv.set(`pending/${n}`, { channel: 'busy', tries: 1, next: Number.MAX_SAFE_INTEGER, event: { at: at(n) } })
  await tell('one more')
  const pending = () => kv.list().filter(each => each.key.startsWith('pending/'))
  t.equal(pending().length, 500)
  t.notOk(
    pending().some(each => each.key === 'pending/0'),
    'the oldest went',
  )
  await say('notify:remove busy')
  t.strictSame(pending(), [])
})

t.test('nobody is told by way of this host or a private network, unless an admin allowed it', async t => {
  const { say } = await withNotify(t, [])
  const { heard, url } = await hook(t)
  await say('notify:add inside slack', { input: url })
  t.match(await say('notify:test inside'), { code: 1, stderr: /127\.0\.0\.1 is not on the public internet/ })
  await say('notify:add mail email --to a@x.test --from b@x.test --server localhost:25')
  t.match(await say('notify:test mail'), { code: 1, stderr: /not on the public internet/ })
  t.equal(heard.length, 0)
})

t.test('an e-mail goes through the server that was given', async t => {
  const { say, tell } = await withNotify(t)
  const letters: string[] = []
  const port = await mailServer(t, letters)
  const server = `127.0.0.1:${port}`
  t.match(await say(`notify:add mail email --to ann@x.test --from davit@x.test --server ${server}`), {
    code: 0,
  })
  t.match(await say('notify:test mail'), { code: 0, stdout: /mail was told/ })
  await tell('shop is down')
  t.match(letters[1], /^From: davit@x\.test$/m)
  t.match(letters[1], /^To: ann@x\.test$/m)
  t.match(letters[1], /^Subject: \[davit\] shop is down$/m)
  t.match(letters[1], /^app: +shop$/m)
  t.match(await say('notify:add other email --to ann@x.test'), {
    code: 1,
    stderr: /needs --to, --from and --server/,
  })
  const withPassword = `notify:add safe email --to a@x.test --from b@x.test --server ${server} --user ann`
  t.match(await say(withPassword, { input: 's3cret\n' }), { code: 0 })
  t.match(await say('notify:test safe'), { code: 1 }, 'a password goes nowhere without TLS')
  t.notMatch(letters.join(''), /s3cret|AUTH/)
})

/** SMTP as far as it takes to hand over a letter (RFC 5321). */
async function mailServer(t: Test, letters: string[]): Promise<number> {
  const server = net.createServer(socket => {
    let said = ''
    let reading = false
    socket.on('error', () => undefined)
    socket.write('220 mail.test\r\n')
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      said += chunk
      for (;;) {
        const end = said.indexOf(reading ? '\r\n.\r\n' : '\r\n')
        if (end < 0) return
        const text = said.slice(0, end)
        said = said.slice(end + (reading ? 5 : 2))
        if (reading) letters.push(text.replaceAll('\r\n', '\n'))
        const isData = !reading && /^DATA/i.test(text)
        reading = isData
        if (/^QUIT/i.test(text)) return socket.end('221 bye\r\n')
        socket.write(isData ? '354 go on\r\n' : '250 ok\r\n')
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}

function quiet() {
  const out = Object.assign(() => undefined, {
    ...{ step: () => undefined, headline: () => undefined, detail: () => undefined, warn: () => undefined },
    flushed: async () => undefined,
  })
  return { out, signal: new AbortController().signal }
}
