import { parseArgs } from 'node:util'

import { openRetentionGround, type Retained, retain } from './retained.ts'
import { columns } from './turns.ts'

/** Many deploys of some apps, and what is left of them on the disk. */
async function main(): Promise<number> {
  const { apps, deploys } = wanted()
  if (process.getuid?.() !== 0) throw new Error("An engine of one's own needs root.")
  const told = new Promise<number>(resolve => {
    process.on('SIGINT', () => resolve(130)).on('SIGTERM', () => resolve(143))
  })
  const ground = await openRetentionGround()
  const work = async () => {
    const say = (line: string) => process.stderr.write(`       ${line}\n`)
    const retained = await retain(ground, { apps, deploys, say })
    console.log(`${growthTable(retained)}\n\n${verdicts(retained)}`)
    return retained.findings.every(each => each.ok) ? 0 : 1
  }
  try {
    return await Promise.race([work(), told])
  } finally {
    await ground.close()
  }
}

function wanted() {
  const { values } = parseArgs({
    allowPositionals: true,
    options: { apps: { type: 'string', default: '5' }, deploys: { type: 'string', default: '200' } },
  })
  const whole = (name: 'apps' | 'deploys') => {
    const number = Number(values[name])
    if (!Number.isInteger(number) || number < 1) throw new Error(`--${name} is a number from 1 on`)
    return number
  }
  if (whole('deploys') <= 10 * whole('apps'))
    throw new Error('Of each app the first ten deploys do not count.')
  return { apps: whole('apps'), deploys: whole('deploys') }
}

function growthTable({ stocks, deploys }: Retained): string {
  const { before, deployed, tidied, after } = stocks
  const times = [before, deployed, tidied, after]
  const counts = Object.keys(before.counts).map(what => {
    const each = times.map(stock => stock.counts[what]!)
    return [what, ...each.map(String), signed(each[3]! - each[0]!)]
  })
  const bytes = Object.keys(before.bytes).map(what => {
    const each = times.map(stock => stock.bytes[what]! / 1000)
    const grown = each[3]! - each[0]!
    const of = `${signed(Math.round(grown))} (${(grown / deploys).toFixed(1)} a deploy)`
    return [`${what}, kB`, ...each.map(kb => kb.toFixed(0)), of]
  })
  const heads = ['', 'before', `${deploys} deploys later`, 'after cleanup', 'without build cache', 'grown']
  return columns([heads, ...counts, ...bytes])
}

function verdicts({ findings }: Retained): string {
  return findings
    .map(({ what, ok, found }) => (ok ? `  ok   ${what}` : `  NOT  ${what}: ${JSON.stringify(found)}`))
    .join('\n')
}

function signed(value: number): string {
  return value > 0 ? `+${value}` : String(value)
}

process.exit(await main())
