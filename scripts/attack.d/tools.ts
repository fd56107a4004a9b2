import type { Words } from './attack.ts'
import { watchGoodClient } from './good-client.ts'
import { cpuSeconds, outputOf } from './processes.ts'
import { openRelay } from './relay.ts'
import { openStand } from './stand.ts'
import { judgeTls } from './tls.ts'

/** Attacks by others' tools: Debian's testssl.sh, nghttp2-client and slowhttptest. */
export async function tls({ ground, say, signal }: Words): Promise<boolean> {
  const stand = await openStand(ground)
  const { authority } = stand
  const judged = await judgeTls(stand.httpsPort, { authority, dir: ground.dir, signal })
  for (const [name, value] of Object.entries(judged.severities)) say(`${String(value).padStart(8)} ${name}`)
  for (const each of [...judged.untold, ...judged.findings]) say(each)
  return judged.findings.length === 0 && stand.survived()
}

export async function h2load({ count = 1_000_000, ground, say, signal }: Words): Promise<boolean> {
  const stand = await openStand(ground)
  const words = [
    'h2load',
    '-n',
    String(count),
    '-c',
    '10',
    '-m',
    '100',
    `https://localhost:${stand.httpsPort}/`,
  ]
  const output = await outputOf(words, signal)
  say(output.trim())
  const [, done, good, failed, errored, late] =
    /(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout/.exec(output)?.map(Number) ?? []
  const whole = done === count && good === count && failed === 0 && errored === 0 && late === 0
  say(`${stand.asked()} requests reached the app`)
  return whole && stand.asked() === count && stand.survived()
}

/** By slowhttptest's flags. */
const kinds = {
  'slow heads': ['-H'],
  'slow bodies': ['-B', '-s', '100000'],
  'many ranges': ['-R'],
  'slow reading': ['-X', '-w', '10', '-y', '20', '-n', '5', '-z', '32'],
}

export async function slow({ count = 2_000, seconds = 60, ground, say, signal }: Words): Promise<boolean> {
  const stand = await openStand(ground)
  const relay = await openRelay(ground, stand.port)
  // On a machine that others use, how busy the attack keeps the proxy says more than how long a client waited.
  const cpu = async () => (await Promise.all(stand.pids.map(cpuSeconds))).reduce((sum, each) => sum + each)
  let fine = true
  for (const [name, flags] of Object.entries({ nothing: undefined, ...kinds })) {
    if (signal.aborted) break
    const [client, spent] = [watchGoodClient(stand.port), await cpu()]
    const path = name === 'slow reading' ? 'bytes/300000' : ''
    if (flags === undefined) await new Promise(resolve => setTimeout(resolve, 10_000))
    else {
      const url = `http://127.0.0.1:${relay.port}/${path}`
      const words = [
        '-c',
        String(count),
        '-r',
        '200',
        '-l',
        String(seconds),
        '-i',
        '5',
        '-x',
        '24',
        '-p',
        '3',
        '-u',
        url,
      ]
      await outputOf(['slowhttptest', ...flags, ...words], signal)
    }
    const { p50, p99, most, good, failures } = await client.end()
    say(
      `${name.padEnd(14)} ${await relay.most()} sockets at once, ${((await cpu()) - spent).toFixed(1)} s of CPU; a good client: ${good} answers, ${failures.length} failed, p50 ${p50} ms, p99 ${p99} ms, slowest ${most} ms`,
    )
    for (const each of new Set(failures)) say(`  a good client failed: ${each}`)
    fine &&= failures.length === 0 && p99 < 250
  }
  return fine && stand.survived()
}
