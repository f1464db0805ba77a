// The Merkle tree over the receipts (RFC 9162, section 2.1), leaf n being receipt n + 1. Only roots of complete
// subtrees of 256 leaves and more are kept, once something asks for them: sealing costs nothing, a proof little.
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { EMPTY_ROOT, nodeHash, receiptLeaf, type TreeHash } from '../domain/merkle.ts';
import { leavesInRange } from './query.ts';

/** The level of the smallest subtrees whose roots are kept. */
const KEPT_LEVEL = 8;
/** How many receipts the smallest of them has. */
const BLOCK = 2 ** KEPT_LEVEL;

const TREE = `
  CREATE TABLE IF NOT EXISTS tree (
    level INTEGER NOT NULL, place INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (level, place)
  ) STRICT, WITHOUT ROWID
`;

/** Makes the table when it is missing. */
export function prepareTree(db: DatabaseSync): void {
  db.exec(TREE);
}

/**
 * Keeps the roots of subtrees that are complete at `size` and not kept yet, at most `blocks` of the smallest; true once
 * all are. To be called with a writable database.
 */
export function growTree(db: DatabaseSync, size: number, blocks: number): boolean {
  const tree = new LogTree(db);
  const keep = db.prepare('INSERT OR REPLACE INTO tree (level, place, hash) VALUES (?, ?, ?)');
  const last = db.prepare('SELECT max(place) AS place FROM tree WHERE level = ?').get(KEPT_LEVEL)?.place;
  const first = last === null || last === undefined ? 0 : Number(last) + 1;
  const whole = Math.floor(size / BLOCK);
  const end = Math.min(whole, first + blocks);
  for (let block = first; block < end; block += 1) {
    keep.run(KEPT_LEVEL, block, tree.subtree(KEPT_LEVEL, block));
    // A right child completes its parent, and that may be one too.
    let place = block;
    for (let level = KEPT_LEVEL; place % 2 === 1; level += 1) {
      place = Math.floor(place / 2);
      keep.run(level + 1, place, tree.subtree(level + 1, place));
    }
  }
  return end >= whole;
}

/** Forgets what was kept of receipts beyond `size`. */
export function cutTree(db: DatabaseSync, size: number): void {
  if (!db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'tree'").get()) return;
  db.prepare('DELETE FROM tree WHERE (place + 1) * (1 << level) > ?').run(size);
}

/** The tree as it is in a database, also one opened for reading; what is not kept is computed from the receipts. */
export class LogTree {
  readonly #db: DatabaseSync;
  readonly #kept: StatementSync | undefined;
  #block: { readonly first: number; readonly last: number; readonly leaves: readonly TreeHash[] } | undefined;

  constructor(db: DatabaseSync) {
    this.#db = db;
    const there = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'tree'").get();
    this.#kept = there && db.prepare('SELECT hash FROM tree WHERE level = ? AND place = ?');
  }

  /** The root of the first `size` receipts. */
  root(size: number): TreeHash {
    return size === 0 ? EMPTY_ROOT : this.#range(0, size);
  }

  /** The inclusion proof of a leaf, counted from 0, in the tree of the first `size` receipts. */
  inclusion(index: number, size: number): TreeHash[] {
    const path = (from: number, to: number): TreeHash[] => {
      if (to - from === 1) return [];
      const middle = from + split(to - from);
      if (index < middle) return [...path(from, middle), this.#range(middle, to)];
      return [...path(middle, to), this.#range(from, middle)];
    };
    return path(0, size);
  }

  /** The proof that the tree of the first `size` receipts grew from that of the first `earlier`. */
  consistency(earlier: number, size: number): TreeHash[] {
    const path = (from: number, to: number, ownRoot: boolean): TreeHash[] => {
      if (to === earlier) return ownRoot ? [] : [this.#range(from, to)];
      const middle = from + split(to - from);
      if (earlier <= middle) return [...path(from, middle, ownRoot), this.#range(middle, to)];
      return [...path(middle, to, false), this.#range(from, middle)];
    };
    return earlier === 0 || earlier === size ? [] : path(0, size, true);
  }

  /** The root of the complete subtree of 2^level leaves that is the `place`-th of its level. */
  subtree(level: number, place: number): TreeHash {
    const kept = level < KEPT_LEVEL ? undefined : this.#kept?.get(level, place)?.hash;
    if (kept instanceof Uint8Array) return Buffer.from(kept);
    if (level > KEPT_LEVEL) return nodeHash(this.subtree(level - 1, place * 2), this.subtree(level - 1, place * 2 + 1));
    const from = place * 2 ** level;
    return rootOf(this.#read(from, from + 2 ** level));
  }

  #range(from: number, to: number): TreeHash {
    const count = to - from;
    const level = Math.log2(count);
    if (Number.isInteger(level)) return this.subtree(level, from / count);
    if (count < BLOCK) return rootOf(this.#read(from, to));
    const middle = from + split(count);
    return nodeHash(this.#range(from, middle), this.#range(middle, to));
  }

  /** Leaves of one block; the last block that was read is kept, since a proof asks for many parts of it. */
  #read(from: number, to: number): readonly TreeHash[] {
    const first = Math.floor(from / BLOCK) * BLOCK;
    if (this.#block?.first !== first || this.#block.last < to) {
      const rows = leavesInRange(this.#db, { first: first + 1, last: first + BLOCK });
      const leaves = Array.from(rows, ({ hash, signature }) => receiptLeaf(hash, signature));
      this.#block = { first, last: first + leaves.length, leaves };
    }
    if (this.#block.last < to) throw new Error(`the receipts after seq ${this.#block.last} are missing`);
    return this.#block.leaves.slice(from - first, to - first);
  }
}

/** The largest power of two below `count`. */
function split(count: number): number {
  let half = 1;
  while (half * 2 < count) half *= 2;
  return half;
}

function rootOf(leaves: readonly TreeHash[]): TreeHash {
  const [only] = leaves;
  if (leaves.length === 1 && only) return only;
  const middle = split(leaves.length);
  return nodeHash(rootOf(leaves.slice(0, middle)), rootOf(leaves.slice(middle)));
}
