/** What is known of a container that did not become ready. */
export interface Evidence {
  readonly process: string
  /** Null while it runs. */
  readonly exitCode: number | null
  readonly outOfMemory: boolean
  readonly port: number
  readonly waitedSeconds: number
  readonly lines: readonly string[]
  /** It accepted a connection but never answered. */
  readonly accepted: boolean
}

/** The cause in a sentence, and the way out where the lines tell. Pure. */
export interface Diagnosis {
  readonly cause: string
  readonly hint: string | undefined
}

export function diagnose(evidence: Evidence): Diagnosis {
  return { cause: causeOf(evidence), hint: hintOf(evidence) }
}

function causeOf({ process, exitCode, outOfMemory, port, waitedSeconds, accepted }: Evidence): string {
  if (outOfMemory) return `${process} was killed: it used more memory than it may.`
  if (exitCode !== null) return `${process} ${exitText(exitCode)} before it was ready.`
  if (accepted)
    return `${process} accepts connections on port ${port} but did not answer GET / within ${waitedSeconds} s.`
  return `${process} did not listen on port ${port} within ${waitedSeconds} s.`
}

export function exitText(code: number): string {
  if (code === 127) return 'exited with 127: its command was not found'
  if (code === 126) return 'exited with 126: its command is not executable'
  if (code > 128 && code <= 192) return `was ended by signal ${code - 128}`
  return code === 0 ? 'exited (0)' : `exited with ${code}`
}

/** What programs print, and what to do about it; the first that fits counts. */
const signs: readonly {
  readonly sign: RegExp
  readonly hint: (match: RegExpExecArray, evidence: Evidence) => string | undefined
}[] = [
  {
    sign: /ModuleNotFoundError: No module named '([^']+)'/,
    hint: ([, name]) =>
      `Python does not find ${name}: add it to requirements.txt, or mend the import or the module named in the Procfile.`,
  },
  {
    sign: /Failed to find attribute '([^']+)' in '([^']+)'/,
    hint: ([, attribute, module]) =>
      `${module} has no ${attribute}: name the WSGI application in the Procfile as module:variable.`,
  },
  { sign: /ImportError: (.+)/, hint: ([, what]) => `Python could not import: ${what}` },
  { sign: /SyntaxError: (.+)/, hint: ([, what]) => `The code could not be read: ${what}` },
  {
    sign: /KeyError: '([A-Z][A-Z0-9_]+)'/,
    hint: ([, key]) => `If ${key} is config that the app needs, set it with: config:set APP ${key}=…`,
  },
  {
    sign: /(?:exec|sh)(?:: (?:line )?\d+)?: (?:exec: )?([^\s:]+): (?:command )?not found/,
    hint: ([, name]) => `The image has no ${name}: add it to the app's requirements, or mend the Procfile.`,
  },
  {
    sign: /Address already in use/i,
    hint: (_, { port }) =>
      `Two programs in the container want one port; only the web process may listen on ${port}.`,
  },
  {
    sign: /(?:listening|running|serving|started)[^\n]*?(?:127\.0\.0\.1|localhost):(\d+)/i,
    hint: ([, own], { port, lines }) =>
      lines.some(each => /all addresses|0\.0\.0\.0|\[::\]/.test(each))
        ? otherPort(Number(own), port)
        : `It listens on the container's loopback only: listen on 0.0.0.0 and port $PORT (${port}).`,
  },
  {
    sign: /(?:listening|running|serving|started)[^\n]*?(?:(?:0\.0\.0\.0|\[::\]|\*|port)[: ]+|(?:on|at) :)(\d+)/i,
    hint: ([, own], { port }) => otherPort(Number(own), port),
  },
]

function otherPort(own: number, port: number): string | undefined {
  return own === port ? undefined : `It listens on port ${own}; Davit expects $PORT, ${port}.`
}

function hintOf(evidence: Evidence): string | undefined {
  const text = evidence.lines.join('\n')
  for (const { sign, hint } of signs) {
    const match = sign.exec(text)
    const found = match && hint(match, evidence)
    if (found) return found
  }
  if (evidence.exitCode === null && evidence.accepted)
    return 'If it only needs longer, give it more time: checks:set APP deadline SECONDS'
  if (evidence.exitCode === null)
    return `Listen on 0.0.0.0 and the port that the environment names: $PORT (${evidence.port}).`
  if (evidence.exitCode === 0)
    return 'A process has to keep running; one that ends by itself belongs in a release line or a task.'
  return undefined
}
