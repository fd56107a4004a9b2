import { parseArgs } from 'node:util'

import type { Attack } from './attack.ts'
import { attacks } from './attacks.ts'
import { openGround } from './ground.ts'

const usage = `scripts/attack NAME [--seed N] [--count N] [--seconds N] [--backends a,b] [-- COMMAND…]
  Attacks a proxy of its own from outside and ends with what was found. Exits with 1 when something was. Ctrl-C ends it early.

${attacks.map(({ name, about }) => `    ${name.padEnd(12)} ${about}\n`).join('')}
  --seed N         the same attack again
  --count N        how many of what it counts
  --seconds N      how long, where it goes by time
  --backends LIST  for framing: some of node, nginx, gunicorn, go
`

async function main(): Promise<number> {
  const words = process.argv.slice(2)
  const end = words.includes('--') ? words.indexOf('--') : words.length
  const { values, positionals } = parseArgs({
    args: words.slice(0, end),
    allowPositionals: true,
    options: {
      seed: { type: 'string', default: '4' },
      count: { type: 'string' },
      seconds: { type: 'string' },
      backends: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  const attack = attacks.find(({ name }) => name === positionals[0])
  if (values.help || !attack || positionals.length !== 1) {
    process[values.help ? 'stdout' : 'stderr'].write(usage)
    return values.help ? 0 : 2
  }
  return carryOut(attack, {
    seed: whole('seed', values.seed),
    command: words.slice(end + 1),
    ...(values.count && { count: whole('count', values.count) }),
    ...(values.seconds && { seconds: whole('seconds', values.seconds) }),
    ...(values.backends && { backends: values.backends.split(',') }),
  })
}

async function carryOut(
  attack: Attack,
  words: Omit<Parameters<Attack['run']>[0], 'say' | 'signal' | 'ground'>,
) {
  const end = new AbortController()
  // A second one, too, lets everything be taken away in order.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => end.abort())
  const ground = await openGround()
  try {
    const say = (line: string) => void process.stdout.write(`${line}\n`)
    const fine = await attack.run({ ...words, ground, say, signal: end.signal })
    if (end.signal.aborted) return 130
    say(fine ? 'Nothing was found.' : 'Something was found.')
    return fine ? 0 : 1
  } finally {
    await ground.close()
  }
}

function whole(name: string, text: string): number {
  if (!/^\d{1,8}$/.test(text)) throw new Error(`--${name} ${text} is not a whole number.`)
  return Number(text)
}

main().then(
  code => process.exit(code),
  (error: unknown) => {
    process.stderr.write(` !     ${error instanceof Error ? error.message : error}\n`)
    process.exit(1)
  },
)
