import type { Request } from '../edge/wire.ts'
import type { Balance } from './balance.ts'
import type { Traffic } from './traffic.ts'
import type { Upstreams } from './upstreams.ts'

/** Waits for what these upstreams have under way, ends what is left, and forgets them. Answers how many had to be ended. */
export async function drain(
  { upstreams, timeoutMs, websocketMs = timeoutMs }: Request & { verb: 'drain' },
  {
    traffic,
    upstreams: open,
    balance,
  }: { traffic: Traffic; upstreams: Upstreams | undefined; balance: Balance },
): Promise<number> {
  const ended = await traffic.drain(upstreams, { timeoutMs, websocketMs })
  for (const name of upstreams) {
    open?.release(name)
    balance.forget(name)
  }
  return ended
}
