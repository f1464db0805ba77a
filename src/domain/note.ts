// Signed notes (C2SP signed-note v1), and the two kinds in use here: a log's checkpoint (C2SP tlog-checkpoint) and a
// witness's cosignature of it (C2SP tlog-cosignature). Text in, text out; it never says whether a key is to be trusted.
import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { readTreeHash, type TreeHash } from './merkle.ts';

/** What a key of a note signs: a log its checkpoints, a witness what it has seen of a log. */
export type NoteKeyKind = 'log' | 'witness';

/** A public key under a name, as notes know it. */
export interface NoteKey {
  readonly kind: NoteKeyKind;
  readonly name: string;
  /** The 32 bytes of the Ed25519 public key. */
  readonly publicKey: Uint8Array;
}

/** A checkpoint: that the log `origin` has `size` receipts, whose tree has this root. */
export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: TreeHash;
  /** What is signed, with its final line feed. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** One line of signature. `bytes` begins with the four bytes that name the key. */
export interface NoteSignature {
  readonly name: string;
  readonly bytes: Buffer;
  readonly line: string;
}

const TYPE: Readonly<Record<NoteKeyKind, number>> = { log: 0x01, witness: 0x04 };
const KEY_ID_BYTES = 4;
const TIME_BYTES = 8;
const SIGNATURE_BYTES = 64;
const MOST_NOTE_CHARACTERS = 64 * 1024;
const MOST_SIGNATURES = 64;
const NAME = /^[^\s+\p{Cc}\p{Z}]{1,200}$/u;
const SIGNATURE_LINE = /^\u2014 ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/u;
const SIZE = /^(0|[1-9][0-9]{0,15})$/;

/** The origin of a log's checkpoints, and the name of the key that signs them. */
export const originOf = (log: string): string => `purser/${log}`;

/** The text of a checkpoint, which is what is signed. */
export function checkpointText({ origin, size, root }: Pick<Checkpoint, 'origin' | 'size' | 'root'>): string {
  return `${origin}\n${size}\n${root.toString('base64')}\n`;
}

/** Reads a checkpoint strictly; the message of the Error says what is wrong. Signatures are not verified here. */
export function readCheckpoint(note: string): Checkpoint {
  if (note.length > MOST_NOTE_CHARACTERS) throw new Error('the checkpoint is too long');
  if (!note.isWellFormed() || /[\p{Cc}]/u.test(note.replaceAll('\n', ''))) throw new Error('the checkpoint is no text');
  const split = note.lastIndexOf('\n\n');
  if (split < 0 || !note.endsWith('\n')) throw new Error('the checkpoint has no signatures');
  const text = note.slice(0, split + 1);
  const [origin = '', size = '', root, ...more] = text.slice(0, -1).split('\n');
  const hash = readTreeHash(root);
  if (!NAME.test(origin) || !SIZE.test(size) || !hash || more.length > 0 || !Number.isSafeInteger(Number(size))) {
    throw new Error('the checkpoint is not an origin, a size and a root hash, one a line');
  }
  const lines = note.slice(split + 2, -1).split('\n');
  if (lines.length > MOST_SIGNATURES) throw new Error(`the checkpoint has more than ${MOST_SIGNATURES} signatures`);
  return { origin, size: Number(size), root: hash, text, signatures: lines.map(readSignature) };
}

/** Reads one line of signature, without its line feed. Throws Error. */
export function readSignature(line: string): NoteSignature {
  const [, name = '', written = ''] = SIGNATURE_LINE.exec(line) ?? [];
  const bytes = Buffer.from(written, 'base64');
  if (!NAME.test(name) || bytes.length <= KEY_ID_BYTES || bytes.toString('base64') !== written) {
    throw new Error('a line of the checkpoint is not a signature');
  }
  return { name, bytes, line };
}

/** The note over a text: the text, an empty line, the lines of signature. */
export const noteOf = (text: string, lines: readonly string[]): string =>
  `${text}\n${lines.map((line) => `${line}\n`).join('')}`;

/** The line by which a log signs its checkpoint. */
export function signCheckpoint(text: string, key: NoteKey, privateKey: KeyObject): string {
  return signatureLine(key, sign(null, Buffer.from(text), privateKey));
}

/** The line by which a witness cosigns a checkpoint at a time in seconds since 1970. */
export function cosign(text: string, key: NoteKey, privateKey: KeyObject, seconds: number): string {
  const time = Buffer.alloc(TIME_BYTES);
  time.writeBigUInt64BE(BigInt(seconds));
  return signatureLine(key, Buffer.concat([time, sign(null, cosigned(text, seconds), privateKey)]));
}

/** A signature that a key has put under a checkpoint; `seconds` is when a witness says it did, null for a log. */
export interface Signed {
  readonly seconds: number | null;
}

/**
 * What this key signed: undefined when no line is its own. Throws Error when a line that names it is not its
 * signature.
 */
export function signedBy(
  { text, signatures }: Pick<Checkpoint, 'text' | 'signatures'>,
  key: NoteKey,
): Signed | undefined {
  const id = keyId(key);
  const own = signatures.filter(({ name, bytes }) => name === key.name && bytes.subarray(0, KEY_ID_BYTES).equals(id));
  const [first] = own.map(({ bytes }) => verified(text, bytes.subarray(KEY_ID_BYTES), key));
  return first;
}

/** The key as configurations name it (a C2SP vkey): `name+id+key`. */
export function writeKey(key: NoteKey): string {
  const material = Buffer.from([TYPE[key.kind], ...key.publicKey]).toString('base64');
  return `${key.name}+${keyId(key).toString('hex')}+${material}`;
}

/** Reads a vkey of either kind. Throws Error. */
export function readKey(text: string): NoteKey {
  const [name = '', id, written = '', ...more] = splitKey(text);
  const material = Buffer.from(written, 'base64');
  const kind = (['log', 'witness'] as const).find((known) => TYPE[known] === material[0]);
  const publicKey = new Uint8Array(material.subarray(1));
  const key = kind && { kind, name, publicKey };
  if (!key || more.length > 0 || !NAME.test(name) || publicKey.length !== 32 || keyId(key).toString('hex') !== id) {
    throw new Error('is not a key such as example.com/w1+0a1b2c3d+BHR5…, an Ed25519 key of a log or a witness');
  }
  return key;
}

/** The raw 32 bytes of an Ed25519 key. */
export function rawPublicKey(key: KeyObject): Uint8Array {
  const { x } = (key.type === 'private' ? createPublicKey(key) : key).export({ format: 'jwk' });
  return new Uint8Array(Buffer.from(x ?? '', 'base64url'));
}

// A name has no plus, but base64 does: only the first two divide.
function splitKey(text: string): string[] {
  const first = text.indexOf('+');
  const second = text.indexOf('+', first + 1);
  return first < 0 || second < 0 ? [] : [text.slice(0, first), text.slice(first + 1, second), text.slice(second + 1)];
}

function keyId({ kind, name, publicKey }: NoteKey): Buffer {
  const hash = createHash('sha256')
    .update(`${name}\n`)
    .update(Buffer.from([TYPE[kind], ...publicKey]));
  return hash.digest().subarray(0, KEY_ID_BYTES);
}

const signatureLine = (key: NoteKey, signature: Buffer): string =>
  `\u2014 ${key.name} ${Buffer.concat([keyId(key), signature]).toString('base64')}`;

const cosigned = (text: string, seconds: number): Buffer => Buffer.from(`cosignature/v1\ntime ${seconds}\n${text}`);

function verified(text: string, signature: Buffer, key: NoteKey): Signed {
  const time = key.kind === 'witness' ? TIME_BYTES : 0;
  const x = Buffer.from(key.publicKey).toString('base64url');
  const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
  const seconds = time > 0 && signature.length > time ? Number(signature.readBigUInt64BE()) : null;
  const message = seconds === null ? Buffer.from(text) : cosigned(text, seconds);
  const whole = signature.length === time + SIGNATURE_BYTES && (seconds === null || Number.isSafeInteger(seconds));
  if (!whole || !verify(null, message, publicKey, signature.subarray(time))) {
    throw new Error(`the signature of ${key.name} under the checkpoint is wrong`);
  }
  return { seconds };
}
