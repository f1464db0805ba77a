// What a checkpoint says of a log: read from an export or a file kept elsewhere, and judged by the keys of the log and
// of witnesses. Every Error says what is wrong with it.
import { includes, readTreeHash, type TreeHash } from '../domain/merkle.ts';
import { type Checkpoint, type NoteKey, readCheckpoint, signedBy } from '../domain/note.ts';
import { expectMembers, type Json } from './verify-lines.ts';

/** A checkpoint, and how one receipt of a log lies in its tree. */
export interface CheckpointLine extends Checkpoint {
  readonly log: string;
  /** The receipt: the last one of the tree where the export reaches as far. */
  readonly seq: number;
  /** Its inclusion proof; null for a checkpoint by itself, which judges a log from its first receipt only. */
  readonly proof: readonly TreeHash[] | null;
}

/** What a witness has said of a log. */
export interface Cosigned {
  readonly by: string;
  /** How many receipts it has seen. */
  readonly size: number;
  /** When it said so, as it says; RFC 3339. */
  readonly at: string;
}

const ORIGIN = /^purser\/([a-z0-9-]{1,64})$/;

/** The line `{checkpoint, proof, seq}` of an export. */
export function readCheckpointLine(line: Json): CheckpointLine {
  expectMembers(line, ['checkpoint', 'proof', 'seq']);
  const { checkpoint, proof, seq } = line;
  if (typeof checkpoint !== 'string' || !Array.isArray(proof)) throw new Error('the checkpoint is unreadable');
  const read = readKeptCheckpoint(checkpoint);
  if (typeof seq !== 'number' || !Number.isSafeInteger(seq) || seq < 1 || seq > read.size) {
    throw new Error('the checkpoint names no receipt of its tree');
  }
  return { ...read, seq, proof: readProof(proof) };
}

/** A checkpoint by itself, as `receipts checkpoint` prints it. */
export function readKeptCheckpoint(note: string): CheckpointLine {
  const checkpoint = readCheckpoint(note);
  const log = ORIGIN.exec(checkpoint.origin)?.[1];
  if (log === undefined) throw new Error(`the checkpoint is of ${checkpoint.origin}, which is no log of Purser`);
  return { ...checkpoint, log, seq: checkpoint.size, proof: null };
}

/** The hashes of an inclusion proof. */
export function readProof(hashes: readonly unknown[]): TreeHash[] {
  return hashes.map((written) => {
    const hash = readTreeHash(written);
    if (!hash) throw new Error('a hash of the proof is unreadable');
    return hash;
  });
}

/** Is this the leaf of the receipt that the checkpoint names? */
export function proves({ size, root, seq, proof }: CheckpointLine, leaf: TreeHash): boolean {
  return proof === null || includes({ size, root }, seq - 1, leaf, proof);
}

/** Requires that one of these keys of the log has signed it. */
export function logSignatureOf(checkpoint: Checkpoint, keys: readonly NoteKey[]): void {
  const signed = keys.filter((key) => signedBy(checkpoint, key) !== undefined);
  if (signed.length === 0) throw new Error('the checkpoint is not signed by a key of its log');
}

/** The first of these witnesses that has cosigned it; undefined when none has. */
export function cosignatureOf(checkpoint: Checkpoint, witnesses: readonly NoteKey[]): Cosigned | undefined {
  for (const key of witnesses) {
    const seconds = signedBy(checkpoint, key)?.seconds ?? null;
    if (seconds !== null) return { by: key.name, size: checkpoint.size, at: instantOf(seconds) };
  }
  return undefined;
}

function instantOf(seconds: number): string {
  const date = new Date(seconds * 1_000);
  return Number.isNaN(date.getTime()) ? `${seconds} s after 1970` : date.toISOString();
}
