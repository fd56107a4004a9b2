import { firstTables } from './first-tables.ts'
import { readable } from './readable.ts'

/** Only ever added to at the end: what is here has already run in people's stores. */
export const migrations: readonly string[] = [
  firstTables,
  `
  CREATE TABLE attempts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    app INTEGER NOT NULL REFERENCES apps ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('build', 'deploy')),
    what TEXT NOT NULL,
    by TEXT NOT NULL,
    revision TEXT,
    status TEXT NOT NULL DEFAULT 'waiting'
      CHECK (status IN ('waiting', 'running', 'succeeded', 'failed', 'cancelled')),
    failure TEXT,
    created_at INTEGER NOT NULL,
    ended_at INTEGER
  ) STRICT;
  CREATE INDEX attempts_of_app ON attempts (app, id);
  `,
  `
  -- A row when a command begins, without an exit, and one when it has ended: "of" is the first one's id. What is older is both at once.
  CREATE TABLE audit_new (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    person TEXT NOT NULL,
    key TEXT NOT NULL,
    line TEXT NOT NULL,
    exit INTEGER,
    "of" INTEGER,
    hash TEXT NOT NULL
  ) STRICT;
  INSERT INTO audit_new (id, at, person, key, line, exit, hash) SELECT id, at, person, key, line, exit, hash FROM audit;
  DROP TABLE audit;
  ALTER TABLE audit_new RENAME TO audit;
  CREATE UNIQUE INDEX audit_ends ON audit ("of") WHERE "of" IS NOT NULL;
  CREATE TRIGGER audit_stays BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'The audit only grows'); END;
  CREATE TRIGGER audit_holds BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'The audit only grows'); END;
  `,
  `
  CREATE TABLE certificates (
    app INTEGER NOT NULL PRIMARY KEY REFERENCES apps ON DELETE CASCADE,
    chain TEXT NOT NULL,
    key BLOB NOT NULL,
    added_at INTEGER NOT NULL
  ) STRICT;
  `,
  `
  -- What was installed, and what is known of those that came with Davit once one of them was turned off.
  CREATE TABLE plugins (
    name TEXT NOT NULL PRIMARY KEY CHECK (${readable('name', { max: 128 })}),
    source TEXT,
    committish TEXT,
    "commit" TEXT,
    installed_at INTEGER,
    disabled INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
    fault TEXT,
    CHECK (("commit" IS NULL) = (source IS NULL))
  ) STRICT;
  `,
  `
  CREATE TABLE dependencies (
    app INTEGER NOT NULL REFERENCES apps ON DELETE CASCADE,
    plugin TEXT NOT NULL CHECK (${readable('plugin', { max: 128 })}),
    PRIMARY KEY (app, plugin)
  ) STRICT;
  `,
  `
  CREATE TABLE jobs (
    plugin TEXT NOT NULL CHECK (${readable('plugin', { max: 128 })}),
    name TEXT NOT NULL CHECK (${readable('name', { max: 128 })}),
    schedule TEXT NOT NULL,
    due_at INTEGER,
    PRIMARY KEY (plugin, name)
  ) STRICT;

  CREATE TABLE job_runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    plugin TEXT NOT NULL,
    name TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('running', 'succeeded', 'failed', 'missed', 'skipped')),
    at INTEGER NOT NULL,
    ended_at INTEGER,
    reason TEXT
  ) STRICT;
  CREATE INDEX runs_of_job ON job_runs (plugin, name, id);
  `,
  `
  -- What a plugin keeps for one app goes with that app.
  CREATE TABLE kv_new (
    app INTEGER REFERENCES apps ON DELETE CASCADE,
    plugin TEXT NOT NULL CHECK (${readable('plugin', { max: 128 })}),
    key TEXT NOT NULL CHECK (${readable('key', { max: 256 })}),
    value BLOB NOT NULL
  ) STRICT;
  INSERT INTO kv_new (plugin, key, value) SELECT plugin, key, value FROM kv;
  DROP TABLE kv;
  ALTER TABLE kv_new RENAME TO kv;
  CREATE UNIQUE INDEX kv_places ON kv (coalesce(app, 0), plugin, key);
  `,
  `
  CREATE TABLE services (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    plugin TEXT NOT NULL CHECK (${readable('plugin', { max: 128 })}),
    name TEXT NOT NULL CHECK (${readable('name', { max: 63 })}),
    host TEXT NOT NULL UNIQUE CHECK (${readable('host', { max: 63 })}),
    state TEXT NOT NULL CHECK (state IN ('making', 'wanted', 'changing', 'stopped', 'retired')),
    subnet TEXT NOT NULL UNIQUE,
    spec BLOB NOT NULL,
    before BLOB,
    created_at INTEGER NOT NULL,
    UNIQUE (plugin, name)
  ) STRICT;

  -- A link goes with its app, and with its service.
  CREATE TABLE service_links (
    service INTEGER NOT NULL REFERENCES services ON DELETE CASCADE,
    app INTEGER NOT NULL REFERENCES apps ON DELETE CASCADE,
    address TEXT NOT NULL UNIQUE,
    keys TEXT NOT NULL,
    left_at INTEGER,
    PRIMARY KEY (service, app)
  ) STRICT;
  CREATE INDEX links_of_app ON service_links (app);
  `,
  `
  -- It is gone, and what it kept is being taken away.
  ALTER TABLE plugins ADD COLUMN purging INTEGER NOT NULL DEFAULT 0 CHECK (purging IN (0, 1));
  `,
]
