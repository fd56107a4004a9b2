import type { Engine } from '../docker/engine.ts'

/** The last lines a container printed, oldest first; none when it is gone. Waits at most 5 s for the engine. */
export async function lastLines(name: string, count: number, engine: Engine): Promise<readonly string[]> {
  const lines: string[] = []
  if (!(await engine.inspect(name))) return lines
  for await (const line of engine.logs(name, { tail: count, signal: AbortSignal.timeout(5_000) }))
    lines.push(line.text)
  return lines.slice(-count)
}
