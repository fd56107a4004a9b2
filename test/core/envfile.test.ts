import t from 'tap'

import { readEnvfile, readJsonEnv, writeEnvfile } from '../../src/core/envfile.ts'

t.test('lines are read as people write them', async t => {
  const text = `\ufeff# The shop
A=1
export B=two words   # said twice
  C = spaced
EMPTY=
QUOTED_EMPTY=""
HASH=a#b
ONLY=# nothing
URL=postgres://u:p@h/d?x=1&y=2#z
IT=it's
BACK=C:\\temp\\new
SINGLE='as $it \\n is # here'
DOUBLE="a \\"b\\" \\\\ \\$C \\\`d\\\` \\n\\r e" # and so on
MANY="one
two"
JOINED='it'\\''s'" fine"
WINDOWS=yes\r
A=2`
  t.strictSame(readEnvfile(text), {
    A: '2',
    B: 'two words',
    C: 'spaced',
    EMPTY: '',
    QUOTED_EMPTY: '',
    HASH: 'a#b',
    ONLY: '',
    URL: 'postgres://u:p@h/d?x=1&y=2#z',
    IT: "it's",
    BACK: 'C:\\temp\\new',
    SINGLE: 'as $it \\n is # here',
    DOUBLE: 'a "b" \\ $C `d` \n\r e',
    MANY: 'one\ntwo',
    JOINED: "it's fine",
    WINDOWS: 'yes',
  })
  t.strictSame(readEnvfile(''), {})
  t.strictSame(readEnvfile('\n# nothing\n'), {})
})

t.test('a line that is none is named, and its value is not shown', async t => {
  const wrong: Readonly<Record<string, RegExp>> = {
    'A=1\nsecret': /^Line 2 is not KEY=VALUE/,
    'A=1\n\n1B=secret': /^Line 3 does not begin with a key: "1B" cannot/,
    '=secret': /^Line 1 is not/,
    'A="secret': /^Line 1 has no end to its quotes/,
    "A='x\nB=2\nC=secret": /^Line 1 has no end/,
    'A="x" secret': /^Line 1 has no end to its quotes, or something after/,
    "A='x'#secret'": /^Line 1/,
    'A-B=secret': /^Line 1 does not begin with a key/,
    'export secret': /^Line 1 is not/,
  }
  for (const [text, message] of Object.entries(wrong)) {
    t.throws(() => readEnvfile(text), { code: 'bad-envfile', message }, text)
    try {
      readEnvfile(text)
    } catch (error) {
      t.notMatch((error as Error).message, 'secret')
    }
  }
})

t.test('what is written is read the same', async t => {
  const values = [
    '',
    ' ',
    'a',
    "it's",
    '"',
    '\\',
    '\\n',
    '\n',
    'a\r\nb',
    '$HOME `id` $(id)',
    '#',
    "'''",
    '\\"',
    '= =',
    '🚢',
    'x'.repeat(99_999),
  ]
  const pairs = values.map((value, at) => [`K${at}`, value] as const)
  t.strictSame(readEnvfile(writeEnvfile(pairs)), Object.fromEntries(pairs))
})

t.test('JSON is an object, or a list of names and values', async t => {
  t.strictSame(readJsonEnv('{"A": "x", "B": 1, "C": true, "D": ""}'), { A: 'x', B: '1', C: 'true', D: '' })
  t.strictSame(readJsonEnv('[{"name": "A", "value": "x"}]'), { A: 'x' })
  t.strictSame(readJsonEnv('{}'), {})
  t.equal(JSON.stringify(readJsonEnv('{"__proto__": "x"}')), '{"__proto__":"x"}')
  for (const text of [
    '',
    'secret',
    '"secret"',
    '1',
    'null',
    '["secret"]',
    '[1]',
    '{"A": null}',
    '{"A": {"B": "secret"}}',
    '[{"name": "A"}]',
    '{"A": ["secret"]}',
  ]) {
    t.throws(() => readJsonEnv(text), { code: 'bad-json' }, text)
    try {
      readJsonEnv(text)
    } catch (error) {
      t.notMatch((error as Error).message, 'secret')
    }
  }
  t.throws(() => readJsonEnv('{"A-B": "x"}'), { code: 'bad-key' })
})
