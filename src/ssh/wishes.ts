import type { Session as Asking } from 'ssh2'

import type { Env, Terminal } from '../types.ts'

/** What a client asks for before its command: harmless environment, a terminal; and the signals it sends later. */
export interface Wishes {
  readonly env: Env
  readonly terminal: Terminal | undefined
  readonly signals: Set<(name: string) => void>
}

export function hearWishes(asking: Asking): Wishes {
  const env: Record<string, string> = Object.create(null)
  const signals: Wishes['signals'] = new Set()
  const resized = new Set<(size: Size) => void>()
  const wishes: { -readonly [K in keyof Wishes]: Wishes[K] } = { env, terminal: undefined, signals }
  asking.on('env', (accept, reject, { key, val }) => {
    if (!isHarmless(key, val) || Object.keys(env).length >= mostVariables) return reject?.()
    env[key] = val
    accept?.()
  })
  asking.on('pty', (accept, _reject, info) => {
    const term = /^[\w.+-]{1,64}$/.test(info.term) ? info.term : 'xterm'
    wishes.terminal = { term, ...sizeOf(info), onResize: listener => resized.add(listener) }
    accept?.()
  })
  asking.on('window-change', (accept, _reject, info) => {
    for (const listener of resized) listener(sizeOf(info))
    accept?.()
  })
  asking.on('signal', (accept, _reject, { name }) => {
    for (const listener of signals) listener(name)
    accept?.()
  })
  return wishes
}

const mostVariables = 32

interface Size {
  readonly cols: number
  readonly rows: number
}

function sizeOf({ cols, rows }: Size): Size {
  return { cols: Math.min(cols, 65535) || 80, rows: Math.min(rows, 65535) || 24 }
}

// Anything more would reach programs that we start (CVE-2024-39930).
function isHarmless(name: string, value: string): boolean {
  if (name === 'GIT_PROTOCOL') return /^version=[0-2]$/.test(value)
  return /^(LANG|LC_[A-Z]{1,20}|TERM)$/.test(name) && /^[\w.@+:-]{0,64}$/.test(value)
}
