import { t } from 'tap'

import { BadMessage, fieldsIn, fieldsOf, linesOf } from '../../src/proxy/field-lines.ts'

const grammar = /^(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*(?:\r\n|$))*$/

/** As the grammar has them; undefined where it has none. */
function expected(text: string): string[] | undefined {
  if (!grammar.test(text)) return undefined
  const lines = text.split('\r\n').filter(line => line !== '')
  return lines.flatMap(line => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')]
  })
}

function read(text: string): string[] | undefined {
  try {
    // As it stands in memory: behind it is what comes next.
    return fieldsOf(text, 0, Buffer.from(`${text}\r\n\r\nX: y`, 'latin1'))
  } catch (error) {
    if (error instanceof BadMessage) return undefined
    throw error
  }
}

/** Those that are read otherwise. */
function wrongOf(texts: readonly string[]): string[] {
  const same = (text: string) => JSON.stringify(read(text)) === JSON.stringify(expected(text))
  return texts.filter(text => !same(text)).map(text => JSON.stringify(text))
}

/** The same numbers every time (Park and Miller). */
function dice(seed: number): (sides: number) => number {
  let state = seed
  return sides => {
    state = (state * 48_271) % 2_147_483_647
    return state % sides
  }
}

t.test('every sign is taken in a name and in a value where the grammar takes it', async t => {
  const signs = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code))
  const texts = signs.flatMap(sign => [
    `a${sign}b: c`,
    `${sign}: c`,
    `a: b${sign}c`,
    `a:${sign}`,
    `a: b${sign}\r\nd: e`,
  ])
  t.same(wrongOf(texts), [])
})

t.test('lines of any kind are read as the grammar has them', async t => {
  const pieces = [
    'a',
    'Bc-d',
    ':',
    ': ',
    ' ',
    '\t',
    '\r\n',
    '\r',
    '\n',
    '\0',
    '\x7f',
    '\xe9',
    '_',
    '(',
    'e: f\r\n',
  ]
  const throwing = dice(7)
  const texts = Array.from({ length: 20_000 }, () =>
    Array.from({ length: throwing(9) }, () => pieces[throwing(pieces.length)]).join(''),
  )
  t.same(wrongOf(texts), [])
  const taken = texts.filter(text => expected(text) !== undefined)
  t.ok(taken.length > 1_000, `${taken.length} are fields`)
})

t.test('fields made to lines are the same fields again', async t => {
  const fields = ['Host', 'x.test', 'X-Empty', '', 'X-A', 'b: c', 'X-A', 'd']
  t.same(fieldsIn(linesOf(fields)), fields)
  t.same(fieldsIn(''), [])
})
