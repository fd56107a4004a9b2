import { existsSync } from 'node:fs'
import { readdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'

import t, { type Test } from 'tap'
import tar from 'tar-stream'

import type { Limits } from '../../src/git/repo.ts'
import { createOutbound, type Reach } from '../../src/outbound.ts'
import type { Out, Source } from '../../src/types.ts'
import { host, text } from './host.ts'
import { gitServer } from './http.ts'

const never = new AbortController().signal

t.test(
  'a push is seen with the files of its submodules, theirs too, at the commits that it names',
  async t => {
    const { h, server, push, modules } = await house(t)
    const deep = await server.commit('deep', { 'd.txt': 'deep' })
    const lib = await server.commit(
      'lib',
      { 'l.txt': 'lib', '.gitmodules': gitmodules({ deep: '../deep.git' }) },
      { deep },
    )
    await server.commit('lib', { 'l.txt': 'newer' })
    let files: Record<string, string> = {}
    const { source, said } = await push(
      { 'app.py': 'app', '.gitmodules': gitmodules({ 'vendor/lib': `${server.url}/lib.git` }) },
      { 'vendor/lib': lib },
      async source => {
        files = await filesIn(source)
      },
    )
    t.strictSame(said, ['-----> Fetching submodule vendor/lib', '-----> Fetching submodule vendor/lib/deep'])
    t.strictSame(await source!.list(), [
      '.gitmodules',
      'app.py',
      'vendor/lib/.gitmodules',
      'vendor/lib/deep/d.txt',
      'vendor/lib/l.txt',
    ])
    t.equal(String(await source!.read('vendor/lib/l.txt')), 'lib')
    t.equal(String(await source!.read('vendor/lib/deep/d.txt')), 'deep')
    t.equal(await source!.read('vendor/lib'), undefined)
    t.match(files, {
      'app.py': 'app',
      'vendor/lib/l.txt': 'lib',
      'vendor/lib/deep/d.txt': 'deep',
    })
    t.equal(
      (await h.git('ls-remote', 'davit', 'refs/kept/*')).out,
      '',
      "the app's own repository names none of it",
    )
    t.equal((await modules()).length, 2)
  },
)

t.test('what was fetched once is not fetched again', async t => {
  const { server, push } = await house(t)
  const one = await server.commit('lib', { a: '1' })
  const url = gitmodules({ lib: `${server.url}/lib.git` })
  await push({ '.gitmodules': url }, { lib: one })
  const asked = server.asked.length
  t.strictSame((await push({ 'other.txt': 'x' }, { lib: one })).said, [])
  t.equal(server.asked.length, asked, 'the server is not even asked')
  const two = await server.commit('lib', { a: '2' })
  const { source, said } = await push({}, { lib: two })
  t.strictSame(said, ['-----> Fetching submodule lib'])
  t.equal(String(await source!.read('lib/a')), '2')
  t.equal(String(await (await push({}, { lib: one })).source!.read('lib/a')), '1')
})

t.test('a server that gives out only what its branches are at is asked for all of them', async t => {
  const { server, push } = await house(t)
  server.env = {}
  const old = await server.commit('lib', { a: '1' })
  const tip = await server.commit('lib', { a: '2' })
  const url = gitmodules({ lib: `${server.url}/lib.git` })
  t.equal(String(await (await push({ '.gitmodules': url }, { lib: tip })).source!.read('lib/a')), '2')
  t.equal(String(await (await push({}, { lib: old })).source!.read('lib/a')), '1')
  await server.commit('lib', { a: '3' })
  await server.commit('lib', { a: '4' })
  const middle = await server.git('lib', 'rev-parse', 'HEAD~1')
  t.equal(String(await (await push({}, { lib: middle })).source!.read('lib/a')), '3')
  const { error } = await push({}, { lib: '1'.repeat(40) })
  t.match(error, { code: 'submodule-commit', message: /commit 1111111111, which http/ })
})

t.test('a commit that is not there rejects the push, and says where to push it first', async t => {
  const { server, push, modules, h } = await house(t)
  await server.commit('lib', { a: '1' })
  const url = gitmodules({ 'my lib': `${server.url}/lib.git` })
  const { error, exit, source } = await push({ '.gitmodules': url }, { 'my lib': 'a'.repeat(40) })
  t.match(error, {
    code: 'submodule-commit',
    hint: 'Push it there first, from within my lib; then push again.',
  })
  t.not(exit, 0)
  t.equal(source, undefined)
  t.strictSame(await modules(), [], 'nothing is left of it')
  t.equal(await h.repositories.tip('shop', 'main'), undefined)
})

t.test('what cannot be fetched is told by its reason', async t => {
  const { server, push, modules } = await house(t, { limits: { fetchMs: 500 } })
  const lib = await server.commit('lib', { a: '1' })
  const url = gitmodules({ lib: `${server.url}/lib.git` })
  const answer = async (status: number, headers: Record<string, string> = {}) => {
    server.answers = (_, response) => {
      response.writeHead(status, headers).end()
      return true
    }
    return (await push({ '.gitmodules': url }, { lib })).error
  }
  t.match(await answer(404), { code: 'submodule-private' })
  t.match(await answer(401, { 'WWW-Authenticate': 'Basic realm="x"' }), {
    code: 'submodule-private',
    hint: /signs in nowhere/,
  })
  t.match(await answer(403), { code: 'submodule-private' })
  t.match(await answer(500), { code: 'submodule-failed', message: /error: 500/ })
  t.match(await answer(200, { 'content-type': 'text/html' }), { code: 'submodule-url' })
  server.answers = () => true
  t.match((await push({}, { lib })).error, { code: 'submodule-slow', message: /within 0.5 s/ })
  const gone = gitmodules({ lib: 'http://127.0.0.1:1/lib.git' })
  t.match((await push({ '.gitmodules': gone }, { lib })).error, { code: 'submodule-failed' })
  t.strictSame(await modules(), [])
})

t.test('a redirection is not followed, wherever it leads', async t => {
  const { server, push } = await house(t)
  const lib = await server.commit('lib', { a: '1' })
  const inner = createServer((_, response) => response.end())
  let visits = 0
  inner.on('connection', () => visits++)
  await new Promise<void>(resolve => inner.listen(0, '127.0.0.1', resolve))
  t.teardown(() => inner.close())
  server.answers = (request, response) => {
    response
      .writeHead(302, { location: `http://127.0.0.1:${(inner.address() as AddressInfo).port}${request.url}` })
      .end()
    return true
  }
  const { error } = await push({ '.gitmodules': gitmodules({ lib: `${server.url}/lib.git` }) }, { lib })
  t.match(error, { code: 'submodule-redirect' })
  t.equal(visits, 0)
})

t.test('a server that speaks the old protocol only is never listened to', async t => {
  const { server, push } = await house(t)
  const lib = await server.commit('lib', { a: '1' })
  server.answers = (request, response) => {
    if (!request.url!.startsWith('/lib.git/info/refs')) return false
    response.end(`${lib}\trefs/heads/main\n`)
    return true
  }
  const { error } = await push({ '.gitmodules': gitmodules({ lib: `${server.url}/lib.git` }) }, { lib })
  t.match(error, { code: 'submodule-url', message: /no git server/ })
  t.strictSame(server.asked, ['GET /lib.git/info/refs?service=git-upload-pack', 'GET /lib.git/HEAD'])
})

t.test('git connects to the addresses that were allowed, whatever the name leads to by then', async t => {
  const lookups: string[] = []
  const find = async (name: string) => {
    lookups.push(name)
    return ['127.0.0.1']
  }
  const { server, push } = await house(t, { reach: createOutbound({ allowed: ['127.0.0.1/32'], find }) })
  const lib = await server.commit('lib', { a: '1' })
  // No resolver knows this name, so only what was handed over can lead git there.
  const url = `http://lib.davit-test.invalid:${server.port}/lib.git`
  const { source } = await push({ '.gitmodules': gitmodules({ lib: url }) }, { lib })
  t.equal(String(await source!.read('lib/a')), '1')
  t.strictSame(lookups, ['lib.davit-test.invalid'])
})

t.test('loopback is not fetched from unless it was allowed', async t => {
  const { server, push, modules } = await house(t, { reach: createOutbound({ allowed: [] }) })
  const lib = await server.commit('lib', { a: '1' })
  const { error } = await push({ '.gitmodules': gitmodules({ lib: `${server.url}/lib.git` }) }, { lib })
  t.match(error, { code: 'url-local', hint: /DAVIT_ALLOW_LOCAL=127\.0\.0\.1\/32/ })
  t.strictSame(server.asked, [])
  t.strictSame(await modules(), [])
})

t.test('proxies and passwords of the host take no part', async t => {
  const home = t.testdir({ '.netrc': 'default login ann password secret\n' })
  const env = {
    HOME: home,
    http_proxy: 'http://127.0.0.1:1',
    https_proxy: 'http://127.0.0.1:1',
    GIT_ASKPASS: '/bin/echo',
  }
  const { server, push } = await house(t, { env })
  const lib = await server.commit('lib', { a: '1' })
  const url = gitmodules({ lib: `${server.url}/lib.git` })
  t.equal(String(await (await push({ '.gitmodules': url }, { lib })).source!.read('lib/a')), '1')
  const headers: unknown[] = []
  server.answers = (request, response) => {
    headers.push(request.headers.authorization)
    response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="x"' }).end()
    return true
  }
  const { error } = await push({}, { lib: await server.commit('lib', { a: '2' }) })
  t.match(error, { code: 'submodule-private' })
  t.same([...new Set(headers)], [undefined], 'nobody signs in')
})

t.test('submodules bring no more than a push may, all of them together', async t => {
  const { server, push, modules } = await house(t, { limits: { pushBytes: 2 ** 21 } })
  const noise = (seed: number, bytes: number) =>
    Buffer.from(
      Uint32Array.from(
        { length: bytes / 4 },
        (_, at) => Math.imul(at + seed, 0x9e3779b1) ^ (at * at * 0x85ebca6b),
      ).buffer,
    )
  const large = await server.commit('large', { a: noise(1, 3 << 20) })
  const half = await server.commit('half', { a: noise(2, 1.5 * 2 ** 20) })
  const other = await server.commit('other', { a: noise(3, 1.5 * 2 ** 20) })
  const url = (names: string[]) =>
    gitmodules(Object.fromEntries(names.map(name => [name, `${server.url}/${name}.git`])))
  t.match((await push({ '.gitmodules': url(['large']) }, { large })).error, { code: 'submodule-too-large' })
  t.strictSame(await modules(), [])
  const both = await push({ '.gitmodules': url(['half', 'other']) }, { large: '', half, other })
  t.match(both.error, { code: 'submodule-too-large', message: /other/ })
  t.equal((await push({ '.gitmodules': url(['half']) }, { half, other: '' })).error, undefined)
})

t.test('objects that are malicious are refused, as in a push', async t => {
  const { server, push } = await house(t)
  const blob = await server.commit('lib', { a: '1' }).then(() => server.git('lib', 'rev-parse', 'HEAD:a'))
  const dir = t.testdir({
    tree: Buffer.concat([Buffer.from('100644 .git\0'), Buffer.from(blob, 'hex')]).toString('latin1'),
  })
  await writeFile(join(dir, 'tree'), Buffer.concat([Buffer.from('100644 .git\0'), Buffer.from(blob, 'hex')]))
  const tree = await server.git('lib', 'hash-object', '-t', 'tree', '-w', '--literally', join(dir, 'tree'))
  const lib = await server.git('lib', 'commit-tree', '-m', 'x', tree)
  await server.git('lib', 'update-ref', 'refs/heads/bad', lib)
  const { error } = await push({ '.gitmodules': gitmodules({ lib: `${server.url}/lib.git` }) }, { lib })
  t.match(error, { code: 'submodule-refused', message: /hasDotgit/ })
})

t.test('who leaves ends the fetching, and leaves nothing', async t => {
  const { server, push, modules, leave } = await house(t)
  const lib = await server.commit('lib', { a: '1' })
  const closed = new Promise<void>(resolve => {
    server.answers = request => {
      request.once('close', resolve)
      request.socket.once('close', () => resolve())
      leave()
      return true
    }
  })
  const { error } = await push({ '.gitmodules': gitmodules({ lib: `${server.url}/lib.git` }) }, { lib })
  t.match(error, { code: 'cancelled' })
  await closed
  t.strictSame(await modules(), [])
})

t.test('what a killed git left does not stand in the way', async t => {
  const { server, push, modules } = await house(t)
  const one = await server.commit('lib', { a: '1' })
  await push({ '.gitmodules': gitmodules({ lib: `${server.url}/lib.git` }) }, { lib: one })
  const [repo] = await modules()
  await writeFile(join(repo!, 'shallow.lock'), '')
  await writeFile(join(repo!, 'objects/pack/tmp_pack_x'), 'half')
  const { source } = await push({}, { lib: await server.commit('lib', { a: '2' }) })
  t.equal(String(await source!.read('lib/a')), '2')
  t.notOk(existsSync(join(repo!, 'objects/pack/tmp_pack_x')))
})

t.test('what .gitmodules does not name is told; without one it stays empty, with a warning', async t => {
  const { server, push } = await house(t)
  const lib = await server.commit('lib', { a: '1' })
  const alone = await push({ 'a.txt': 'a' }, { lib })
  t.match(alone.said, [/Left empty: lib\. Another repository is committed there/])
  t.strictSame(await alone.source!.list(), ['a.txt'])
  const other = await push({ '.gitmodules': gitmodules({ other: `${server.url}/lib.git` }) }, {})
  t.match(other.error, { code: 'submodule-undeclared', hint: /git rm --cached/ })
  const none = `${gitmodules({ lib: `${server.url}/lib.git` })}\tupdate = none\n`
  const skipped = await push({ '.gitmodules': none }, {})
  t.strictSame(
    await skipped.source!.list(),
    ['.gitmodules', 'a.txt'],
    '`update = none` is heeded as git does',
  )
  t.strictSame(server.asked, [])
})

t.test('a hostile .gitmodules leads nowhere', async t => {
  const { h, server, sourceOf } = await house(t)
  const lib = await server.commit('lib', { a: '1' })
  const hostile: readonly [string, string][] = [
    ['[submodule "../../x"]\n\tpath = lib\n\turl = file:///etc\n', 'submodule-url'],
    ['[submodule "x"]\n\tpath = lib\n\turl = "ext::sh -c touch% /tmp/davit-x"\n', 'submodule-url'],
    ['[submodule "x"]\n\tpath = lib\n\turl = --upload-pack=id\n', 'submodule-url'],
    ['[submodule "x"]\n\tpath = lib\n\turl = ssh://-oProxyCommand=id/x\n', 'submodule-url'],
    [`[submodule "x"]\n\tpath = lib\n\turl = "${server.url}/lib.git\\nhttps://x"\n`, 'submodule-url'],
    ['[submodule "x"]\n\tpath = ../lib\n\turl = https://example.com/x\n', 'submodule-undeclared'],
    [
      '[include]\n\tpath = /etc/passwd\n[submodule "x"]\n\tpath = other\n\turl = https://example.com/x\n',
      'submodule-undeclared',
    ],
    ['[submodule "x"\n', 'bad-gitmodules'],
    ['\0', 'bad-gitmodules'],
    ['a'.repeat(2 ** 21), 'bad-gitmodules'],
  ]
  // Most of them git itself refuses at a push; what is tried here is what comes after it.
  for (const [content, code] of hostile) {
    const file = await h.object('blob', content)
    const tree = await h.tree(['100644', '.gitmodules', file], ['160000', 'lib', lib])
    await t.rejects(whole(await sourceOf(await h.commitTree(tree))), { code }, content.slice(0, 60))
  }
  const link = await h.object('blob', '/etc/passwd')
  const linked = await h.tree(['120000', '.gitmodules', link], ['160000', 'lib', lib])
  await t.rejects(whole(await sourceOf(await h.commitTree(linked))), { code: 'bad-gitmodules' }, 'a link')
  for (const name of ['.git', '.GIT', '..', '.']) {
    const file = await h.object('blob', gitmodules({ [name]: `${server.url}/lib.git` }))
    const tree = await h.tree(['100644', '.gitmodules', file], ['160000', name, lib])
    await t.rejects(whole(await sourceOf(await h.commitTree(tree))), { code: 'submodule-path' }, name)
  }
  const file = await h.object('blob', gitmodules({ 'a/lib': `${server.url}/lib.git` }))
  const folder = await h.tree(['160000', 'lib', lib])
  const twice = await h.tree(['100644', '.gitmodules', file], ['120000', 'a', link], ['40000', 'a', folder])
  await t.rejects(
    whole(await sourceOf(await h.commitTree(twice))),
    { code: 'submodule-path' },
    'behind a link',
  )
  t.strictSame(server.asked, [])
})

t.test('submodules that contain themselves, and too many of them, have an end', async t => {
  const { server, push } = await house(t)
  const url = `${server.url}/lib.git`
  let lib = await server.commit('lib', { '.gitmodules': gitmodules({ lib: url }) })
  for (let depth = 0; depth < 9; depth++) lib = await server.commit('lib', {}, { lib })
  t.match((await push({ '.gitmodules': gitmodules({ lib: url }) }, { lib })).error, {
    code: 'too-many-submodules',
  })
  const one = await server.commit('one', { a: '1' })
  const names = Array.from({ length: 101 }, (_, at) => `m${at}`)
  const many = gitmodules(Object.fromEntries(names.map(name => [name, `${server.url}/one.git`])))
  const links = Object.fromEntries(names.map(name => [name, one]))
  const { error, said } = await push({ '.gitmodules': many }, { lib: '', ...links })
  t.match(error, { code: 'too-many-submodules', message: /more than 100/ })
  t.strictSame(said, [], 'before anything is fetched')
})

t.test('files and their lists count with those of the submodules', async t => {
  const { server, push } = await house(t, { limits: { treeBytes: 2 ** 20 } })
  const lib = await server.commit('lib', { a: Buffer.alloc(600_000) })
  const files = { a: Buffer.alloc(600_000), '.gitmodules': gitmodules({ lib: `${server.url}/lib.git` }) }
  t.match((await push(files, { lib })).error, { code: 'tree-too-large' })
})

t.test(
  'what was fetched goes where the app goes, and upkeep drops what is not deployed any more',
  async t => {
    const { h, server, push, modules } = await house(t)
    const [one, two] = [await server.commit('one', { a: '1' }), await server.commit('two', { a: '2' })]
    const url = gitmodules({ one: `${server.url}/one.git`, two: `${server.url}/two.git` })
    await push({ '.gitmodules': url }, { one, two })
    const three = await server.commit('one', { a: '3' })
    await push({}, { one: three, two: '' })
    const gc = () => h.repositories.gc('shop', { signal: never })
    await gc()
    const [kept, ...others] = await modules()
    t.strictSame(others, [], 'the repository of the second one is gone')
    t.match((await h.gitIn(kept!, ['for-each-ref', '--format=%(refname)'])).out, `refs/kept/${three}\n`)
    t.match((await h.gitIn(kept!, ['cat-file', '-t', one])).code, 128, 'so is the older commit')
    t.equal((await h.gitIn(kept!, ['fsck'])).code, 0)
    const asked = server.asked.length
    t.equal(String(await (await push({ b: 'b' }, {})).source!.read('one/a')), '3')
    t.equal(server.asked.length, asked)

    await h.repositories.rename('shop', 'store')
    await h.must('remote', 'set-url', 'davit', 'ssh://davit/store')
    t.equal(String(await (await push({ c: 'c' }, {}, undefined, 'store')).source!.read('one/a')), '3')
    t.equal(server.asked.length, asked, 'a new name changes nothing')
    await h.repositories.remove('store')
    t.strictSame(await readdir(h.folder), [])
  },
)

t.test('upkeep takes nothing away from under a push', async t => {
  const { h, server, push, modules } = await house(t)
  const lib = await server.commit('lib', { a: '1' })
  const { source } = await push(
    { '.gitmodules': gitmodules({ lib: `${server.url}/lib.git` }) },
    { lib },
    async source => {
      await h.repositories.gc('shop', { signal: never })
      t.equal(String(await source.read('lib/a')), '1')
    },
  )
  t.ok(source)
  t.equal((await modules()).length, 1)
})

function gitmodules(paths: Record<string, string>): string {
  return Object.entries(paths)
    .map(([path, url], at) => `[submodule "m${at}"]\n\tpath = ${path}\n\turl = ${url}\n`)
    .join('')
}

interface Pushed {
  readonly source: Source | undefined
  readonly said: readonly string[]
  readonly error: unknown
  readonly exit: number | null
}

/** Davit's repositories, a server for submodules, and a clone that pushes to the one and names commits of the other. */
async function house(
  t: Test,
  options: { limits?: Partial<Limits>; reach?: Reach; env?: NodeJS.ProcessEnv } = {},
) {
  const [h, server] = [await host(t, options), await gitServer(t)]
  let away = new AbortController()

  async function push(
    files: Record<string, string | Buffer>,
    links: Record<string, string>,
    meanwhile: (source: Source) => Promise<void> = async () => undefined,
    app = 'shop',
  ): Promise<Pushed> {
    const said: string[] = []
    let source: Source | undefined
    let error: unknown
    away = new AbortController()
    h.accepting.accept = async ({ refs, quarantine }, tools) => {
      const pushed = await h.repositories.source(app, refs[0]!.new, { branch: 'main', quarantine })
      const signal = AbortSignal.any([tools.signal, away.signal])
      try {
        source = await whole(pushed, { said, signal })
        await meanwhile(source)
        return 0
      } catch (caught) {
        error = caught
        return 1
      }
    }
    for (const [path, content] of Object.entries(files)) {
      await h.write(path, content)
      await h.must('add', '--', path)
    }
    for (const [path, commit] of Object.entries(links)) {
      if (commit) await h.must('update-index', '--add', '--cacheinfo', `160000,${commit},${path}`)
      else await h.must('update-index', '--force-remove', path)
    }
    await h.must('commit', '-q', '--allow-empty', '-m', 'change')
    const { code } = await h.git('push', 'davit', 'main')
    return { source, said, error, exit: code }
  }

  const folder = join(h.repo, 'modules')
  return {
    h,
    server,
    push,
    leave: () => away.abort(),
    modules: async () => {
      if (!existsSync(folder)) return []
      return (await readdir(folder)).map(name => join(folder, name))
    },
    /** A commit of the clone as a source, without the checks that git makes at a push. */
    async sourceOf(commit: string) {
      const objects = join(h.clone, '.git/objects')
      return h.repositories.source('shop', commit, {
        branch: 'main',
        quarantine: { GIT_ALTERNATE_OBJECT_DIRECTORIES: objects },
      })
    },
  }
}

function whole(
  source: Source,
  { said = [], signal = never }: { said?: string[]; signal?: AbortSignal } = {},
): Promise<Source> {
  const say = (line: string) => void said.push(line)
  const out: Out = Object.assign(say, {
    step: (line: string) => say(`-----> ${line}`),
    headline: say,
    detail: say,
    warn: (line: string) => say(` !     ${line}`),
    flushed: async (line: string) => say(line),
  })
  return source.whole?.({ out, signal }) ?? Promise.resolve(source)
}

async function filesIn(source: Source): Promise<Record<string, string>> {
  const files: Record<string, string> = {}
  const extract = tar.extract()
  source.archive({ signal: never }).pipe(extract)
  for await (const entry of extract)
    files[entry.header.name] = await text(entry as unknown as AsyncIterable<Buffer>)
  return files
}
