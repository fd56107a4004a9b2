import { readable } from './readable.ts'

// octet_length, because length and GLOB end at a NUL; where both lengths agree, all is ASCII and without one.
const matches = (column: string, { only, max }: { only: string; max: number }) =>
  `octet_length(${column}) BETWEEN 1 AND ${max} AND length(${column}) = octet_length(${column})
   AND ${column} NOT GLOB '*[^${only}]*'`

const appName = `${matches('name', { only: 'a-z0-9.-', max: 63 })}
   AND name GLOB '[a-z0-9]*' AND name GLOB '*[a-z0-9]'
   AND name NOT GLOB '*..*' AND name NOT GLOB '*.-*' AND name NOT GLOB '*-.*'`

const hostname = `${matches('hostname', { only: 'a-z0-9_.*-', max: 255 })}
   AND hostname NOT GLOB '?*[*]*' AND (hostname NOT GLOB '[*]*' OR hostname GLOB '[*].?*')
   AND hostname NOT GLOB '.*' AND hostname NOT GLOB '*.' AND hostname NOT GLOB '*..*'`

const engineName = `${matches('name', { only: 'a-zA-Z0-9_.-', max: 255 })} AND name GLOB '[a-zA-Z0-9]*'`

/** What a store began with. */
export const firstTables = `
  CREATE TABLE sealed_check (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    value BLOB NOT NULL
  ) STRICT;

  CREATE TABLE apps (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE CHECK (${appName}),
    created_at INTEGER NOT NULL,
    retired INTEGER NOT NULL DEFAULT 0 CHECK (retired IN (0, 1)),
    last_release INTEGER NOT NULL DEFAULT 0
  ) STRICT;

  CREATE TABLE people (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE CHECK (${readable('name', { max: 128 })}),
    role TEXT NOT NULL CHECK (role IN ('admin', 'deployer', 'viewer'))
  ) STRICT;

  CREATE TABLE keys (
    fingerprint TEXT NOT NULL PRIMARY KEY CHECK (fingerprint GLOB 'SHA256:?*'),
    name TEXT NOT NULL UNIQUE CHECK (${readable('name', { max: 128 })}),
    type TEXT NOT NULL,
    blob TEXT NOT NULL,
    person INTEGER NOT NULL REFERENCES people,
    added_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX keys_of_person ON keys (person);

  CREATE TABLE config (
    id INTEGER PRIMARY KEY,
    app INTEGER REFERENCES apps ON DELETE CASCADE,
    key TEXT NOT NULL CHECK (${matches('key', { only: 'A-Za-z0-9_', max: 1000 })} AND key GLOB '[A-Za-z_]*'),
    value BLOB NOT NULL,
    owner TEXT NOT NULL CHECK (owner = '' OR ${readable('owner', { max: 128 })})
  ) STRICT;
  CREATE UNIQUE INDEX config_place ON config (coalesce(app, 0), key);
  CREATE INDEX config_of_app ON config (app);

  CREATE TABLE domains (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    app INTEGER NOT NULL REFERENCES apps ON DELETE CASCADE,
    hostname TEXT NOT NULL UNIQUE CHECK (${hostname})
  ) STRICT;
  CREATE INDEX domains_of_app ON domains (app);

  CREATE TABLE global_domains (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    hostname TEXT NOT NULL UNIQUE CHECK (${hostname})
  ) STRICT;

  CREATE TABLE formation (
    app INTEGER NOT NULL REFERENCES apps ON DELETE CASCADE,
    process TEXT NOT NULL CHECK (${matches('process', { only: 'A-Za-z0-9_-', max: 63 })}),
    count INTEGER NOT NULL CHECK (count >= 0),
    PRIMARY KEY (app, process)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE properties (
    id INTEGER PRIMARY KEY,
    topic TEXT NOT NULL CHECK (${readable('topic', { max: 128 })}),
    app INTEGER REFERENCES apps ON DELETE CASCADE,
    key TEXT NOT NULL CHECK (${readable('key', { max: 255 })}),
    value BLOB NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX properties_place ON properties (topic, coalesce(app, 0), key);
  CREATE INDEX properties_of_app ON properties (app);

  CREATE TABLE releases (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    app INTEGER NOT NULL REFERENCES apps ON DELETE CASCADE,
    number INTEGER NOT NULL CHECK (number > 0),
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'live', 'superseded', 'failed')),
    image TEXT NOT NULL,
    revision TEXT,
    procfile TEXT NOT NULL CHECK (json_valid(procfile)),
    port INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535),
    config BLOB NOT NULL,
    by TEXT NOT NULL,
    why TEXT NOT NULL,
    failure TEXT,
    created_at INTEGER NOT NULL,
    live_at INTEGER,
    live_order INTEGER,
    UNIQUE (app, number)
  ) STRICT;
  CREATE UNIQUE INDEX releases_one_live ON releases (app) WHERE state = 'live';

  CREATE TABLE networks (
    app INTEGER NOT NULL PRIMARY KEY REFERENCES apps ON DELETE CASCADE,
    name TEXT NOT NULL UNIQUE CHECK (${engineName}),
    subnet TEXT NOT NULL UNIQUE CHECK (subnet GLOB '[0-9]*.*.*.*/26')
  ) STRICT;

  CREATE TABLE addresses (
    address TEXT NOT NULL PRIMARY KEY,
    app INTEGER NOT NULL REFERENCES networks ON DELETE CASCADE,
    host INTEGER NOT NULL CHECK (host BETWEEN 2 AND 62),
    used INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX addresses_by_use ON addresses (app, used, host);

  CREATE TABLE containers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    app INTEGER NOT NULL REFERENCES apps ON DELETE CASCADE,
    process TEXT NOT NULL CHECK (${matches('process', { only: 'A-Za-z0-9_-', max: 63 })}),
    "index" INTEGER NOT NULL CHECK ("index" > 0),
    release INTEGER NOT NULL,
    name TEXT NOT NULL UNIQUE CHECK (${engineName}),
    address TEXT NOT NULL UNIQUE,
    port INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535),
    hash TEXT NOT NULL,
    spec BLOB NOT NULL,
    state TEXT NOT NULL DEFAULT 'starting' CHECK (state IN ('starting', 'wanted', 'retiring')),
    FOREIGN KEY (app, release) REFERENCES releases (app, number) ON DELETE CASCADE
  ) STRICT;
  CREATE INDEX containers_of_release ON containers (app, release);

  -- An address counts as used until its container is gone, however long ago it was taken.
  CREATE TRIGGER containers_free_address AFTER DELETE ON containers BEGIN
    UPDATE addresses
    SET used = (SELECT max(used) + 1 FROM addresses AS others WHERE others.app = addresses.app)
    WHERE address = OLD.address;
  END;

  CREATE TABLE steps (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    app INTEGER NOT NULL REFERENCES apps ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (${readable('kind', { max: 128 })}),
    phase TEXT NOT NULL CHECK (${readable('phase', { max: 128 })}),
    data BLOB NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX steps_of_app ON steps (app);

  CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    person TEXT NOT NULL,
    key TEXT NOT NULL,
    line TEXT NOT NULL,
    exit INTEGER NOT NULL,
    hash TEXT NOT NULL
  ) STRICT;
  CREATE TRIGGER audit_stays BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'The audit only grows'); END;
  CREATE TRIGGER audit_holds BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'The audit only grows'); END;

  CREATE TABLE audit_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    entry BLOB NOT NULL
  ) STRICT;

  CREATE TABLE kv (
    plugin TEXT NOT NULL CHECK (${readable('plugin', { max: 128 })}),
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (plugin, key)
  ) STRICT;
  `
