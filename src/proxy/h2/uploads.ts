import type { Patience } from '../patience.ts'
import type { Visitor2 } from '../visitor2.ts'
import { codes } from './frames.ts'
import type { Intake } from './intake.ts'
import type { FrameListener } from './parse.ts'
import type { Streams } from './streams.ts'
import type { Upload } from './upload.ts'

/** What a connection gives whoever reads its frames of data. */
interface Reading {
  readonly streams: Pick<Streams<Visitor2>, 'get' | 'isIgnored'>
  readonly intake: Pick<Intake, 'came'>
  /** Something has moved. */
  touch(stream?: Visitor2): void
  spend(on: Parameters<Patience>[0]): void
  fault(stream: Visitor2, code: number): void
  refuse(stream: number, code: number): void
}

interface Uploads extends Pick<FrameListener, 'onData' | 'onBytes' | 'onDataEnd'> {
  /** All that came at once has been read. */
  settle(): void
}

/** Leads frames of data to the bodies of their streams (RFC 9113 6.1). Throws what ends the connection. */
export function openUploads({ streams, intake, ...to }: Reading): Uploads {
  const gathering = new Set<Upload>()
  // What comes for a stream that has its answer is not read.
  const find = (id: number) => {
    const stream = streams.get(id)
    return stream?.ended ? undefined : stream
  }
  return {
    onData(id, length, ends) {
      intake.came(length)
      if (length === 0 && !ends) to.spend('trifle')
      const stream = streams.get(id)
      if (!stream) return streams.isIgnored(id) ? undefined : to.refuse(id, codes.streamClosed)
      if (stream.ended) return
      if (stream.received) to.fault(stream, codes.streamClosed)
      else if (!stream.upload!.expect(length)) to.fault(stream, codes.flowControl)
    },
    onBytes(id, bytes) {
      const stream = find(id)
      if (!stream) return
      to.touch(stream)
      const upload = stream.upload!
      if (!upload.hear(bytes)) to.fault(stream, codes.protocol)
      else if (upload.gathers) gathering.add(upload)
    },
    onDataEnd(id, ends) {
      const stream = find(id)
      if (!stream) return
      to.touch(stream)
      stream.upload!.heardFrame()
      if (ends && !stream.heardAll()) to.fault(stream, codes.protocol)
    },
    settle() {
      if (gathering.size === 0) return
      for (const upload of gathering) upload.settle()
      gathering.clear()
    },
  }
}
