// The tree over a log against a second making of it, written from RFC 9162 alone, and proofs against what they must not
// prove.
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  EMPTY_ROOT,
  GrowingRoot,
  growsFrom,
  includes,
  leafHash,
  nodeHash,
  receiptLeaf,
} from '../../src/domain/merkle.ts';
import { cutBack } from '../../src/ledger/cut-back.ts';
import { growTree, LogTree } from '../../src/ledger/tree.ts';
import { openLog, purchase, type TestLog } from './log.ts';

const sha = (...parts: readonly Uint8Array[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest();

/** RFC 9162, section 2.1.1, word by word. */
function mth(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return sha();
  const [only] = leaves;
  if (only && leaves.length === 1) return sha(Buffer.from([0]), only);
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return sha(Buffer.from([1]), mth(leaves.slice(0, k)), mth(leaves.slice(k)));
}

const leafOf = (n: number): Buffer => Buffer.from(`leaf ${n}`);
const leaves = (count: number): Buffer[] => Array.from({ length: count }, (_, n) => leafOf(n));

function logOf(count: number): TestLog {
  const log = openLog();
  log.db.exec('BEGIN');
  for (let n = 1; n <= count; n++) log.seal(purchase('refused', n));
  log.db.exec('COMMIT');
  return log;
}

function parts(log: TestLog): Buffer[] {
  const rows = log.db.prepare('SELECT hash, signature FROM receipts ORDER BY seq').all();
  return rows.map(({ hash, signature }) =>
    Buffer.concat([Buffer.from(String(hash), 'hex'), Buffer.from(String(signature), 'base64url')]),
  );
}

test('LOG-11 leaves and nodes are hashed apart, so that no leaf passes for a node', () => {
  const [left, right] = [leafHash(leafOf(1)), leafHash(leafOf(2))];
  expect(leafHash(Buffer.concat([left, right]))).not.toEqual(nodeHash(left, right));
  expect(leafHash(Buffer.concat([Buffer.from([1]), left, right]))).not.toEqual(nodeHash(left, right));
  expect(nodeHash(left, right)).toEqual(sha(Buffer.from([1]), left, right));
});

test('a root that grows leaf by leaf is that of RFC 9162 at every size', () => {
  const growing = new GrowingRoot();
  expect(growing.root()).toEqual(EMPTY_ROOT);
  for (let size = 1; size <= 70; size++) {
    growing.add(leafHash(leafOf(size - 1)));
    expect(growing.root()).toEqual(mth(leaves(size)));
  }
});

test('the tree of a log has the root of RFC 9162 at every size, kept or computed, also after a cut', () => {
  const log = logOf(1_100);
  const all = parts(log);
  const roots = [1, 2, 255, 256, 257, 511, 512, 700, 1_024, 1_100].map(
    (size) => [size, mth(all.slice(0, size))] as const,
  );
  const check = () => {
    const tree = new LogTree(log.db);
    for (const [size, root] of roots) expect(tree.root(size)).toEqual(root);
  };
  check();
  expect(growTree(log.db, 1_100, 1)).toBe(false);
  check();
  expect(growTree(log.db, 1_100, 100)).toBe(true);
  expect(log.db.prepare('SELECT count(*) AS n FROM tree').get()?.n).toBe(4 + 2 + 1);
  check();
  log.db.exec('UPDATE tree SET hash = zeroblob(32)');
  expect(new LogTree(log.db).root(1_024)).not.toEqual(mth(all.slice(0, 1_024)));
  cutBack(log.db, 600);
  expect(log.db.prepare('SELECT count(*) AS n FROM tree').get()?.n).toBe(2 + 1);
});

test('every receipt is proved in every tree that has it, by at most 63 hashes, and in no other place', () => {
  const log = logOf(700);
  growTree(log.db, 700, 100);
  const tree = new LogTree(log.db);
  const all = parts(log);
  const size = fc.integer({ min: 1, max: 700 });
  fc.assert(
    fc.property(size, fc.nat(699), fc.nat(699), fc.nat(30), (size, a, other, flipped) => {
      const index = a % size;
      const root = tree.root(size);
      const proof = tree.inclusion(index, size);
      const leaf = leafHash(all[index] ?? Buffer.alloc(0));
      expect(proof.length).toBeLessThanOrEqual(10);
      expect(includes({ size, root }, index, leaf, proof)).toBe(true);
      const elsewhere = other % size;
      if (elsewhere !== index) expect(includes({ size, root }, elsewhere, leaf, proof)).toBe(false);
      expect(includes({ size, root }, index, leafHash(Buffer.from('x')), proof)).toBe(false);
      expect(includes({ size, root }, index, leaf, [...proof, leaf])).toBe(false);
      if (proof.length === 0) return;
      expect(includes({ size, root }, index, leaf, proof.slice(1))).toBe(false);
      const at = flipped % proof.length;
      const wrong = proof.map((hash, n) => (n === at ? Buffer.from(hash.map((byte) => byte ^ 1)) : hash));
      expect(includes({ size, root }, index, leaf, wrong)).toBe(false);
    }),
    { numRuns: 100 },
  );
});

test('a tree is proved to have grown from each earlier one, and from no other', () => {
  const log = logOf(700);
  const tree = new LogTree(log.db);
  const size = fc.integer({ min: 1, max: 700 });
  fc.assert(
    fc.property(size, size, fc.nat(20), (a, b, flipped) => {
      const [from, to] = [Math.min(a, b), Math.max(a, b)];
      const [earlier, later] = [
        { size: from, root: tree.root(from) },
        { size: to, root: tree.root(to) },
      ];
      const proof = tree.consistency(from, to);
      expect(growsFrom(earlier, later, proof)).toBe(true);
      expect(growsFrom({ size: from, root: leafHash(leafOf(1)) }, later, proof)).toBe(false);
      expect(growsFrom(earlier, { size: to, root: leafHash(leafOf(1)) }, proof)).toBe(false);
      if (from < to) expect(growsFrom(later, earlier, proof)).toBe(false);
      expect(growsFrom(earlier, later, [...proof, earlier.root])).toBe(false);
      if (proof.length === 0) return;
      const at = flipped % proof.length;
      const wrong = proof.map((hash, n) => (n === at ? Buffer.from(hash.map((byte) => byte ^ 1)) : hash));
      expect(growsFrom(earlier, later, wrong)).toBe(false);
    }),
    { numRuns: 100 },
  );
  expect(growsFrom({ size: 0, root: EMPTY_ROOT }, { size: 5, root: tree.root(5) }, [])).toBe(true);
});

test('a leaf is the hash and the signature of a receipt, 96 bytes', () => {
  const log = logOf(1);
  const { hash, signature } = log.db.prepare('SELECT hash, signature FROM receipts').get() ?? {};
  expect(parts(log)[0]).toHaveLength(96);
  expect(receiptLeaf(String(hash), String(signature))).toEqual(sha(Buffer.from([0]), parts(log)[0] ?? Buffer.alloc(0)));
});
