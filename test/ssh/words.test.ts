import t from 'tap'

import { words } from '../../src/ssh/words.ts'

t.test('words are split as a shell splits them', async t => {
  const cases: [string, string[]][] = [
    ['', []],
    [' \t ', []],
    ['apps:list', ['apps:list']],
    ['  a   b\tc ', ['a', 'b', 'c']],
    [`config:set shop 'A=b c' "D=e f"`, ['config:set', 'shop', 'A=b c', 'D=e f']],
    [`a'b'"c"\\ d`, ['abc d']],
    [`'' ""`, ['', '']],
    [`'it'\\''s'`, ["it's"]],
    [String.raw`"\$ \" \\ \n \a"`, [String.raw`$ " \ \n \a`]],
    [`'\\'`, ['\\']],
    ['a\\\nb "c\\\nd"', ['ab', 'cd']],
    ['$HOME `x` *.ts ; & | > #', ['$HOME', '`x`', '*.ts', ';', '&', '|', '>', '#']],
    ['ünï 🚤', ['ünï', '🚤']],
  ]
  for (const [line, expected] of cases) t.same(words(line), expected, JSON.stringify(line))
})

t.test('a line that ends inside a quote is not guessed at', async t => {
  for (const line of [`a 'b`, `a "b`, `"\\"`, 'a\\', 'a\0b'])
    t.throws(() => words(line), { name: 'UserError', code: 'bad-line' }, JSON.stringify(line))
})
