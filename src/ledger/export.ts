// The log as JSON Lines: each line canonical JSON, the last one a signed head, so that nobody needs the database to
// check it.
import { canonicalJson } from '../domain/canonical.ts';
import { compactJws, HEAD_TYP, type Head, type LogKey, RECEIPT_TYP, signPart } from './chain.ts';
import type { StoredCheckpoint } from './checkpoints.ts';
import type { LogEnd } from './own-log.ts';
import type { SeqRange, StoredReceipt } from './query.ts';
import type { LedgerReader } from './reader.ts';

/**
 * The lines of an unbroken run of receipts, without their line feeds; memory stays flat. The first is the checkpoint
 * that covers them, where there is one, the last the head after the last receipt, signed now.
 */
export function* exportLines(stored: Iterable<StoredReceipt>, end: LogEnd, checkpoint?: string): Generator<string> {
  if (checkpoint !== undefined) yield checkpoint;
  for (const one of stored) yield receiptLine(one);
  yield headLine(end.log, end.head, end.at, end.key);
}

/**
 * `{checkpoint, proof, seq}`: the log's newest cosigned checkpoint, and that the last of these receipts it knows is in
 * its tree. Undefined where it knows none of them.
 */
export function checkpointLine(reader: LedgerReader, { first, last }: SeqRange): string | undefined {
  const checkpoint = reader.checkpoint();
  const seq = Math.min(checkpoint?.size ?? 0, last);
  if (!checkpoint || seq < Math.max(first, 1)) return undefined;
  return canonicalJson({ checkpoint: checkpoint.note, proof: proofOf(reader, seq, checkpoint), seq });
}

/**
 * `{checkpoint, hash, proof, receipt, signature}`: that one receipt is in the log, for whoever has its keys and nothing
 * else. Undefined where the checkpoint does not know it yet.
 */
export function proofLine(reader: LedgerReader, seq: number, checkpoint: StoredCheckpoint): string | undefined {
  const [stored] = reader.stored({ first: seq, last: seq });
  if (!stored || seq > checkpoint.size) return undefined;
  const known = { checkpoint: checkpoint.note, proof: proofOf(reader, seq, checkpoint) };
  return canonicalJson({ ...known, ...JSON.parse(receiptLine(stored)) });
}

function proofOf(reader: LedgerReader, seq: number, { size }: StoredCheckpoint): string[] {
  return reader.inclusion(seq, size).map((hash) => hash.toString('base64'));
}

/** `{hash, receipt, signature}`; the receipt's bytes go in as they are stored, so that a change to them shows. */
export function receiptLine({ bytes, hash, kid, signature }: StoredReceipt): string {
  const jws = compactJws(bytes, RECEIPT_TYP, kid, signature);
  return `{"hash":${JSON.stringify(hash)},"receipt":${bytes},"signature":${JSON.stringify(jws)}}`;
}

/** `{head, signature}`: the statement that the log reached this receipt. */
export function headLine(log: string, { seq, hash }: Head, at: string, key: LogKey): string {
  const head = { at, hash, log, seq };
  const payload = canonicalJson(head);
  return canonicalJson({ head, signature: compactJws(payload, HEAD_TYP, key.kid, signPart(payload, HEAD_TYP, key)) });
}
