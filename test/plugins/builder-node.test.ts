import t from 'tap'

import { builders, type Files, fixture } from './builders.ts'

const ask = await builders(t)

const lock = '{"lockfileVersion":3}'
const server = { 'server.js': 'x' }

function manifest(json: object): string {
  return JSON.stringify(json)
}

async function web(files: Files): Promise<string | undefined> {
  return (await ask(files)).builder?.processes?.web
}

async function dockerfile(files: Files): Promise<string> {
  return (await ask(files)).builder!.dockerfile
}

/** The Node that a wish leads to: the words of `use-node`, or nothing for the stack's own. */
async function used(engine: string, files: Files = {}): Promise<string | undefined> {
  const text = await dockerfile({
    ...server,
    'package.json': manifest(engine ? { engines: { node: engine } } : {}),
    ...files,
  })
  return /RUN \["use-node",(.*)\]/.exec(text)?.[1]
}

t.test('packages come before the app, in a layer of their own', async t => {
  const { builder, said } = await ask(await fixture('node-express'))
  t.equal(builder!.name, 'node')
  t.same(builder!.processes, { web: 'node server.js' })
  t.same(said, ['No Procfile, so web is: node server.js'])
  t.equal(
    builder!.dockerfile,
    [
      'FROM davit/stack-node',
      'WORKDIR /app',
      'USER app',
      'COPY --chown=app:app ["package.json","package-lock.json","/app/"]',
      'RUN --mount=type=cache,id=davit-node-shop,target=/var/cache/npm,uid=1000,gid=1000 export HUSKY=0 NPM_CONFIG_CACHE=/var/cache/npm && npm ci --omit=dev',
      'COPY --chown=app:app [".", "/app/"]',
      'ENV NODE_ENV=production PATH=/app/node_modules/.bin:$PATH',
      '',
    ].join('\n'),
  )
})

t.test('a build has the development packages, which are gone afterwards', async t => {
  const text = await dockerfile(await fixture('node-build'))
  t.match(
    text,
    /npm ci --include=dev\nCOPY .*"\."[^\n]*\nRUN NODE_ENV=production npm run build\nRUN .*npm prune --omit=dev/,
  )
  const both = manifest({ scripts: { build: 'x', 'heroku-postbuild': 'y' } })
  t.match(await dockerfile({ ...server, 'package.json': both }), 'npm run heroku-postbuild\n')
})

t.test('without a lockfile versions may differ, which is said', async t => {
  const { builder, said } = await ask({ ...server, 'package.json': '{}' })
  t.match(builder!.dockerfile, 'npm install --omit=dev\n')
  t.ok(said.some(line => /no lockfile.*package-lock\.json/.test(line)))
  const bun = await ask({ ...server, 'package.json': '{}', 'bun.lock': '' })
  t.ok(bun.said.some(line => /bun's lockfile is not read/.test(line)))
})

t.test('the lockfile decides who installs, and in which version', async t => {
  const install = async (files: Files, json: object = {}) => {
    const text = await dockerfile({ ...server, 'package.json': manifest(json), ...files })
    const [, tool] = /npm install --global (\S+)/.exec(text) ?? []
    return `${tool}: ${/&& ((?:npm|yarn|pnpm) .*)$/m.exec(text)![1]}`
  }
  const cases = [
    [{ 'npm-shrinkwrap.json': lock }, {}, 'undefined: npm ci --omit=dev'],
    [
      { 'yarn.lock': '# yarn lockfile v1\n' },
      {},
      'yarn@1.22.22: yarn install --frozen-lockfile --non-interactive --production',
    ],
    [
      { 'yarn.lock': '__metadata:\n  version: 8\n' },
      {},
      '@yarnpkg/cli-dist@4: yarn install --immutable && yarn workspaces focus --production --all',
    ],
    [
      { 'yarn.lock': '__metadata:\n', '.yarnrc.yml': 'yarnPath: .yarn/releases/yarn-3.6.1.cjs\n' },
      {},
      '@yarnpkg/cli-dist@3.6.1: yarn install --immutable',
    ],
    [{ 'pnpm-lock.yaml': "lockfileVersion: '9.0'\n" }, {}, 'pnpm@10: pnpm install --frozen-lockfile --prod'],
    [{ 'pnpm-lock.yaml': "lockfileVersion: '6.0'\n" }, {}, 'pnpm@8: pnpm install --frozen-lockfile --prod'],
    [
      { 'pnpm-lock.yaml': '', 'package-lock.json': lock },
      { packageManager: 'pnpm@9.1.0+sha512.ab' },
      'pnpm@9.1.0: pnpm install --frozen-lockfile --prod',
    ],
    [{ 'package-lock.json': lock }, { packageManager: 'npm@10.1.0' }, 'undefined: npm ci --omit=dev'],
    [
      { 'pnpm-lock.yaml': '' },
      { packageManager: 'pnpm@1.0.0; rm -rf /' },
      'pnpm@10: pnpm install --frozen-lockfile --prod',
    ],
  ] as const
  for (const [files, json, expected] of cases) t.equal(await install(files, json), expected)
  const several = await ask({ ...server, 'package.json': '{}', 'package-lock.json': lock, 'yarn.lock': '' })
  t.ok(several.said.some(line => /several lockfiles.*package-lock\.json is used/.test(line)))
})

t.test('what installing needs of the repository is there first', async t => {
  const reasons = [
    { scripts: { postinstall: 'prisma generate' } },
    { scripts: { prepare: 'tsc' } },
    { workspaces: ['packages/*'] },
    { dependencies: { lib: 'file:./lib' } },
    { dependencies: { lib: './lib' } },
    { devDependencies: { lib: 'workspace:*' } },
    { pnpm: { patchedDependencies: { a: 'a.patch' } } },
  ]
  for (const json of reasons) {
    const text = await dockerfile({ ...server, 'package.json': manifest(json), 'package-lock.json': lock })
    t.match(text, /COPY --chown=app:app \["\.", "\/app\/"\]\nRUN .*npm ci --include=dev\n/, manifest(json))
  }
  const linked = await ask({ ...server, 'package.json': '{}' }, ['package-lock.json'])
  t.match(linked.builder!.dockerfile, /COPY --chown=app:app \["\.", "\/app\/"\]\nRUN .*npm ci/)
  const husky = { scripts: { prepare: 'husky' } }
  t.match(
    await dockerfile({ ...server, 'package.json': manifest(husky), 'package-lock.json': lock }),
    /COPY .*"package-lock.json","\/app\/"\]\nRUN .*HUSKY=0.*npm ci --include=dev\nCOPY/,
  )
})

t.test('the start script runs without npm in between, unless npm does more', async t => {
  const cases = [
    [{ start: 'node server.js' }, 'node server.js'],
    [{ start: ' next start -p $PORT ' }, 'next start -p $PORT'],
    [{ start: 'node a.js', prestart: 'node migrate.js' }, 'npm start'],
    [{ start: 'node a.js --name $npm_package_name' }, 'npm start'],
    [{ start: 'node a.js\nnode b.js' }, 'npm start'],
  ] as const
  for (const [scripts, expected] of cases)
    t.equal(await web({ 'package.json': manifest({ scripts }) }), expected)
})

t.test('without a start script the program itself is looked for', async t => {
  t.equal(await web({ 'package.json': manifest({ main: './lib/app' }), 'lib/app.js': '' }), 'node lib/app.js')
  t.equal(await web({ 'package.json': manifest({ main: 'x.js' }), 'x.js': '', ...server }), 'node server.js')
  t.equal(await web({ 'package.json': '{}', 'index.mjs': '' }), 'node index.mjs')
  t.equal(
    await web({ 'package.json': manifest({ main: 'a.js; id' }), 'a.js; id': '', 'index.js': '' }),
    'node index.js',
  )
  t.equal(await web(await fixture('node-bare')), 'node server.js', 'no package.json at all')
  const declared = await ask({ 'package.json': '{}', Procfile: 'web: node x.js\n' })
  t.match(declared.builder, { name: 'node', processes: undefined })
})

t.test('an app that nobody knows how to start is refused with the way out', async t => {
  await t.rejects(ask({ 'package.json': '{}' }), { cause: { code: 'no-entry', hint: /"start"/ } })
  const site = manifest({ scripts: { build: 'vite build' } })
  await t.rejects(ask({ 'package.json': site, 'index.html': '' }), {
    cause: { code: 'no-entry', hint: /static\.json/ },
  })
  await t.rejects(ask({ 'package.json': '{oops' }), { cause: { code: 'bad-package-json' } })
  for (const odd of ['[]', 'null', '"x"', '{"scripts":[1],"engines":"node","dependencies":{"a":1}}'])
    await t.rejects(ask({ 'package.json': odd }), { cause: { code: 'no-entry' } })
})

t.test('the Node that is wished for is used', async t => {
  const cases = [
    ['', undefined],
    ['*', undefined],
    ['>=18', undefined],
    ['18 || 20 || >=22', undefined],
    ['24.x', undefined],
    ['^24.3.1', undefined],
    ['22.x', '"npm@10","22"'],
    ['^22.1', '"npm@10",">=22.1.0 <23.0.0","22"'],
    ['>=20 <23', '"npm@10","22"'],
    ['20.11.1', '"npm@10",">=20.11.1 <20.11.2","20"'],
    ['~20.11', '"npm@10",">=20.11.0 <20.12.0","20"'],
    ['18 - 20', '"npm@10","20"'],
    ['>= 14 < 16', '"npm@8","14"'],
    ['>=25', '"npm@11","26"'],
    ['24.2.0', '"npm@11",">=24.2.0 <24.2.1","24"'],
    ['31', '"npm@11","31"'],
  ] as const
  for (const [engine, words] of cases) t.equal(await used(engine), words, engine)
})

t.test('.node-version and .nvmrc are read where engines say nothing', async t => {
  t.equal(await used('', { '.nvmrc': 'v20\n' }), '"npm@10","20"')
  t.equal(await used('', { '.nvmrc': 'lts/jod\n' }), '"npm@10","22"')
  t.equal(await used('', { '.nvmrc': 'lts/*\n' }), undefined)
  t.equal(await used('', { '.node-version': '# ours\n22\n', '.nvmrc': '18' }), '"npm@10","22"')
  t.equal(await used('20', { '.nvmrc': '18' }), '"npm@10","20"')
})

t.test('a wish that cannot be read or met is told', async t => {
  const odd = await ask({ ...server, 'package.json': manifest({ engines: { node: '22"] && rm -rf /' } }) })
  t.notMatch(odd.builder!.dockerfile, /use-node/)
  t.ok(odd.said.some(line => /cannot be read; Node 24 is used/.test(line)))
  const none = ask({ ...server, 'package.json': manifest({ engines: { node: '<10' } }) })
  await t.rejects(none, { cause: { code: 'node-version' } })
})

t.test('where Python is there too, what is chosen is said', async t => {
  const flask = 'from flask import Flask\napp = Flask(__name__)\n'
  const json = manifest({ scripts: { start: 'node server.js', build: 'vite build' } })
  const cases = [
    [{ 'app.py': flask, 'requirements.txt': 'flask', 'package.json': json }, 'python'],
    [{ 'requirements.txt': 'flask', 'package.json': json }, 'node'],
    [{ 'requirements.txt': '', 'package.json': json, Procfile: 'web: gunicorn x:app' }, 'python'],
    [{ 'app.py': flask, 'package.json': json, Procfile: 'web: npm start' }, 'node'],
  ] as const
  for (const [files, name] of cases) {
    const { builder, said } = await ask(files)
    t.equal(builder?.name, name)
    if ('requirements.txt' in files)
      t.ok(
        said.some(line => line.toLowerCase().includes(`as a ${name} app`)),
        Object.keys(files).join(),
      )
  }
  t.equal((await ask({ 'server.js': '', 'requirements.txt': '', 'app.py': flask })).builder?.name, 'python')
})
