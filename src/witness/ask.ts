// The log's end of the witness protocol: asks one witness to cosign a checkpoint and says what its answer means. It
// believes nothing but a cosignature of the key that is configured.
import { type NoteKey, readCheckpoint, readSignature, signedBy } from '../domain/note.ts';
import { writeRequest } from './request.ts';

/** What a witness made of a checkpoint. */
export type Asked =
  /** Cosigned, by this line. */
  | { readonly kind: 'cosigned'; readonly line: string }
  /** It has cosigned a larger tree of this log than there is here. */
  | { readonly kind: 'ahead'; readonly size: number }
  /** It has cosigned another history of this log. */
  | { readonly kind: 'forked'; readonly size: number }
  /** It does not know the log (404). */
  | { readonly kind: 'unknown' }
  /** It could not be asked, or answered something else; in words for an operator. */
  | { readonly kind: 'failed'; readonly why: string };

/** How a witness is asked. */
export interface AskParts {
  readonly key: NoteKey;
  /** Sends a body to its `add-checkpoint`. Rejects when there is no whole answer. */
  post(body: string): Promise<{ readonly status: number; readonly body: Uint8Array }>;
  /** The consistency proof between two sizes of the log's tree. */
  grown(sizes: { readonly from: number; readonly to: number }): Promise<readonly string[]>;
}

/** The size may change between two answers only when somebody else asks; then a later round asks again. */
const MOST_TRIES = 3;

/** Asks for a cosignature of `note`; `known` is the size that this witness cosigned last, as far as is known here. */
export async function askWitness(parts: AskParts, note: string, known: number): Promise<Asked> {
  const checkpoint = readCheckpoint(note);
  let old = Math.min(known, checkpoint.size);
  for (let tried = 0; tried < MOST_TRIES; tried += 1) {
    const proof = await parts.grown({ from: old, to: checkpoint.size });
    let answer: Awaited<ReturnType<AskParts['post']>>;
    try {
      answer = await parts.post(writeRequest(old, proof, note));
    } catch {
      return { kind: 'failed', why: 'it cannot be reached' };
    }
    const body = Buffer.from(answer.body).toString('utf8');
    if (answer.status === 200) return cosignature(checkpoint.text, body, parts.key);
    if (answer.status === 404) return { kind: 'unknown' };
    // Where it says 422, the size that was sent was the one it knows.
    if (answer.status === 422) return { kind: 'forked', size: old };
    if (answer.status === 403) return { kind: 'failed', why: 'it does not know the key that signs the log' };
    if (answer.status !== 409) return { kind: 'failed', why: `it answered ${answer.status}` };
    const size = /^(0|[1-9][0-9]{0,15})\n$/.exec(body)?.[1];
    if (size === undefined) return { kind: 'failed', why: 'it answered 409 without a size' };
    if (Number(size) > checkpoint.size) return { kind: 'ahead', size: Number(size) };
    old = Number(size);
  }
  return { kind: 'failed', why: 'somebody else asks it about this log at the same time' };
}

function cosignature(text: string, body: string, key: NoteKey): Asked {
  try {
    const own = body
      .split('\n')
      .filter((line) => line !== '')
      .map(readSignature)
      .find((signature) => signedBy({ text, signatures: [signature] }, key) !== undefined);
    if (own) return { kind: 'cosigned', line: own.line };
  } catch {
    return { kind: 'failed', why: 'its cosignature is wrong' };
  }
  return { kind: 'failed', why: 'it cosigned with another key than the one that is configured' };
}
