import { Writable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'

/** Longer ones are cut. */
const longest = 8192

/** Takes a program's output and tells it line by line. */
export function lines(tell: (line: string) => void): Writable {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  const take = (text: string) => {
    const parts = (rest + text).split('\n')
    rest = parts.pop()!.slice(0, longest)
    for (const each of parts) tell(each.replace(/\r$/, '').slice(0, longest))
  }
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      take(decoder.write(chunk))
      done()
    },
    final(done) {
      take(decoder.end())
      if (rest !== '') tell(rest)
      done()
    },
  })
}
