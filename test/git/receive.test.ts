import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmod, copyFile, mkdir, readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'

import t from 'tap'

import type { Push } from '../../src/git/push.ts'
import { checkHook } from '../../src/git/receive.ts'
import { hooks, host } from './host.ts'

t.test('a push is taken when the daemon takes it, and a clone gets the same files back', async t => {
  const h = await host(t)
  const big = randomBytes(50 * 2 ** 20)
  const tip = await h.commit({ 'a.txt': 'hello\n', 'deep/er/b.bin': big })
  const pushed = await h.git('push', 'davit', 'main')
  t.equal(pushed.code, 0, pushed.err)
  t.equal(await h.repositories.tip('shop', 'main'), tip)
  t.equal((await h.gitIn(h.dir, ['clone', '-q', 'ssh://davit/shop', 'again'])).code, 0)
  t.ok(big.equals(await readFile(join(h.dir, 'again/deep/er/b.bin'))))
  t.same(h.results, [
    { status: 'fulfilled', value: 0 },
    { status: 'fulfilled', value: 0 },
  ])
})

t.test('the daemon sees every ref and reads the source while git still hides it', async t => {
  const h = await host(t)
  const seen: { push?: Push; files?: readonly string[]; bytes?: Buffer; tar?: Buffer; alone?: unknown } = {}
  h.accepting.accept = async push => {
    seen.push = push
    const { quarantine } = push
    const source = await h.repositories.source('shop', push.refs[0]!.new, { branch: 'main', quarantine })
    seen.files = await source.list()
    seen.bytes = await source.read('Procfile')
    const chunks = await source.archive({ signal: AbortSignal.timeout(10_000) }).toArray()
    seen.tar = Buffer.concat(chunks)
    seen.alone = await h.repositories
      .source('shop', push.refs[0]!.new, { branch: 'main' })
      .catch(error => error)
    return 0
  }
  const tip = await h.commit({ Procfile: 'web: serve\n', 'src/x.js': '1\n' })
  await h.must('tag', '-a', 'v1', '-m', 'one')
  t.equal((await h.git('push', 'davit', 'main', 'main:side', 'v1')).code, 0)
  const none = '0'.repeat(40)
  t.same(seen.push?.refs, [
    { old: none, new: tip, name: 'refs/heads/main' },
    { old: none, new: tip, name: 'refs/heads/side' },
    { old: none, new: await h.must('rev-parse', 'v1'), name: 'refs/tags/v1' },
  ])
  t.match(seen.push?.quarantine.GIT_OBJECT_DIRECTORY, new RegExp(`^${h.repo}/.*objects/.*incoming-`))
  t.same(seen.files, ['Procfile', 'src/x.js'])
  t.equal(seen.bytes?.toString(), 'web: serve\n')
  t.ok(seen.tar?.includes('web: serve\n'))
  t.match(seen.alone, { code: 'no-commit' })
})

t.test('a push that the daemon rejects leaves no ref and no object', async t => {
  const h = await host(t)
  for (const code of [1, 256, -1, Number.NaN]) {
    h.accepting.accept = async (_, { say }) => {
      say(' !     no Procfile')
      return code
    }
    await h.commit({ 'a.txt': `no ${code}\n` })
    const pushed = await h.git('push', 'davit', 'main')
    t.equal(pushed.code, 1)
    t.match(pushed.err, /remote: {2}! {5}no Procfile/)
    t.match(pushed.err, /\[remote rejected\] main -> main \(pre-receive hook declined\)/)
  }
  t.same(await objectsOf(h.repo), [])
  t.equal(await h.repositories.tip('shop', 'main'), undefined)
})

t.test('lines arrive while the deploy goes on, exactly as they were said', async t => {
  const h = await host(t)
  const arrived = Promise.withResolvers<void>()
  const odd = [
    'exit:0',
    '  two spaces  ',
    'back\\slash \\n %s $HOME `id` $(id)',
    'ā ł Ā é 漢字 🚢',
    '-n',
    '',
    'x'.repeat(9000),
  ]
  h.accepting.accept = async (_, { say }) => {
    say('-----> Building')
    await arrived.promise
    for (const line of odd) say(line)
    return 1
  }
  await h.commit({ a: 'a' })
  const client = h.begin(['push', 'davit', 'main'])
  let err = ''
  client.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    err += chunk
    if (err.includes('remote: -----> Building')) arrived.resolve()
  })
  client.stdin.end()
  const [code] = await once(client, 'close')
  t.equal(code, 1, 'a line that looks like a verdict is none')
  const lines = err.split('\n').map(line => line.replace(/(?: {8}|\u001b\[K)$/, ''))
  for (const line of odd)
    t.ok(lines.includes(`remote: ${line}`.trimEnd()) || lines.includes(`remote: ${line}`), line.slice(0, 30))
})

t.test('a pusher who does not read misses lines, is told so, and still gets the verdict', async t => {
  const h = await host(t)
  const client = Promise.withResolvers<number>()
  const line = 'x'.repeat(1000)
  h.accepting.accept = async (_, { say }) => {
    process.kill(-(await client.promise), 'SIGSTOP')
    for (let said = 0; said < 12_000; said++) say(line)
    process.kill(-(await client.promise), 'SIGCONT')
    while (!seen.includes('lines left out')) {
      say('more')
      await new Promise(setImmediate)
    }
    return 1
  }
  await h.commit({ a: 'a' })
  let seen = ''
  const pusher = h.begin(['push', 'davit', 'main'])
  client.resolve(pusher.pid!)
  pusher.stderr.on('data', chunk => {
    seen = (seen + chunk).slice(-100_000)
  })
  pusher.stdin.end()
  const [code] = await once(pusher, 'close')
  t.equal(code, 1)
  t.match(seen, /… \d+ lines left out …/)
  t.match(seen, /hook declined/)
})

t.test('what the daemon throws rejects the push, and is thrown to the caller', async t => {
  const h = await host(t)
  h.accepting.accept = async () => {
    throw new Error('disk full')
  }
  await h.commit({ a: 'a' })
  const pushed = await h.git('push', 'davit', 'main')
  t.equal(pushed.code, 1)
  t.match(pushed.err, 'pre-receive hook declined')
  t.match(h.results, [{ status: 'rejected', reason: { message: 'disk full' } }])
  t.same(await objectsOf(h.repo), [])
})

t.test('a pusher who leaves in the middle ends git, the deploy hears of it, and nothing stays', async t => {
  const h = await host(t)
  const begun = Promise.withResolvers<Push>()
  let undone = false
  h.accepting.accept = async (push, { signal }) => {
    begun.resolve(push)
    await once(signal, 'abort')
    undone = true
    return 0
  }
  await h.commit({ a: 'a' })
  const client = h.begin(['push', 'davit', 'main'])
  client.stdin.end()
  const { quarantine } = await begun.promise
  t.ok((await readdir(quarantine.GIT_OBJECT_DIRECTORY!)).length > 0)
  const answered = once(h.server, 'answered')
  process.kill(-client.pid!, 'SIGKILL')
  await answered
  t.ok(undone)
  t.match(h.results, [{ status: 'fulfilled', value: 143 }])
  t.same(await objectsOf(h.repo), [])
  t.equal(await h.repositories.tip('shop', 'main'), undefined)
  t.same(await processesIn(h.repo), [])
})

t.test('a pusher who leaves while the pack is on its way leaves nothing either', async t => {
  const h = await host(t)
  await h.commit({ big: randomBytes(30 * 2 ** 20) })
  const connected = once(h.server, 'connection')
  const client = h.begin(['push', 'davit', 'main'])
  client.stdin.end()
  const [socket] = await connected
  while (socket.bytesRead < 4 << 20) await new Promise(setImmediate)
  const answered = once(h.server, 'answered')
  process.kill(-client.pid!, 'SIGKILL')
  await answered
  t.same(await objectsOf(h.repo), [])
  t.same(await processesIn(h.repo), [])
})

t.test('what git started and does not stop when asked is ended with it', async t => {
  const stubborn = '#!/bin/sh\ntrap "" TERM\ncd "$GIT_DIR" && echo started\nwhile :; do sleep 1; done\n'
  const folder = t.testdir({ 'pre-receive': stubborn })
  await chmod(join(folder, 'pre-receive'), 0o755)
  const h = await host(t, { hooks: folder })
  await h.commit({ a: 'a' })
  const client = h.begin(['push', 'davit', 'main'])
  client.stdin.end()
  for await (const chunk of client.stderr) if (String(chunk).includes('started')) break
  const answered = once(h.server, 'answered')
  process.kill(-client.pid!, 'SIGKILL')
  await answered
  t.match(h.results, [{ value: 143 }])
  t.same(await objectsOf(h.repo), [])
  while ((await processesIn(h.repo)).length) await new Promise(setImmediate)
  t.pass('no process stays')
})

t.test('git that is killed under a deploy aborts the deploy', async t => {
  const h = await host(t)
  h.accepting.accept = async (_, { signal }) => {
    for (const pid of await processesIn(h.repo)) process.kill(pid, 'SIGKILL')
    await once(signal, 'abort')
    return 0
  }
  await h.commit({ a: 'a' })
  t.not((await h.git('push', 'davit', 'main')).code, 0)
  t.match(h.results, [{ status: 'fulfilled', value: 137 }])
  t.same(await objectsOf(h.repo), [], 'the quarantine that git could not take away is gone too')
})

t.test('pushes that move back, delete, or change nothing', async t => {
  const h = await host(t)
  const asked: Push[] = []
  h.accepting.accept = async push => {
    asked.push(push)
    return 0
  }
  const first = await h.commit({ a: '1' })
  const second = await h.commit({ a: '2' })
  await h.must('push', 'davit', 'main', 'main:side')
  t.match(await h.git('push', 'davit', `${first}:main`), { code: 1, err: /non-fast-forward/ })
  await h.must('push', '-f', 'davit', `${first}:main`)
  await h.must('push', 'davit', ':side')
  await h.must('push', 'davit', `${first}:main`)
  t.same(
    asked.slice(1).map(({ refs }) => refs),
    [
      [{ old: second, new: first, name: 'refs/heads/main' }],
      [{ old: second, new: '0'.repeat(40), name: 'refs/heads/side' }],
    ],
    'a push that changes nothing asks nothing',
  )
  t.equal(await h.repositories.tip('shop', 'side'), undefined)
})

t.test('an empty clone pushes nothing and is told so by git', async t => {
  const h = await host(t)
  t.match(await h.git('push', 'davit', 'main'), { code: 1, err: /src refspec main does not match any/ })
  t.match(await h.git('push', 'davit', '--all'), { code: 1, err: /No refs in common/ })
  await h.commit({})
  t.equal((await h.git('push', 'davit', 'main')).code, 0, 'a commit without files is a push')
  const source = await h.repositories.source('shop', 'main', { branch: 'main' })
  t.same(await source.list(), [])
})

t.test('a shallow clone, as CI makes them, can push', async t => {
  const h = await host(t)
  for (const text of ['1', '2', '3']) await h.commit({ a: text })
  await h.gitIn(h.dir, ['clone', '-q', '--depth', '1', `file://${h.clone}`, 'shallow'])
  const shallow = join(h.dir, 'shallow')
  let files: readonly string[] = []
  h.accepting.accept = async ({ refs, quarantine }) => {
    const source = await h.repositories.source('shop', refs[0]!.new, { branch: 'main', quarantine })
    files = await source.list()
    await source.archive({ signal: AbortSignal.timeout(10_000) }).toArray()
    return 0
  }
  const pushed = await h.gitIn(shallow, ['push', 'ssh://davit/shop', 'main'])
  t.equal(pushed.code, 0, pushed.err)
  t.same(files, ['a'])
  await h.commit({ a: '4' })
  t.equal((await h.git('push', 'davit', 'main')).code, 0, 'and a whole clone goes on from there')
})

t.test('a push larger than allowed is refused in words', async t => {
  const h = await host(t, { limits: { pushBytes: 100_000 } })
  await h.commit({ big: randomBytes(200_000) })
  const pushed = await h.git('push', 'davit', 'main')
  t.not(pushed.code, 0)
  t.match(pushed.err, /pack exceeds maximum allowed size/)
  t.same(await objectsOf(h.repo), [])
})

t.test("trees that would harm whoever checks them out are refused in git's words", async t => {
  const h = await host(t)
  let asked = 0
  h.accepting.accept = async () => {
    asked++
    return 0
  }
  const blob = await h.object('blob', '/etc/passwd')
  const folder = await h.tree(['100644', 'config', blob])
  const evil = {
    hasDotgit: await h.tree(['40000', '.git', folder]),
    'contains .*dotgit': await h.tree(['40000', '.GIT\u200c', folder]),
    hasDotdot: await h.tree(['40000', '..', folder]),
    gitmodulesSymlink: await h.tree(['120000', '.gitmodules', blob]),
    gitmodulesUrl: await h.tree([
      '100644',
      '.gitmodules',
      await h.object('blob', '[submodule "x"]\n\turl = --upload-pack=x\n\tpath = x\n'),
    ]),
  }
  for (const [words, tree] of Object.entries(evil)) {
    const pushed = await h.git('push', 'davit', `${await h.commitTree(tree)}:refs/heads/main`)
    t.not(pushed.code, 0)
    t.match(pushed.err, words === 'contains .*dotgit' ? /dotgit/i : words)
  }
  t.equal(asked, 0)
  t.same(await objectsOf(h.repo), [])
})

t.test('a branch with the name of an option is only a name', async t => {
  const h = await host(t)
  const tip = await h.commit({ a: 'a' })
  await h.must('push', 'davit', 'HEAD:refs/heads/--upload-pack=x')
  t.equal(await h.repositories.tip('shop', '--upload-pack=x'), tip)
  await h.repositories.setHead('shop', '--upload-pack=x')
  const source = await h.repositories.source('shop', '--upload-pack=x', { branch: '--upload-pack=x' })
  t.equal(source.revision, tip)
})

t.test('variables of git around the daemon do not reach git', async t => {
  const h = await host(t, {
    env: {
      GIT_DIR: '/nowhere',
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: 'core.hooksPath',
      GIT_CONFIG_VALUE_0: '/nowhere',
      GIT_TRACE: '1',
    },
  })
  let asked = false
  h.accepting.accept = async () => {
    asked = true
    const [pid] = await processesIn(h.repo)
    const env = (await readFile(`/proc/${pid}/environ`, 'utf8')).split('\0')
    const names = env.map(line => line.split('=')[0]!).filter(name => name.startsWith('GIT_'))
    t.notOk(names.includes('GIT_TRACE') || names.includes('GIT_CONFIG_COUNT'))
    return 0
  }
  await h.commit({ a: 'a' })
  const pushed = await h.git('push', 'davit', 'main')
  t.equal(pushed.code, 0)
  t.notMatch(pushed.err, /trace/)
  t.ok(asked, 'the hook ran')
})

t.test('two people push at once, and the later one to the same branch is told', async t => {
  const h = await host(t)
  const both = Promise.withResolvers<void>()
  let asked = 0
  h.accepting.accept = async () => {
    if (++asked === 2) both.resolve()
    await both.promise
    return 0
  }
  await h.commit({ a: '1' })
  await h.must('branch', 'other')
  await h.commit({ a: '2' })
  const codes = await Promise.all([h.git('push', 'davit', 'main:x'), h.git('push', 'davit', 'other:x')])
  t.same(codes.map(({ code }) => code).sort(), [0, 1])
  t.match(codes.find(({ code }) => code)?.err, /remote rejected.*failed to update ref|cannot lock ref/)
})

t.test('a push to a repository that is gone fails at once', async t => {
  const h = await host(t)
  await h.repositories.remove('shop')
  await h.commit({ a: 'a' })
  t.not((await h.git('push', 'davit', 'main')).code, 0)
  t.match(h.results, [{ status: 'rejected', reason: { code: 'ENOENT' } }])
})

t.test('a branch whose name is not UTF-8 is refused', async t => {
  const h = await host(t)
  await h.commit({ a: 'a' })
  const packed = Buffer.concat([
    Buffer.from(`${await h.must('rev-parse', 'HEAD')} refs/heads/b`),
    Buffer.from([0xff, 0x0a]),
  ])
  await h.write('.git/packed-refs', packed)
  t.match(await h.git('push', 'davit', '--all'), { code: 1, err: /hook declined/ })
  t.match(h.results, [{ status: 'rejected', reason: { code: 'bad-branch' } }])
})

t.test('a hook that cannot be run is found before anything is pushed', async t => {
  await checkHook(hooks)
  const dir = t.testdir()
  await t.rejects(checkHook(dir), { code: 'hook-unusable' })
  await mkdir(join(dir, 'h'))
  await copyFile(join(hooks, 'pre-receive'), join(dir, 'h/pre-receive'))
  await chmod(join(dir, 'h/pre-receive'), 0o644)
  await t.rejects(checkHook(join(dir, 'h')), { code: 'hook-unusable', hint: /chmod 755/ })
})

/** Everything that a push could leave: loose objects, packs, quarantines. */
async function objectsOf(repo: string): Promise<string[]> {
  const names = await readdir(join(repo, 'objects'), { recursive: true })
  return names.filter(name => !['info', 'pack'].includes(name))
}

async function processesIn(folder: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name))
  const here = await Promise.all(
    pids.map(async pid =>
      (await readlink(`/proc/${pid}/cwd`).catch(() => '')).startsWith(folder) ? [Number(pid)] : [],
    ),
  )
  return here.flat()
}
