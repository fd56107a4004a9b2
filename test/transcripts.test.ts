import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

import t from 'tap'

import { words } from '../src/ssh/words.ts'
import { type Checkout, type Result, type Sandbox, sandbox } from './e2e/sandbox.ts'

const folder = join(import.meta.dirname, 'transcripts')

/** `$ ssh davit …` and `$ git …`, then the lines a person sees, and `exit N` unless it is 0. `[..]` stands for anything in a line, alone for any lines. */
for (const name of (await readdir(folder)).sort()) {
  t.test(`${name} is what a person sees`, async t => {
    const box = await sandbox(t)
    const checkout = await box.checkout('dockerfile-base', 'hello')
    for (const { command, seen } of steps(await readFile(join(folder, name), 'utf8'))) {
      const result = await perform(command, { box, checkout })
      const shown = `${result.stdout}${result.stderr}${result.code === 0 ? '' : `exit ${result.code}\n`}`
      t.match(plain(shown), pattern(seen), command)
    }
  })
}

function steps(text: string): { command: string; seen: string }[] {
  const parts = text.split(/^\$ /m).slice(1)
  return parts.map(part => ({
    command: part.slice(0, part.indexOf('\n')),
    seen: part.slice(part.indexOf('\n') + 1),
  }))
}

function perform(command: string, { box, checkout }: { box: Sandbox; checkout: Checkout }): Promise<Result> {
  const ssh = /^ssh davit (.*)$/.exec(command)?.[1]
  return ssh === undefined ? checkout.git(...words(command).slice(1)) : box.ssh(ssh)
}

/** git pads what a hook says. */
function plain(text: string): string {
  return text.replace(/[ \t]+$/gm, '')
}

function pattern(seen: string): RegExp {
  const lines = seen.replace(/\n$/, '').split('\n')
  const source = lines.map(line =>
    line === '[..]' ? '(?:.*\\n)*' : `${line.split('[..]').map(RegExp.escape).join('.*')}\\n`,
  )
  return new RegExp(`^${source.join('')}$`)
}
