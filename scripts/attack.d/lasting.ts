import { setTimeout as pause } from 'node:timers/promises'

import type { Words } from './attack.ts'
import { openInspector } from './inspector.ts'
import { loadAndLeave } from './leaks.ts'
import { descriptors, residentKb } from './processes.ts'
import { openStand } from './stand.ts'
import { tellSome } from './told.ts'
import { uploadSlowly } from './upload.ts'
import { attackWebSockets } from './websockets.ts'

/** Attacks that look at what of them stays: memory, descriptors. */

/** `count` is how many connections there are, and how many messages each. */
export async function webSockets({ seed, count = 1_000, ground, say, signal }: Words): Promise<boolean> {
  const stand = await openStand(ground)
  const memory = () => Promise.all(stand.pids.map(residentKb)).then(all => `${all.join(', ')} KB`)
  say(`resident before: ${await memory()}`)
  const began = Date.now()
  const watch = setInterval(() => void memory().then(now => say(`resident: ${now}`)), 10_000)
  const wrong = await attackWebSockets({
    port: stand.port,
    seed,
    connections: count,
    messages: count,
    signal,
  })
  clearInterval(watch)
  say(`${count} connections said ${count * count} messages in ${Math.round((Date.now() - began) / 1000)} s`)
  say(`resident after: ${await memory()}`)
  tellSome(wrong, say)
  return wrong.length === 0 && stand.survived()
}

export async function upload({ count = 200, seconds = 100, ground, say, signal }: Words): Promise<boolean> {
  const stand = await openStand(ground, { workers: 1 })
  const [, pid] = stand.pids as [number, number]
  const before = await residentKb(pid)
  const { whole, took, most } = await uploadSlowly({
    ...{ port: stand.port, bytes: count * 1024 ** 2, seconds, signal },
    memory: () => residentKb(pid),
  })
  say(
    `${count} MB in ${took} s, ${whole ? 'whole' : 'not whole'}; resident ${before} KB before, at most ${most} KB`,
  )
  return whole && stand.survived()
}

/** One worker, so that one process has had it all. */
export async function leaks({ seed, count = 1_000_000, ground, say, signal }: Words): Promise<boolean> {
  const stand = await openStand(ground, { workers: 1 })
  const [, pid] = stand.pids as [number, number]
  const inspector = await openInspector(pid)
  ground.teardown(inspector.close)
  const load = (requests: number) =>
    loadAndLeave({ port: stand.port, seed, requests, aborts: Math.ceil(requests / 10), signal })
  // Pools, caches and compiled code take their room once.
  await load(Math.min(30_000, Math.ceil(count / 5)))
  await pause(restMs)
  const before = { open: await descriptors(pid), heap: await inspector.heapUsed() }
  say(
    `before: ${before.open} descriptors, ${before.heap} bytes of heap, ${await residentKb(pid)} KB resident`,
  )
  const wrong = await load(count)
  await pause(restMs)
  const after = { open: await descriptors(pid), heap: await inspector.heapUsed() }
  say(`after: ${after.open} descriptors, ${after.heap} bytes of heap, ${await residentKb(pid)} KB resident`)
  say(`${wrong} of ${count} requests went wrong`)
  const kept = Math.abs(after.open - before.open) <= 5 && after.heap <= before.heap * 1.1
  return wrong === 0 && kept && stand.survived()
}

/** Longer than idle connections to an app are kept, and than a last answer is lingered over. */
const restMs = 8_000
