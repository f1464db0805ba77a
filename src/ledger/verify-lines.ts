// Lines of an export, read so that each has one reading only. Every Error says in a few words what is wrong.
import { canonicalJson, MAX_DEPTH } from '../domain/canonical.ts';

/** A JSON object of which nothing is known yet. */
export type Json = Readonly<Record<string, unknown>>;

/** A compact JWS taken apart, its header read and judged. */
export interface Jws {
  readonly kid: string;
  /** What was signed. */
  readonly input: string;
  /** 64 bytes in base64url. */
  readonly signature: string;
}

/** Instants as receipts and heads write them. */
export const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
/** A SHA-256 as receipts and heads write it. */
export const HEX = /^[0-9a-f]{64}$/;

const SIGNATURE = /^[A-Za-z0-9_-]{85}[AQgw]$/;

/** A line that is its own canonical form: no second key of a name, no other spelling, no white space. */
export function readCanonical(line: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new Error('a line is not JSON');
  }
  const read = asObject(value, 'line');
  if (!isCanonical(read, line)) throw new Error('a line is not canonical JSON');
  return read;
}

/**
 * Is `text`, of which `value` was read, the canonical JSON of it? JSON.stringify writes what RFC 8785 asks for but for
 * the order of members and for halves of surrogate pairs, and is much faster: only where it does not settle the
 * question the text is made again.
 */
export function isCanonical(value: Json, text: string): boolean {
  const settled = !text.includes('\\ud') && JSON.stringify(value) === text && inOrder(value, 0);
  return settled || canonicalJson(value) === text;
}

function inOrder(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (depth >= MAX_DEPTH) return false;
  if (Array.isArray(value)) return value.every((item) => inOrder(item, depth + 1));
  let before: string | undefined;
  for (const [name, member] of Object.entries(value)) {
    if (before !== undefined && before >= name) return false;
    if (!inOrder(member, depth + 1)) return false;
    before = name;
  }
  return true;
}

/** A compact JWS over exactly `payload`, with the header that `typ` asks for. Its signature is not verified here. */
export function readJws(jws: unknown, typ: string, payload: Buffer): Jws {
  if (typeof jws !== 'string') throw new Error('the signature is missing');
  const [header = '', body = '', signature = '', ...more] = jws.split('.');
  const kid = kidOfHeader(header, typ);
  if (more.length > 0 || body !== payload.toString('base64url')) {
    throw new Error('the signature is over other bytes');
  }
  return { kid, input: `${header}.${body}`, signature: readSignature(signature) };
}

/** The same text when it is 64 bytes in base64url: 86 characters, of which the last has only two bits. Throws Error. */
export function readSignature(text: string): string {
  if (!SIGNATURE.test(text)) throw new Error('the signature is wrong');
  return text;
}

/** The value as an object. Throws Error. */
export function asObject(value: unknown, what: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`a ${what} is not an object`);
  return value as Json;
}

/** Exactly these members, named in order. Throws Error. */
export function expectMembers(value: Json, names: readonly string[]): void {
  const found = Object.keys(value).sort().join(' ');
  if (found !== names.join(' ')) throw new Error(`a line has the members ${found} instead of ${names.join(' ')}`);
}

// All receipts of a key have the same header: the last one that was read is remembered.
let last = { header: '', typ: '', kid: '' };

function kidOfHeader(header: string, typ: string): string {
  if (last.header === header && last.typ === typ) return last.kid;
  const text = Buffer.from(header, 'base64url');
  if (text.toString('base64url') !== header) throw new Error('the signature header is unreadable');
  const value = readCanonical(text.toString('utf8'));
  expectMembers(value, ['alg', 'kid', 'typ']);
  if (value.alg !== 'EdDSA' || value.typ !== typ || typeof value.kid !== 'string') {
    throw new Error('the signature header is not that of a receipt log');
  }
  last = { header, typ, kid: value.kid };
  return value.kid;
}
