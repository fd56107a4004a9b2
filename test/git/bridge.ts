import { connect } from 'node:net'

/**
 * What git runs in ssh's place: `bridge.ts SOCKET [options] HOST COMMAND`. Sends one JSON line, then stdin in frames of four bytes for
 * the length and the bytes, an empty one last; gets frames with one byte more in front for where (1 stdout, 2 stderr, 0 exit code).
 */
const [path, ...words] = process.argv.slice(2)
const socket = connect(path!)
socket.write(`${JSON.stringify({ line: words.at(-1), protocol: process.env.GIT_PROTOCOL })}\n`)
process.stdin.on('data', send)
process.stdin.on('end', () => send(Buffer.alloc(0)))
process.stdin.on('error', () => {})

let waiting: Buffer = Buffer.alloc(0)
socket.on('data', chunk => {
  waiting = Buffer.concat([waiting, chunk as Buffer])
  while (waiting.length >= 5 && waiting.length >= 5 + waiting.readUInt32BE(1)) {
    const end = 5 + waiting.readUInt32BE(1)
    deliver(waiting[0]!, waiting.subarray(5, end))
    waiting = waiting.subarray(end)
  }
})
socket.on('error', () => {})
socket.on('close', () => process.exit(255))

function send(bytes: Buffer): void {
  const head = Buffer.alloc(4)
  head.writeUInt32BE(bytes.length)
  if (socket.write(Buffer.concat([head, bytes]))) return
  process.stdin.pause()
  socket.once('drain', () => process.stdin.resume())
}

function deliver(where: number, bytes: Buffer): void {
  if (where === 0) process.stdout.write('', () => process.exit(bytes[0]))
  else if (where === 1) process.stdout.write(bytes)
  else process.stderr.write(bytes)
}
