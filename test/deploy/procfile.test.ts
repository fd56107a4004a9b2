// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are a shell's.
import { execFileSync } from 'node:child_process'

import { t } from 'tap'

import { commandOf, parseProcfile } from '../../src/deploy/procfile.ts'

t.test('a Procfile names a command a line', async t => {
  t.strictSame(
    parseProcfile(
      '# how it runs\nweb: gunicorn app:app --bind 0.0.0.0:$PORT\n\n  # the rest\nworker-2:python w.py  \n',
    ),
    { web: 'gunicorn app:app --bind 0.0.0.0:$PORT', 'worker-2': 'python w.py' },
  )
})

t.test("a Procfile from another system's editor reads the same", async t => {
  t.strictSame(parseProcfile('\uFEFFweb: node .\r\n\r\nworker: node w.js\r\n'), {
    web: 'node .',
    worker: 'node w.js',
  })
})

t.test('a mistake is told with its line', async t => {
  const mistakes = {
    'web: node .\nworker node w.js': 'Procfile line 2: "worker node w.js" is not "name: command".',
    'web:': 'Procfile line 1: "web:" is not "name: command".',
    '\n\nweb:   ': 'Procfile line 3: "web:   " is not "name: command".',
    ': node .': 'Procfile line 1: ": node ." is not "name: command".',
    'web: a\n# x\nweb: b': 'Procfile line 3: web is there twice.',
    'we.b: a': 'Procfile line 1: "we.b" cannot be a process name: letters, digits, - and _.',
    '__proto__: a': 'Procfile line 1: "__proto__" cannot be a process name: letters, digits, - and _.',
    '../x: a': 'Procfile line 1: "../x" cannot be a process name: letters, digits, - and _.',
    [`web ${'x'.repeat(100)}`]: `Procfile line 1: "web ${'x'.repeat(56)}…" is not "name: command".`,
  }
  for (const [text, message] of Object.entries(mistakes))
    t.throws(() => parseProcfile(text), { code: 'bad-procfile', message, hint: /push again/ }, text)
})

t.test('a Procfile without a process is told', async t => {
  for (const text of ['', '\n\n', '# web: node .\n'])
    t.throws(() => parseProcfile(text), { code: 'bad-procfile', message: 'The Procfile names no process.' })
})

t.test("an empty line is the image's own command", async t => {
  t.strictSame(commandOf(''), [])
})

const simple = [
  'python app.py',
  'gunicorn app:app --bind 0.0.0.0:$PORT',
  'node server.js --name="a b" \'c d\'',
  'bin/start ${PORT:-5000}',
  './run $A ~/x *.txt',
  'python app.py # the one',
]

t.test('one program with its words takes the place of the shell, so that signals reach it', async t => {
  for (const line of simple) t.strictSame(commandOf(line), ['/bin/sh', '-c', `exec ${line}`], line)
})

t.test('anything more is left as it is', async t => {
  for (const line of [
    'cd x && node y',
    'a | b',
    'a; b',
    'a & b',
    'FOO=1 cmd',
    'FOO=1',
    'echo $(date)',
    'echo `date`',
    'a > log',
    'a < in',
    '(cd x; y)',
    '{ a; }',
    'a\nb',
    'node -e "a;b"',
    "node -e 'a && b'",
    'if true; then a; fi',
    '! a',
    'exec node .',
    'cd x',
    'exit 1',
    'export A=1',
    'wait',
    'read x',
    'command -v node',
    ': nothing',
    '. ./env',
    'set -e',
    'trap x INT',
    'ulimit -n 1',
    'umask 077',
    'eval $START',
    'shift 1',
    'time node .',
    "'cd' x",
    '\\cd x',
    'alias x=y',
    'echo "a\\n"',
    '#',
    '[[ -f x ]]',
  ])
    t.strictSame(commandOf(line), ['/bin/sh', '-c', line], line)
})

t.test('no line means something else for what was put in front of it', async t => {
  const lines = [
    'exit 3',
    'cd / && pwd',
    'A=1 env | grep ^A=',
    'echo a; echo b',
    'echo "a;b"',
    'echo a # b',
    'echo "a\\tb"',
    'cat /dev/null',
    'no-such-program x',
    'env true # b',
    'env printf ${NOTHING:-a;b}',
    'env printf "%s-" ${NOTHING:-x y} \'c d\'',
    'echo ${NOTHING:-x y}',
    'echo ${NOTHING:-$(echo inner)}',
    ': ignored',
    'command -v sh',
    'echo "${NOTHING:-}" end',
    'test -d /',
    'false',
    'echo \\; x',
    "echo 'it'\\''s'",
    '[ -d / ]',
    'read x',
    'type cd',
    'wait',
    'return 4',
    'echo `echo tick`',
  ]
  for (const line of lines) t.strictSame(runs(commandOf(line)), runs(['/bin/sh', '-c', line]), line)
})

/** What a command prints, and how it ends. */
function runs([file, ...words]: readonly string[]) {
  try {
    return execFileSync(file!, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    const { status, stdout, stderr } = error as { status: number; stdout: string; stderr: string }
    return { status, stdout, stderr: stderr.replace('exec: ', '') }
  }
}
