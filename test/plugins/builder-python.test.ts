import t from 'tap'

import { builders, type Files, fixture } from './builders.ts'

const ask = await builders(t)

const flask = 'from flask import Flask\napp = Flask(__name__)\n'
// biome-ignore lint/suspicious/noTemplateCurlyInString: the container's shell fills it in.
const start = 'gunicorn --bind 0.0.0.0:$PORT --workers ${WEB_CONCURRENCY:-2} --threads 4 --access-logfile -'

/** The line that the builder finds for web. */
async function web(files: Files): Promise<string | undefined> {
  return (await ask(files)).builder?.processes?.web
}

t.test('requirements come before the app, in a layer of their own', async t => {
  const { builder } = await ask(await fixture('flask-gunicorn'))
  t.equal(builder!.name, 'python')
  t.equal(builder!.processes, undefined, 'the Procfile is the core’s to read')
  t.equal(
    builder!.dockerfile,
    [
      'FROM davit/stack-python',
      'WORKDIR /app',
      'COPY ["requirements.txt","/app/"]',
      'RUN --mount=type=cache,target=/root/.cache/pip pip install -r requirements.txt',
      'COPY --chown=app:app [".", "/app/"]',
      'USER app',
      'RUN python -m compileall -q . >/dev/null || true',
      '',
    ].join('\n'),
  )
})

t.test('files that the requirements include come along, each folder at a time', async t => {
  const { builder } = await ask({
    Procfile: 'web: x',
    'requirements.txt': '--requirement=requirements/prod.txt # why\n-c "limits.txt"\n-r requirements.txt\n',
    'requirements/prod.txt': '-rbase.txt\ngunicorn \\\n  ==27.0.1\n',
    'requirements/base.txt': 'flask\n-r https://example.com/more.txt\n',
    'limits.txt': 'flask<4\n',
  })
  t.match(builder!.dockerfile, 'COPY ["requirements.txt","limits.txt","/app/"]\n')
  t.match(
    builder!.dockerfile,
    'COPY ["requirements/prod.txt","requirements/base.txt","/app/requirements/"]\n',
  )
})

t.test('an include that is not there is said by name', async t => {
  for (const path of ['more.txt', '../more.txt', '/etc/passwd']) {
    const files = { Procfile: 'web: x', 'requirements.txt': `-r ${path}\n` }
    await t.rejects(ask(files), { cause: { code: 'missing-include', message: new RegExp(path) } })
  }
})

t.test('what is installed from the repository, or cannot be read, has everything copied first', async t => {
  const lines = [
    '.',
    '-e .',
    '-e ./lib[all]',
    '--editable=lib',
    'lib/x.whl',
    'x.tar.gz',
    'x @ file:./x',
    '-f wheels',
    './a#egg=b',
  ]
  for (const line of lines) {
    const { builder } = await ask({ Procfile: 'web: x', 'requirements.txt': `flask\n${line}\n` })
    t.match(builder!.dockerfile, /COPY --chown=app:app \["\.", "\/app\/"\]\nRUN .* pip install/, line)
  }
  const odd = await ask({ Procfile: 'web: x', 'requirements.txt': '-r [a]$b.txt\n', '[a]$b.txt': '' })
  t.match(odd.builder!.dockerfile, /COPY .*\nRUN .* pip install/)
  const link = await ask({ Procfile: 'web: x' }, ['requirements.txt'])
  t.match(link.builder!.dockerfile, /COPY .*\nRUN .* pip install -r requirements.txt\n/)
})

t.test('what comes from elsewhere keeps the layer', async t => {
  const lines = [
    'flask[async]>=3 ; python_version > "3.8"',
    'git+https://example.com/x.git@main#egg=x',
    '-e git+https://example.com/x.git#egg=x',
    'x @ https://example.com/x.whl',
    'https://example.com/x.whl',
    '--extra-index-url https://example.com/simple',
    '--hash=sha256:abc',
  ]
  for (const line of lines) {
    const { builder } = await ask({ Procfile: 'web: x', 'requirements.txt': `${line}\n` })
    t.match(builder!.dockerfile, 'COPY ["requirements.txt","/app/"]', line)
  }
})

t.test('without a Procfile gunicorn is started, and installed when the requirements have none', async t => {
  const without = await ask(await fixture('flask-bare'))
  t.same(without.builder!.processes, { web: `${start} app:app` })
  t.match(without.builder!.dockerfile, 'pip install -r requirements.txt gunicorn\n')
  t.match(without.said, [/No Procfile, so web is: gunicorn/])
  for (const line of ['Gunicorn[gevent] >= 20', 'GUNICORN', 'git+https://example.com/g.git#egg=gunicorn']) {
    const { builder } = await ask({ 'app.py': flask, 'requirements.txt': `flask\n${line}\n` })
    t.match(builder!.dockerfile, 'pip install -r requirements.txt\n', line)
  }
  const bound = await ask({ 'app.py': flask, 'requirements.txt': '-c c.txt\nflask', 'c.txt': 'gunicorn<99' })
  t.match(bound.builder!.dockerfile, 'pip install -r requirements.txt gunicorn\n')
})

t.test('requirements as a Windows shell writes them are read', async t => {
  const text = Buffer.from('\uFEFFflask==3.1.3\r\ngunicorn==27.0.1\r\n', 'utf16le')
  const { builder } = await ask({ 'app.py': flask, 'requirements.txt': text })
  t.match(builder!.dockerfile, 'pip install -r requirements.txt\n')
})

t.test('the callable is found by reading', async t => {
  const cases: Record<string, Files> = {
    'app:server': { 'app.py': 'import flask\nserver: flask.Flask = flask.Flask(__name__)\n' },
    'wsgi:application': { 'wsgi.py': 'from shop import make\napplication = make()\n', 'app.py': flask },
    'wsgi:app': { 'wsgi.py': 'from shop import db, app\n' },
    'main:app': { 'main.py': flask },
    'app:application': { 'app.py': 'def application(environ, start_response):\n    pass\n' },
    app: {
      'app/__init__.py':
        'from flask import Flask\ndef create_app(config=None, *more):\n    return Flask(__name__)\n',
    },
  }
  for (const [callable, files] of Object.entries(cases)) {
    const line = await web({ ...files, 'requirements.txt': 'flask' })
    t.equal(line, callable === 'app' ? `exec ${start} 'app:create_app()'` : `${start} ${callable}`)
  }
})

t.test('an ASGI app gets a server that speaks it', async t => {
  const files = { 'main.py': 'from fastapi import FastAPI\napi = FastAPI()\n', 'requirements.txt': 'fastapi' }
  t.equal(await web(files), 'uvicorn --host 0.0.0.0 --port $PORT main:api')
  t.match((await ask(files)).builder!.dockerfile, 'pip install -r requirements.txt uvicorn\n')
})

t.test('a program without a callable is run as it stands', async t => {
  t.equal(await web({ 'app.py': 'import http.server\n' }), 'python app.py')
})

t.test(
  'Django: the wsgi.py beside the settings, and static files are collected when they have a place',
  async t => {
    const files = await fixture('django')
    const { builder } = await ask({ ...files, 'aaa/wsgi.py': 'application = 1' })
    t.same(builder!.processes, { web: `${start} harbour.wsgi` })
    t.match(builder!.dockerfile, /\nRUN python manage.py collectstatic --noinput \|\| echo/)
    const plain = await ask({ ...files, 'harbour/settings.py': '# STATIC_ROOT = "x"\n' })
    t.notMatch(plain.builder!.dockerfile, 'collectstatic')
  },
)

t.test('Python files beside a Procfile are enough', async t => {
  const { builder } = await ask(await fixture('worker'))
  t.match(builder, { name: 'python' })
  t.notMatch(builder!.dockerfile, 'pip install')
})

t.test('what is missing is said with the way out', async t => {
  const cases: [Files, string, RegExp][] = [
    [{ 'app.py': flask }, 'python-requirements', /app.py needs flask.*no requirements.txt/],
    [{ 'manage.py': '# django' }, 'python-requirements', /manage.py needs django/],
    [{ Pipfile: '' }, 'python-requirements', /Pipfile is not supported yet/],
    [{ 'pyproject.toml': '[project]\n' }, 'python-requirements', /pyproject.toml is not supported yet/],
    [{ 'requirements.txt': 'flask' }, 'no-entry', /nothing says how to start it/],
    [{ 'requirements.txt': '', 'wsgi.py': 'x = 1' }, 'no-entry', /nothing says how to start it/],
    [
      { Procfile: 'web: x', 'app.py': '', 'runtime.txt': 'python-2.7.18' },
      'python-version',
      /asks for Python 2/,
    ],
  ]
  for (const [files, code, message] of cases) {
    await t.rejects(ask(files), { cause: { code, message, hint: String } }, Object.keys(files).join())
  }
  const linted = await ask({ Procfile: 'web: x', 'app.py': '', 'pyproject.toml': '[tool.ruff]\n' })
  t.match(linted.builder, { name: 'python' }, 'a linter’s settings are no project')
})

t.test('another Python than the stack’s is warned of', async t => {
  const files = { Procfile: 'web: x', 'requirements.txt': '' }
  t.match((await ask({ ...files, 'runtime.txt': 'python-3.11.4\n' })).said, [
    /asks for Python 3.11; .*3.13 is used/,
  ])
  t.match((await ask({ ...files, '.python-version': '# ours\n3.12\n' })).said, [/asks for Python 3.12/])
  for (const text of ['3.13', '3.13.1\n', '3', 'pypy3.10', '', 'shop-env'])
    t.same((await ask({ ...files, '.python-version': text })).said, [], text)
})

t.test('hostile files are looked through quickly', { timeout: 10_000 }, async t => {
  const blank = ' '.repeat(300_000)
  const files = {
    'app.py': `def create_app(${'a=b,'.repeat(80_000)}\nfrom x import${blank}\n${'def create_app(\n'.repeat(20_000)}`,
    'requirements.txt': `-r${blank}\u2028${blank}x\n#${blank}\n${'a.'.repeat(100_000)}\n`,
    Dockerfile: `# a=${blank}b\nFROM x`,
  }
  await t.resolves(ask(files))
  const { Dockerfile: _, ...python } = files
  await t.rejects(ask(python))
})
