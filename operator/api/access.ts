// Who may come through a pool and where to: databases and users. Their names stand in PgBouncer's files,
// so what could end a line or a quote there is refused here already.
import * as z from 'zod';
import { dnsSubdomain } from './formats.ts';
import { described, fields, listMap, ruled, text } from './meta.ts';
import { poolMode } from './pool-mode.ts';
import { atMostBytes, cel, matching, noneOf, type Rule } from './rules.ts';
import { secretKeyRef } from './secret-ref.ts';

const namePattern = /^[^'"\x00-\x1f\x7f-\x9f]*$/;
const nameMessage =
  'must not have quotes or control characters, which could end the line of a configuration file: use another name';

/** NAMEDATALEN - 1: Postgres would cut a longer one off, and PgBouncer refuses it. */
const maxNameBytes = 63;

/** A name of Postgres that can be written into PgBouncer's files. */
const name = (...rules: Rule<string>[]) =>
  ruled(
    text(maxNameBytes),
    matching(namePattern, nameMessage),
    atMostBytes(maxNameBytes, `must have at most ${maxNameBytes} bytes in UTF-8: shorten it`),
    {
      cel: "!self.startsWith('%')",
      holds: (self) => !self.startsWith('%'),
      message:
        'must not begin with "%", which begins a command in a configuration file: use another name',
    },
    {
      // Only blanks in the range of ASCII: others are a part of the name for Postgres and PgBouncer.
      cel: "!self.startsWith(' ') && !self.endsWith(' ')",
      holds: (self) => !self.startsWith(' ') && !self.endsWith(' '),
      message: 'must not begin or end with a blank: remove it',
    },
    ...rules,
  ).meta({ pattern: namePattern.source });

const databaseFields = fields({
  name: described(
    name(
      noneOf(
        ['pgbouncer'],
        '"pgbouncer" is the name of the admin console: rename the entry and set its dbname',
      ),
    ),
    'Name that clients connect to; "*" stands for every database and then must be the only entry.',
  ),
  dbname: described(
    name(
      noneOf(
        ['*'],
        '"*" is not a database of the server: write name "*" for every database, and no dbname',
      ),
    ).optional(),
    'Name of the database on the server, when it differs.',
  ),
  weight: described(
    z.int().min(1).max(1000).optional(),
    "Part of the pool's connections relative to the other databases. The default is 1.",
  ),
  max: described(
    z.int().min(1).max(262143).optional(),
    'Connections to this database at most, of all pods together. What it leaves goes to the other databases.',
  ),
  mode: described(
    poolMode.optional(),
    "When a connection of this database returns to the pool, where that differs from the pool's mode.",
  ),
  user: described(
    name().optional(),
    'Role that every connection to this database logs in as, whoever the client is; one of users. It cannot be changed while the entry is there.',
  ),
});

const database = ruled(databaseFields, {
  cel: "(has(self.user) ? self.user : '') == (has(oldSelf.user) ? oldSelf.user : '')",
  message:
    'databases: the user of an entry cannot be changed, because clients that are connected would keep the old one: add the database under another name (with dbname) and lead the applications there, or remove the entry, wait until status.leaving does not name it, and add it again',
});

export const databases = described(
  ruled(
    listMap(database, ['name'], 64).min(1),
    {
      cel: "self.size() == 1 || !self.exists(d, d.name == '*')",
      holds: (list) => list.length === 1 || !list.some((d) => d.name === '*'),
      message:
        'databases: "*" stands for every database and must be the only entry: remove it or the others',
    },
    {
      cel: "self.exists(d, d.name == '*') == oldSelf.exists(d, d.name == '*')",
      message:
        'databases: "*" and a list cannot be exchanged in a pool that exists, because its processes count connections by user with the one and by database with the other: create another ConnectionPool beside it, lead the applications there, and delete this one',
    },
    {
      cel: "!self.exists(d, d.name == '*' && (has(d.dbname) || has(d.weight) || has(d.max) || has(d.mode) || has(d.user)))",
      holds: (list) => !list.some((d) => d.name === '*' && Object.keys(d).length > 1),
      message:
        'databases: "*" has no dbname, weight, max, mode or user of its own: remove it (size and mode of the pool are in sizing and mode), or list the databases by name',
    },
  ).default([{ name: '*' }]),
  'Databases that clients may use. The default, "*", is every database.',
);

/** Names that begin so are Spillway's own: the console's users, the user list's mark. */
const ownPrefix = 'spillway-';

const user = fields({
  name: described(
    name(
      {
        cel: `!self.startsWith(${cel(ownPrefix)})`,
        holds: (self) => !self.startsWith(ownPrefix),
        message: `names that begin with "${ownPrefix}" are used by Spillway itself: choose another role name`,
      },
      noneOf(
        ['pgbouncer'],
        '"pgbouncer" is a user that the admin console has for itself: choose another role name',
      ),
      noneOf(['*'], '"*" is not a role: list each role by its name, with its Secret'),
    ),
    'Role that clients log in as, here and on the server.',
  ),
  secretRef: described(
    secretKeyRef("the user's password", 'password'),
    "Where the user's password is.",
  ),
  binding: described(
    fields({
      secretName: described(
        dnsSubdomain(),
        "Name of the Secret to be made, in the pool's namespace.",
      ),
      database: described(
        name(
          noneOf(
            ['*', 'pgbouncer'],
            'must be a database that applications use, not "*" or the admin console: name it',
          ),
        ).optional(),
        'Database that the Secret names. The default is the one that the pool lists, when it lists one.',
      ),
    }).optional(),
    'Makes a Secret for applications (servicebinding.io/postgresql: type, provider, host, port, username, password, database, uri). It holds the password once more, so it is made only when asked for.',
  ),
});

export const users = described(
  ruled(
    listMap(user, ['name'], 64).min(1),
    {
      cel: 'self.all(a, !has(a.binding) || self.exists_one(b, has(b.binding) && b.binding.secretName == a.binding.secretName))',
      holds: (list) =>
        list.every(
          (a) =>
            a.binding === undefined ||
            list.filter((b) => b.binding?.secretName === a.binding?.secretName).length === 1,
        ),
      message:
        'users: two users cannot have the same binding.secretName: choose a name for each of them',
    },
    {
      cel: 'self.all(a, !has(a.binding) || !self.exists(b, b.secretRef.name == a.binding.secretName))',
      holds: (list) =>
        list.every((a) => !list.some((b) => b.secretRef.name === a.binding?.secretName)),
      message:
        'users: binding.secretName is a Secret that a secretRef names, which is yours: choose another name for the Secret that Spillway makes',
    },
  ).optional(),
  'Users that may log in, with their passwords. Needed with an endpoint or a StatefulSet. With the database "*" the connections are counted by user.',
);

export type Database = z.output<typeof database>;
export type User = z.output<typeof user>;
