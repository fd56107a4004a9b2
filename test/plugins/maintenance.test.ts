import { createHash } from 'node:crypto'

import { t } from 'tap'
import { extract, pack } from 'tar-stream'

import type { Route } from '../../src/types.ts'
import { terminal } from '../cli/desk.ts'
import { shopBehind } from './loaded.ts'

const browser = { headers: { accept: 'text/html' } }
const from = (address: string) => ({ headers: { 'x-forwarded-for': address } })

t.test('an app is shown as being worked on, and then is back', async t => {
  const { say, ask } = await shopBehind(t, 'maintenance')
  t.equal((await say('maintenance shop')).stdout, '       off\n')
  t.match(await say('maintenance:enable shop'), { code: 0, stdout: '       done\n' })
  t.match(await ask('/'), { status: 503, headers: { 'retry-after': '120' } })
  t.equal((await say('maintenance shop')).stdout, '       on\n')
  t.match(await say('maintenance:enable shop'), { code: 0, stdout: /already enabled/ })
  t.equal((await say('maintenance:report shop --maintenance-enabled')).stdout, 'true\n')
  t.match(await say('maintenance:disable shop'), { code: 0 })
  t.match(await ask('/'), { status: 200, body: 'the app' })
  t.match(await say('maintenance:disable shop'), { code: 0, stdout: /already disabled/ })
  t.match(await say('maintenance:enable nobody'), { code: 20 })
})

t.test('those who look after it come through', async t => {
  const { say, ask } = await shopBehind(t, 'maintenance')
  await say('maintenance:enable shop --allow 192.0.2.7,10.0.0.0/8')
  t.equal((await ask('/', from('10.1.2.3'))).status, 200)
  t.equal((await ask('/', from('192.0.2.8'))).status, 503)
  t.match(await say('maintenance:report shop'), { stdout: /allowed: +192\.0\.2\.7 10\.0\.0\.0\/8\n/ })
  t.match(await say('maintenance:enable shop --allow me'), { code: 1, stderr: /is no address/ })
})

t.test('a page of its own comes as HTML or in a tar, goes out, and goes away', async t => {
  const { say, ask, last } = await shopBehind(t, 'maintenance')
  const html = '<h1>Back at noon ü</h1>'
  await say('maintenance:enable shop')
  t.match(await say('maintenance:custom-page shop', { input: html }), { code: 0, stderr: '' })
  t.match(await ask('/', browser), { status: 503, body: Buffer.from(html).toString('latin1') })
  const { stdout: report } = await say('maintenance:report shop --maintenance-custom-page-sha256')
  t.equal(report.trim(), createHash('sha256').update(html).digest('hex'))

  const other = '<h1>Back tomorrow</h1>'
  const tar = await tarWith({ './maintenance.html': other, 'image.jpg': 'x'.repeat(600) })
  t.match(await say('maintenance:custom-page shop', { input: tar }), {
    code: 0,
    stderr: /image\.jpg is left out/,
  })
  t.equal(last().maintenance?.page, other)
  const exported = await say('maintenance:custom-page-export shop')
  t.same(await filesIn(Buffer.from(exported.stdout)), { 'maintenance.html': other })
  t.match(await say('maintenance:custom-page shop', { input: exported.stdout }), { code: 0, stderr: '' })
  t.equal(last().maintenance?.page, other, 'what went out comes in again')
  t.match((await say('maintenance:custom-page-export shop', { terminal })).stdout, /Back tomorrow/)

  t.match(await say('maintenance:custom-page-remove shop'), { code: 0 })
  t.match((await ask('/', browser)).body, /This site is being worked on/)
  t.match(await say('maintenance:custom-page-remove shop'), { code: 0, stdout: /No custom maintenance page/ })
  const none = await say('maintenance:custom-page-export shop')
  t.match(none, { code: 0, stderr: /nothing to export/ })
  t.same(await filesIn(Buffer.from(none.stdout)), {})
})

t.test('what is no page is refused, and the one before stays', async t => {
  const { say, last } = await shopBehind(t, 'maintenance')
  await say('maintenance:enable shop')
  await say('maintenance:custom-page shop', { input: 'before' })
  const refused = {
    'a tar without a page': [await tarWith({ 'bad.html': 'x' }), /Tar archive missing maintenance\.html/],
    'an empty page': [await tarWith({ 'maintenance.html': '' }), /empty/],
    nothing: ['', /No page came in/],
    'a page of 2 MB': ['x'.repeat(2 * 1024 * 1024), /at most 1 MB/],
    'far too much': ['x'.repeat(5 * 1024 * 1024), /too long to be a page/],
  } as const
  for (const [what, [input, stderr]] of Object.entries(refused))
    t.match(await say('maintenance:custom-page shop', { input }), { code: 1, stderr }, what)
  t.match(await say('maintenance:custom-page shop', { terminal }), { code: 1, stderr: /No page came in/ })
  t.match(await say('maintenance:custom-page shop /etc/passwd'), {
    code: 1,
    stderr: /on the host itself only/,
  })
  t.equal(last().maintenance?.page, 'before')
})

t.test('on the host itself a file is named, and another name of the app changes nothing', async t => {
  const { say, ask, told } = await shopBehind(t, 'maintenance')
  await say('maintenance:enable shop')
  t.match(await say(`maintenance:custom-page shop ${import.meta.filename}`, { local: true }), { code: 0 })
  t.match((await ask('/', browser)).body, /^import \{ createHash/)
  t.match(await say('apps:rename shop store'), { code: 0 })
  const renamed = told.findLast(each => (each as Route).app === 'store')
  t.match(renamed, { maintenance: { page: /^import/ } })
})

async function tarWith(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const tar = pack()
  for (const [name, body] of Object.entries(files)) tar.entry({ name }, body)
  tar.finalize()
  return Buffer.concat(await Array.fromAsync(tar as AsyncIterable<Buffer>))
}

async function filesIn(tar: Buffer): Promise<Record<string, string>> {
  const files: Record<string, string> = {}
  const reader = extract()
  reader.end(tar)
  for await (const entry of reader) {
    const chunks = await Array.fromAsync(entry as AsyncIterable<Buffer>)
    files[entry.header.name] = Buffer.concat(chunks).toString()
  }
  return files
}
