import { t } from 'tap'

import { diagnose, type Evidence, exitText } from '../../src/deploy/diagnosis.ts'

const silent: Evidence = {
  process: 'web',
  exitCode: null,
  outOfMemory: false,
  port: 5000,
  waitedSeconds: 60,
  lines: [],
  accepted: false,
}

const ended = { ...silent, exitCode: 1 }

t.test('an exit code is told in words', async t => {
  t.equal(exitText(0), 'exited (0)')
  t.equal(exitText(1), 'exited with 1')
  t.equal(exitText(126), 'exited with 126: its command is not executable')
  t.equal(exitText(127), 'exited with 127: its command was not found')
  t.equal(exitText(128), 'exited with 128')
  t.equal(exitText(137), 'was ended by signal 9')
  t.equal(exitText(143), 'was ended by signal 15')
  t.equal(exitText(192), 'was ended by signal 64')
  t.equal(exitText(193), 'exited with 193')
  t.equal(exitText(255), 'exited with 255')
})

t.test('the cause says what is known', async t => {
  const cause = (more: Partial<Evidence>) => diagnose({ ...silent, ...more }).cause
  t.equal(cause({}), 'web did not listen on port 5000 within 60 s.')
  t.equal(
    cause({ accepted: true }),
    'web accepts connections on port 5000 but did not answer GET / within 60 s.',
  )
  t.equal(cause({ exitCode: 3 }), 'web exited with 3 before it was ready.')
  t.equal(cause({ exitCode: 137, outOfMemory: true }), 'web was killed: it used more memory than it may.')
  t.equal(cause({ process: 'worker', exitCode: 0 }), 'worker exited (0) before it was ready.')
})

t.test('what a program printed leads to the way out', async t => {
  const signs: Record<string, RegExp> = {
    "ModuleNotFoundError: No module named 'flask'": /Python does not find flask: add it to requirements\.txt/,
    "Failed to find attribute 'app' in 'wsgi'.": /wsgi has no app: name the WSGI application in the Procfile/,
    "ImportError: cannot import name 'x' from 'y'":
      /Python could not import: cannot import name 'x' from 'y'/,
    'SyntaxError: invalid syntax (app.py, line 3)':
      /code could not be read: invalid syntax \(app\.py, line 3\)/,
    "KeyError: 'SECRET_KEY'":
      /SECRET_KEY is config that the app needs, set it with: config:set APP SECRET_KEY/,
    '/bin/sh: 1: exec: gunicorn: not found': /The image has no gunicorn/,
    '/bin/sh: 1: gunicorn: not found': /The image has no gunicorn/,
    'sh: gunicorn: not found': /The image has no gunicorn/,
    '/bin/sh: line 1: exec: gunicorn: not found': /The image has no gunicorn/,
    '/bin/sh: line 1: gunicorn: command not found': /The image has no gunicorn/,
    '/bin/bash: line 1: gunicorn: command not found': /The image has no gunicorn/,
    'OSError: [Errno 98] Address already in use': /Two programs in the container want one port/,
    'Error: listen EADDRINUSE: address already in use :::5000': /Two programs in the container want one port/,
  }
  for (const [line, hint] of Object.entries(signs))
    t.match(diagnose({ ...ended, lines: ['Traceback', line, 'more'] }).hint, hint, line)
})

t.test('a program that listens on loopback, or on another port, is told where to listen', async t => {
  const loopback = /loopback only: listen on 0\.0\.0\.0 and port \$PORT \(5000\)/
  const other = /It listens on port 8080; Davit expects \$PORT, 5000/
  const signs: Record<string, RegExp> = {
    ' * Running on http://127.0.0.1:5000': loopback,
    ' * Running on http://127.0.0.1:8080': loopback,
    'Server listening at localhost:3000': loopback,
    '[INFO] Listening at: http://127.0.0.1:8000 (7)': loopback,
    '[INFO] Listening at: http://0.0.0.0:8080 (7)': other,
    'Listening on port 8080': other,
    'Server started on *:8080': other,
    'listening on [::]:8080': other,
    'Listening on :8080': other,
  }
  for (const [line, hint] of Object.entries(signs))
    t.match(diagnose({ ...silent, lines: [line] }).hint, hint, line)
})

t.test('Flask on all addresses is not told that it is on loopback', async t => {
  const lines = (port: number) => [
    ' * Serving Flask app "app"',
    ' * Running on all addresses (0.0.0.0)',
    ` * Running on http://127.0.0.1:${port}`,
    ` * Running on http://10.213.0.2:${port}`,
  ]
  t.match(diagnose({ ...silent, lines: lines(8080) }).hint, /It listens on port 8080; Davit expects/)
  t.notMatch(diagnose({ ...silent, lines: lines(5000) }).hint, /loopback/)
})

t.test('a program that listens where it ought to is not told to listen elsewhere', async t => {
  t.notMatch(diagnose({ ...silent, lines: ['Listening on port 5000'] }).hint, /It listens on/)
})

t.test('without a sign the hint is what helps most often', async t => {
  t.match(diagnose(silent).hint, /Listen on 0\.0\.0\.0 and the port that the environment names: \$PORT/)
  t.match(diagnose({ ...silent, exitCode: 0 }).hint, /A process has to keep running/)
  t.equal(diagnose(ended).hint, undefined)
})

t.test('a program that listens but does not answer is not told to listen', async t => {
  const { hint } = diagnose({ ...silent, accepted: true })
  t.notMatch(hint, /Listen on/)
  t.match(hint, /checks:set APP deadline SECONDS/)
})

t.test('the first sign counts that is the cause of others', async t => {
  const lines = ["ModuleNotFoundError: No module named 'django'", "ImportError: Couldn't import Django"]
  t.match(diagnose({ ...ended, lines }).hint, /does not find django/)
})
