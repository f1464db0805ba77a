// What goes to a witness (C2SP tlog-witness, "add-checkpoint"): the size it knows, the proof that the log has grown
// from there, and the checkpoint. Written and read here, so that both ends mean the same.
import { MOST_PROOF_HASHES, readTreeHash, type TreeHash } from '../domain/merkle.ts';
import { type Checkpoint, readCheckpoint } from '../domain/note.ts';

/** Where below its address a witness takes checkpoints. */
export const ADD_CHECKPOINT = '/add-checkpoint';
/** The longest body that is read, in bytes. */
export const MOST_REQUEST_BYTES = 64 * 1024;

/** A request, read. */
export interface AddCheckpoint {
  /** The size of the tree that the witness cosigned last. */
  readonly old: number;
  readonly proof: readonly TreeHash[];
  readonly checkpoint: Checkpoint;
}

/** The body for a checkpoint; `proof` as C2SP writes hashes. */
export function writeRequest(old: number, proof: readonly string[], checkpoint: string): string {
  return `old ${old}\n${proof.map((hash) => `${hash}\n`).join('')}\n${checkpoint}`;
}

/** Reads a body strictly; the message of the Error says what is wrong. */
export function readRequest(body: string): AddCheckpoint {
  const end = body.indexOf('\n\n');
  const [first = '', ...lines] = end < 0 ? [] : body.slice(0, end).split('\n');
  const old = /^old (0|[1-9][0-9]{0,15})$/.exec(first)?.[1];
  if (old === undefined) throw new Error('the first line is not "old" and the size of a tree');
  if (lines.length > MOST_PROOF_HASHES) throw new Error(`the proof has more than ${MOST_PROOF_HASHES} hashes`);
  const proof = lines.map(readTreeHash);
  if (!proof.every((hash) => hash !== undefined)) throw new Error('a line of the proof is not a hash in base64');
  const checkpoint = readCheckpoint(body.slice(end + 2));
  if (Number(old) > checkpoint.size) throw new Error('the old size is above that of the checkpoint');
  return { old: Number(old), proof, checkpoint };
}
