import t from 'tap'

import { submoduleUrl } from '../../src/git/gitmodules.ts'

const top = { path: 'lib', parent: undefined }

t.test('https is taken as it is written, and http so that the network decides', async t => {
  const taken: Record<string, string> = {
    'https://example.com/lib.git': 'https://example.com/lib.git',
    'https://example.com:8443/a/b': 'https://example.com:8443/a/b',
    'HTTPS://Example.COM/Lib': 'https://example.com/Lib',
    'http://127.0.0.1:99/lib.git': 'http://127.0.0.1:99/lib.git',
    'https://ann@bitbucket.example/ann/lib.git': 'https://bitbucket.example/ann/lib.git',
    'https://2130706433/x': 'https://127.0.0.1/x',
    'https://example.com/a/../../b': 'https://example.com/b',
  }
  for (const [written, url] of Object.entries(taken)) t.equal(submoduleUrl(written, top).href, url, written)
})

t.test('anything else is refused, and nothing of it reaches git', async t => {
  const refused = [
    ...[
      'file:///etc',
      '/etc/passwd',
      'ext::sh -c id',
      'fd::17',
      'git://example.com/x',
      'ftp://example.com/x',
    ],
    ...['ssh://git@example.com/x', 'git@example.com:x.git', 'davit:other', 'example.com:x'],
    ...[
      '--upload-pack=touch /tmp/x',
      '-u',
      '--upload-pack=x https://example.com/x',
      ' https://example.com/x',
    ],
    ...[
      'https://example.com/a b',
      'https://example.com/a\nb',
      'https://exam\nple.com/a',
      'ht\ttps://example.com/a',
      'https://example.com/a\x1b[2J',
    ],
    ...[
      'https:example.com/x',
      'https:/example.com/x',
      'https:\\\\example.com\\x',
      'https:///example.com/x',
      'https::https://example.com/x',
    ],
    ...[
      'https://example.com',
      'https://example.com/',
      'https:///x',
      'https://',
      'https://ann:secret@example.com/x',
      'https://:secret@example.com/x',
    ],
    ...[
      'https://example.com/x?service=y',
      'https://example.com/x#y',
      `https://example.com/${'a'.repeat(2048)}`,
    ],
    ...[
      'https://exa mple/x',
      'https://[::1/x',
      'https://a<b/x',
      '',
      '.',
      '..',
      'lib',
      '../lib.git',
      './lib',
      '../../../lib',
    ],
  ]
  for (const written of refused)
    t.throws(() => submoduleUrl(written, top), { code: 'submodule-url' }, written)
})

t.test('the way out is told', async t => {
  const said = (written: string, from: Parameters<typeof submoduleUrl>[1] = top) => {
    try {
      submoduleUrl(written, from)
    } catch (error) {
      const { message, hint } = error as { message: string; hint: string }
      return `${message} ${hint}`
    }
  }
  t.match(said('git@github.com:org/lib.git'), 'git submodule set-url lib https://github.com/org/lib.git,')
  t.match(said('ssh://git@example.com:22/org/lib.git'), 'set-url lib https://example.com/org/lib.git,')
  t.match(said('../lib.git'), /Davit does not know where that is.*set-url lib https:/)
  t.match(said('/srv/lib'), /over https only.*set-url lib https:\/\/…,/)
  t.match(said('file:///x', { ...top, path: '$(id)' }), 'set-url PATH ')
  t.notMatch(said('https://ann:secret@example.com/x'), 'secret')
  t.notMatch(said('ssh://ann:secret@example.com/x'), 'secret')
  t.notMatch(said('https://a\x1b]0;x\x07/y'), '\x1b')
})

t.test('a relative one is seen from the submodule that names it, as git does', async t => {
  const from = (parent: string) => ({ path: 'lib/deep', parent: new URL(parent) })
  const beside = from('https://example.com/org/lib.git')
  t.equal(submoduleUrl('../deep.git', beside).href, 'https://example.com/org/deep.git')
  t.equal(submoduleUrl('../../other/deep.git', beside).href, 'https://example.com/other/deep.git')
  t.equal(submoduleUrl('./deep', beside).href, 'https://example.com/org/lib.git/deep')
  t.equal(submoduleUrl('../deep', from('https://example.com/org/lib/')).href, 'https://example.com/org/deep')
  t.equal(submoduleUrl('../../../../../deep', beside).href, 'https://example.com/deep')
  t.throws(() => submoduleUrl('../a\\..\\b', beside), { code: 'submodule-url' })
  t.throws(() => submoduleUrl('../a?b', beside), { code: 'submodule-url' })
})
