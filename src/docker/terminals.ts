import type { Terminal } from '../types.ts'

type Size = { cols: number; rows: number }
type Resize = (size: Size) => Promise<unknown>

/** Terminals attached to containers, by container name. A container has a size only once it runs. */
export interface Terminals {
  /** Answers what to call when the attachment is over. */
  attached(name: string, terminal: Terminal, resize: Resize): () => void
  started(name: string): Promise<void>
}

export function openTerminals(): Terminals {
  const open = new Map<string, () => Promise<void>>()
  return {
    attached(name, terminal, resize) {
      const { apply, end } = follow(terminal, resize)
      open.set(name, apply)
      return () => {
        end()
        if (open.get(name) === apply) open.delete(name)
      }
    },
    started: async name => open.get(name)?.(),
  }
}

/** Hands the terminal's size to `resize` at every change, one call at a time, and at each `apply`. */
export function follow(terminal: Terminal, resize: Resize): { apply: () => Promise<void>; end: () => void } {
  let size: Size = { cols: terminal.cols, rows: terminal.rows }
  let wanted = false
  let busy: Promise<void> | undefined
  let over = false

  const work = async () => {
    while (wanted && !over) {
      wanted = false
      // What is not running yet, or any more, has no size: the next start or change brings it.
      await resize(size).catch(() => undefined)
    }
    busy = undefined
  }
  const apply = () => {
    wanted = true
    busy ??= work()
    return busy
  }
  terminal.onResize(changed => {
    size = changed
    if (!over) void apply()
  })
  return {
    apply,
    end: () => {
      over = true
    },
  }
}
