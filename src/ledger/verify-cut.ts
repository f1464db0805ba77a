// Receipts of which only the place in the chain is read: reading each whole takes most of the time of a long log. What
// is cut out here is the log's own writing once its checkpoint's tree has been compared: until then nothing of it is
// believed.
import { type Jws, readJws, readSignature } from './verify-lines.ts';

/** A receipt with its parts as text. */
export interface CutReceipt {
  readonly log: string;
  /** The receipt's bytes as text. */
  readonly text: string;
  readonly hash: string;
  /** Its signature, judged by its form. Throws Error when that is another than a receipt's. */
  jws(bytes: Buffer): Pick<Jws, 'kid' | 'signature'>;
}

/** A receipt as it is stored, which can also be written as the line of an export. */
export interface StoredLine {
  readonly bytes: string;
  readonly hash: string;
  readonly kid: string;
  readonly signature: string;
  line(): string;
}

/** The JWS type of receipts. */
export const RECEIPT = 'purser-receipt+jws';

const START = '{"hash":"';
const MIDDLE = '","receipt":{';
const SIGNATURE = ',"signature":"';
const END = '"}';
const LOG = ',"log":"';
const AT = ',"at":"';
const CHALLENGE = ',"challenge":{';
const SEQ = ',"seq":';
const SEQ_DIGITS = 16;
const PREV = ',"prev":"';
const HASH_END = START.length + 64;

/** The parts of a line of an export; undefined when it is not exactly such a line. */
export function cutLine(line: string): CutReceipt | undefined {
  const to = line.lastIndexOf(SIGNATURE);
  if (!line.startsWith(START) || !line.startsWith(MIDDLE, HASH_END) || !line.endsWith(`${END}`) || to < 0) {
    return undefined;
  }
  const text = line.slice(HASH_END + MIDDLE.length - 1, to);
  const written = line.slice(to + SIGNATURE.length, -END.length);
  return {
    log: logIn(text),
    text,
    hash: line.slice(START.length, HASH_END),
    jws: (bytes) => readJws(written, RECEIPT, bytes),
  };
}

/** The parts of a receipt as it is stored. */
export function cutStored({ bytes, hash, kid, signature }: StoredLine): CutReceipt {
  return { log: logIn(bytes), text: bytes, hash, jws: () => ({ kid, signature: readSignature(signature) }) };
}

/** The number of a receipt, and where it is written; NaN when it has none. */
export function seqIn(text: string): { readonly seq: number; readonly place: number } {
  const place = text.lastIndexOf(SEQ);
  return { seq: Number.parseInt(text.slice(place + SEQ.length, place + SEQ.length + SEQ_DIGITS), 10), place };
}

/** Is this the hash of the receipt before? `place` is that of its number. */
export function follows(text: string, hash: string, place: number): boolean {
  const prev = text.lastIndexOf(PREV, place);
  return prev >= 0 && text.startsWith(`${hash}"`, prev + PREV.length);
}

/** When it was sealed, as it is written. */
export function atIn(text: string): string {
  const challenge = text.indexOf(CHALLENGE);
  return textAfter(text, AT, challenge < 0 ? text.length : challenge);
}

function logIn(text: string): string {
  return textAfter(text, LOG, text.lastIndexOf(PREV));
}

function textAfter(text: string, name: string, before: number): string {
  const from = text.lastIndexOf(name, before);
  return from < 0 ? '' : text.slice(from + name.length, text.indexOf('"', from + name.length));
}
