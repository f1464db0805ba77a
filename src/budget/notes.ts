// What a gateway notes about the store that it shares: the generation and marks it knows, the terms it agreed to, and
// the others' newest statements. It is kept in the state folder, since the store may forget all of it.
import type { DatabaseSync } from 'node:sqlite';
import type { Notes } from '../domain/account.ts';
import type { Operations, StateAccess } from '../domain/operations.ts';
import type { Term } from './store.ts';

const TABLE =
  'CREATE TABLE IF NOT EXISTS budget_notes (name TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT, WITHOUT ROWID';

/** The operations `notes.read` and `notes.write` on the state database. They are not durable by themselves. */
export function notesOperations(db: DatabaseSync): Operations {
  db.exec(TABLE);
  const all = db.prepare('SELECT name, text FROM budget_notes');
  const put = db.prepare('INSERT OR REPLACE INTO budget_notes VALUES (?, ?)');
  return {
    'notes.read': {
      durable: false,
      run: () => Object.fromEntries(all.all().map(({ name, text }) => [String(name), String(text)])),
    },
    'notes.write': {
      durable: false,
      run: (notes) => {
        for (const [name, text] of Object.entries(notes as Record<string, string>)) put.run(name, text);
      },
    },
  };
}

/** The gateway's side of these operations. */
export function notesIn(state: Pick<StateAccess, 'call'>): Notes {
  return {
    read: () => state.call('notes.read', null),
    write: (notes) => state.call('notes.write', notes),
  };
}

/** Another gateway as this one last heard of it. */
export interface Peer {
  /** How new its statement is; -1 when it never made one. */
  readonly mark: number;
  readonly statement: string;
  /** It was waited for in vain: the next rebuild does not wait for it again. */
  readonly givenUp: boolean;
}

/** One that is a member, and has said nothing yet. */
export const UNHEARD: Peer = { mark: -1, statement: '[]', givenUp: false };

/** Everything that is noted. */
export interface Noted {
  readonly generation: number;
  readonly acknowledged: number;
  readonly latest: number;
  readonly terms: readonly Term[];
  readonly peers: ReadonlyMap<string, Peer>;
}

const PEER = 'peer:';

/** Reads notes; what is missing is as for a gateway that knows nothing. Throws when a note is damaged. */
export function readNotes(notes: Readonly<Record<string, string>>): Noted {
  const { generation, acknowledged, latest, terms } = notes;
  const peers = Object.entries(notes).flatMap(([name, text]): [string, Peer][] =>
    name.startsWith(PEER) ? [[name.slice(PEER.length), JSON.parse(text) as Peer]] : [],
  );
  return {
    ...{ generation: Number(generation ?? 0), acknowledged: Number(acknowledged ?? 0), latest: Number(latest ?? 0) },
    terms: JSON.parse(terms ?? '[]') as Term[],
    peers: new Map(peers),
  };
}

/** A peer as a note. */
export const peerNote = (log: string, peer: Peer): Record<string, string> => ({
  [`${PEER}${log}`]: JSON.stringify(peer),
});
