import { UserError } from '../errors.ts'
import type { Key, Role } from '../types.ts'
import type { Ground } from './ground.ts'
import type { Keys } from './store.ts'

interface Row extends Omit<Key, 'addedAt'> {
  added_at: number
}

interface Person {
  id: number
  role: Role
}

const select = `
  SELECT keys.name, fingerprint, type, blob, people.name AS person, role, added_at
  FROM keys JOIN people ON people.id = keys.person`

export function openKeys({ prepare, transaction, now }: Ground): Keys {
  const find = prepare<[string], Row>(`${select} WHERE fingerprint = ?`)
  const named = prepare<[{ name: string }], Row>(
    `${select} WHERE keys.name = @name OR people.name = @name ORDER BY keys.name`,
  )
  const list = prepare<[], Row>(`${select} ORDER BY keys.name`)
  const isTaken = prepare<[string], object>('SELECT 1 FROM keys WHERE name = ?')
  const findPerson = prepare<[string], Person>('SELECT id, role FROM people WHERE name = ?')
  const addPerson = prepare<[string, Role], Person>(
    'INSERT INTO people (name, role) VALUES (?, ?) RETURNING id, role',
  )
  const add = prepare<
    [{ name: string; fingerprint: string; type: string; blob: string; at: number; id: number }]
  >(
    `INSERT INTO keys (fingerprint, name, type, blob, person, added_at)
     VALUES (@fingerprint, @name, @type, @blob, @id, @at)`,
  )
  const remove = prepare<[string]>('DELETE FROM keys WHERE fingerprint = ?')
  const forgetKeyless = prepare<[]>('DELETE FROM people WHERE id NOT IN (SELECT person FROM keys)')

  return {
    find(fingerprint) {
      const row = find.get(fingerprint)
      return row && key(row)
    },
    named: name => named.all({ name }).map(key),
    list: () => list.all().map(key),
    add: ({ name, person, role, fingerprint, type, blob }) =>
      transaction(() => {
        const known = find.get(fingerprint)
        if (known) throw keyTaken(known)
        if (isTaken.get(name)) throw nameTaken(name)
        const owner = findPerson.get(person) ?? addPerson.get(person, role)!
        if (owner.role !== role) throw roleDiffers(person, owner.role)
        add.run({ name, fingerprint, type, blob, at: now().getTime(), id: owner.id })
        return key(find.get(fingerprint)!)
      }),
    remove: fingerprint =>
      transaction(() => {
        remove.run(fingerprint)
        forgetKeyless.run()
      }),
  }
}

function key({ added_at, ...row }: Row): Key {
  return { ...row, addedAt: new Date(added_at) }
}

function keyTaken({ name, fingerprint }: Row): UserError {
  return new UserError('key-taken', `The key ${fingerprint} is already there as ${name}.`)
}

function nameTaken(name: string): UserError {
  return new UserError(
    'name-taken',
    `The name ${name} is already taken by another key.`,
    'See the keys with: ssh-keys:list',
  )
}

// One more key must neither raise nor lower what a person may do without anybody noticing.
function roleDiffers(person: string, role: Role): UserError {
  return new UserError('role-differs', `${person} is here already, with the role ${role}.`)
}
