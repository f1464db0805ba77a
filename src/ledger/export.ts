// The log as JSON Lines: each line canonical JSON, the last one a signed head, so that nobody needs the database to
// check it.
import { canonicalJson } from '../domain/canonical.ts';
import { compactJws, HEAD_TYP, type Head, type LogKey, RECEIPT_TYP, signPart } from './chain.ts';
import type { StoredReceipt } from './query.ts';

/**
 * The lines of an unbroken run of receipts, without their line feeds; memory stays flat. The last line is the head
 * after
 * the last receipt, signed at `at` (an instant as receipts write it).
 */
export function* exportLines(
  stored: Iterable<StoredReceipt>,
  end: { readonly log: string; readonly head: Head; readonly at: string; readonly key: LogKey },
): Generator<string> {
  for (const one of stored) yield receiptLine(one);
  yield headLine(end.log, end.head, end.at, end.key);
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
