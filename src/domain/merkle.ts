// The Merkle tree over a log (RFC 9162, section 2.1): how leaves and nodes are hashed, the root of leaves that come one
// by one, and what proofs say. It only computes; where the hashes are kept is not its concern.
import { hash } from 'node:crypto';

/** A SHA-256 of the tree, 32 bytes. */
export type TreeHash = Buffer;

/** The most hashes a proof can have. */
export const MOST_PROOF_HASHES = 63;

const HASH_BYTES = 32;
const LEAF = Buffer.from([0]);
const NODE = Buffer.from([1]);

/** The root of the tree without leaves. */
export const EMPTY_ROOT: TreeHash = hash('sha256', '', 'buffer');

/** The hash of a leaf: a byte 0 before it, so that no leaf can pass for a node. */
export function leafHash(leaf: Uint8Array): TreeHash {
  return hash('sha256', Buffer.concat([LEAF, leaf]), 'buffer');
}

/** The hash of a node over its two children: a byte 1 before them. */
export function nodeHash(left: TreeHash, right: TreeHash): TreeHash {
  return hash('sha256', Buffer.concat([NODE, left, right]), 'buffer');
}

/** What a receipt is in its log's tree: its hash (64 hex digits) and its signature (base64url), as 32 + 64 bytes. */
export function receiptLeaf(receipt: string, signature: string): TreeHash {
  return leafHash(Buffer.concat([Buffer.from(receipt, 'hex'), Buffer.from(signature, 'base64url')]));
}

/** The root of leaves that are added one by one; keeps one hash for each level. */
export class GrowingRoot {
  /** The root of the complete subtree of 2^level leaves at the end, where there is one. */
  readonly #levels: (TreeHash | undefined)[] = [];

  /** Adds the hash of the next leaf. */
  add(leaf: TreeHash): void {
    let carried = leaf;
    let level = 0;
    for (let left = this.#levels[0]; left; left = this.#levels[level]) {
      carried = nodeHash(left, carried);
      this.#levels[level] = undefined;
      level += 1;
    }
    this.#levels[level] = carried;
  }

  /** The root of all leaves so far. */
  root(): TreeHash {
    let root: TreeHash | undefined;
    for (const subtree of this.#levels) if (subtree) root = root ? nodeHash(subtree, root) : subtree;
    return root ?? EMPTY_ROOT;
  }
}

/** Is `leaf` the leaf `index` of the tree of `size` leaves with this root? (RFC 9162, section 2.1.3.2) */
export function includes(
  tree: { readonly size: number; readonly root: TreeHash },
  index: number,
  leaf: TreeHash,
  proof: readonly TreeHash[],
): boolean {
  if (index >= tree.size || proof.length > MOST_PROOF_HASHES) return false;
  let place = index;
  let last = tree.size - 1;
  let root = leaf;
  for (const sibling of proof) {
    if (last === 0) return false;
    if (place % 2 === 1 || place === last) {
      root = nodeHash(sibling, root);
      for (; place % 2 === 0 && place !== 0; place /= 2) last = Math.floor(last / 2);
    } else root = nodeHash(root, sibling);
    place = Math.floor(place / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && root.equals(tree.root);
}

/** Do the first leaves of the later tree make the earlier one? (RFC 9162, section 2.1.4.2) */
export function growsFrom(
  earlier: { readonly size: number; readonly root: TreeHash },
  later: { readonly size: number; readonly root: TreeHash },
  proof: readonly TreeHash[],
): boolean {
  if (earlier.size > later.size || proof.length > MOST_PROOF_HASHES) return false;
  if (earlier.size === later.size) return proof.length === 0 && earlier.root.equals(later.root);
  if (earlier.size === 0) return proof.length === 0;
  const path = isPowerOfTwo(earlier.size) ? [earlier.root, ...proof] : proof;
  const [first, ...rest] = path;
  if (!first) return false;
  let place = earlier.size - 1;
  let last = later.size - 1;
  for (; place % 2 === 1; place = Math.floor(place / 2)) last = Math.floor(last / 2);
  let before = first;
  let after = first;
  for (const next of rest) {
    if (last === 0) return false;
    if (place % 2 === 1 || place === last) {
      before = nodeHash(next, before);
      after = nodeHash(next, after);
      for (; place % 2 === 0 && place !== 0; place /= 2) last = Math.floor(last / 2);
    } else after = nodeHash(after, next);
    place = Math.floor(place / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && before.equals(earlier.root) && after.equals(later.root);
}

/** A hash of the tree as it is written, base64 with padding; undefined when it is not one. */
export function readTreeHash(text: unknown): TreeHash | undefined {
  if (typeof text !== 'string') return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.length === HASH_BYTES && bytes.toString('base64') === text ? bytes : undefined;
}

const isPowerOfTwo = (size: number): boolean => 2 ** Math.floor(Math.log2(size)) === size;
