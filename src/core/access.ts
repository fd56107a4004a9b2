import { UserError } from '../errors.ts'
import type { Core } from '../plugin/core.ts'
import type { Rooms } from './rooms.ts'

/** Who may come in. All are admins for now; every key belongs to a person of the same name. */
export function createAccess({ store }: Rooms): Core['access'] {
  return {
    keys: () => store.keys.list(),
    addKey: (name, key) => store.keys.add({ name: readKeyName(name), person: name, role: 'admin', ...key }),
    removeKey(which, { force }) {
      return store.transaction(() => {
        const found =
          'name' in which ? store.keys.named(which.name) : [store.keys.find(which.fingerprint) ?? []].flat()
        if (found.length === 0)
          throw new UserError('key-missing', 'No such key.', 'See them with: ssh-keys:list')
        if (found.length === store.keys.list().length && !force) {
          throw new UserError(
            'last-key',
            'This is the last key: nobody could come in over SSH any more.',
            'Add another first, or use --force.',
          )
        }
        for (const key of found) store.keys.remove(key.fingerprint)
        return found
      })
    },
  }
}

function readKeyName(name: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9@._+-]{0,63}$/.test(name)) return name
  throw new UserError(
    'bad-name',
    `${JSON.stringify(name)} cannot be a key's name.`,
    'Letters, digits and @ . _ + -, at most 64 characters.',
  )
}
