// Checks an exported log from its bytes and the public key alone. It shares nothing with the code that writes the log
// but canonical JSON, and stops at the first fault.
import { createHash, createPublicKey, type KeyObject, verify as verifySignature } from 'node:crypto';
import { canonicalJson } from '../domain/canonical.ts';

/** What a log is checked against. */
export interface VerifyOptions {
  /** The log's public keys: a JWKS, as `GET /keys` serves it. */
  readonly keys: unknown;
  /** A `{head, signature}` line kept elsewhere, which the log must contain. */
  readonly head?: string;
  /** The log must begin at its first receipt; otherwise any unbroken run is checked from its first `prev`. */
  readonly fromStart?: boolean;
}

/** What came out. `seq` of a fault is the receipt it was found at, or the one expected there. */
export type Verdict =
  | {
      readonly ok: true;
      readonly log: string;
      readonly first: number;
      readonly last: number;
      readonly hash: string;
      readonly warnings: readonly string[];
    }
  | { readonly ok: false; readonly seq: number; readonly fault: string };

type Json = Readonly<Record<string, unknown>>;

interface SignedHead {
  readonly log: string;
  readonly seq: number;
  readonly hash: string;
}

interface Progress {
  log: string | undefined;
  kid: string | undefined;
  first: number;
  seq: number;
  hash: string;
  at: string;
  head: SignedHead | undefined;
  readonly warnings: string[];
  regressions: number;
}

interface Against {
  readonly keys: ReadonlyMap<string, KeyObject>;
  readonly kept: SignedHead | undefined;
  readonly fromStart: boolean;
}

const ZEROS = '0'.repeat(64);
const HEX = /^[0-9a-f]{64}$/;
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const WARNINGS_MOST = 20;
const BEGINNING = {
  log: undefined,
  kid: undefined,
  first: 1,
  seq: 0,
  hash: ZEROS,
  at: '',
  head: undefined,
  regressions: 0,
};

/** Checks the lines (without line feeds) of an unfiltered export. Never throws for what is in them. */
export async function verifyLog(
  lines: AsyncIterable<string> | Iterable<string>,
  options: VerifyOptions,
): Promise<Verdict> {
  const state: Progress = { ...BEGINNING, warnings: [] };
  try {
    const keys = readKeys(options.keys);
    const kept = options.head === undefined ? undefined : readKept(options.head, keys);
    const against = { keys, kept, fromStart: options.fromStart === true };
    for await (const line of lines) takeLine(line, state, against);
    return conclude(state, kept);
  } catch (error) {
    return { ok: false, seq: state.seq + 1, fault: error instanceof Error ? error.message : 'unreadable' };
  }
}

function takeLine(line: string, state: Progress, against: Against): void {
  if (state.head) throw new Error('something follows the signed head');
  const value = readCanonical(line);
  if ('head' in value) takeHead(value, state, against.keys);
  else takeReceipt(value, state, against);
}

function takeReceipt(line: Json, state: Progress, { keys, kept, fromStart }: Against): void {
  expectMembers(line, ['hash', 'receipt', 'signature']);
  const receipt = asObject(line.receipt, 'receipt');
  const { seq, prev, at, log } = receipt;
  if (receipt.v !== 1) throw new Error('this version of receipt is not known');
  if (typeof seq !== 'number' || !Number.isSafeInteger(seq) || seq < 1) throw new Error('seq is not a number');
  if (typeof log !== 'string' || typeof prev !== 'string' || typeof at !== 'string') {
    throw new Error('log, prev or at is missing');
  }
  if (state.log === undefined) begin(state, log, seq, prev, fromStart);
  if (log !== state.log) throw new Error(`it is of another log, ${log}`);
  if (seq !== state.seq + 1) throw new Error(`a receipt with seq ${seq} stands here`);
  if (prev !== state.hash) throw new Error('prev is not the hash of the receipt before');
  if (receipt.id !== `${log}.${seq}`) throw new Error('id does not match log and seq');
  if (!INSTANT.test(at)) throw new Error('at is not an instant');
  const bytes = canonicalJson(receipt);
  const hash = createHash('sha256').update(bytes).digest('hex');
  if (line.hash !== hash) throw new Error('the hash is not that of the receipt');
  checkSignature(line.signature, 'purser-receipt+jws', bytes, state, keys);
  const named = (kept?.seq === seq && hash) || (kept?.seq === seq - 1 && prev);
  if (named && named !== kept?.hash) throw new Error(`receipt ${kept?.seq} is not the one that the kept head names`);
  noteTime(state, seq, at);
  state.seq = seq;
  state.hash = hash;
}

function begin(state: Progress, log: string, seq: number, prev: string, fromStart: boolean): void {
  if (fromStart && seq !== 1) throw new Error(`the log begins at seq ${seq}`);
  if (!HEX.test(prev)) throw new Error('prev is not a hash');
  state.log = log;
  state.first = seq;
  state.seq = seq - 1;
  // A log from its beginning keeps the 64 zeros, against which its first `prev` is checked like any other.
  if (seq === 1) return;
  state.hash = prev;
  warn(state, `the export begins at seq ${seq}: nothing is said about the receipts before it`);
}

function noteTime(state: Progress, seq: number, at: string): void {
  if (at < state.at) {
    state.regressions += 1;
    warn(state, `seq ${seq} says ${at}, before the receipt before it (${state.at}): the clock was set back`);
  }
  state.at = at;
}

function warn(state: Progress, warning: string): void {
  if (state.warnings.length < WARNINGS_MOST) state.warnings.push(warning);
}

function takeHead(line: Json, state: Progress, keys: ReadonlyMap<string, KeyObject>): void {
  const head = readHead(line);
  if (state.log !== undefined && head.log !== state.log) throw new Error(`the head is of another log, ${head.log}`);
  if (head.seq !== state.seq) throw new Error(`the signed head is at seq ${head.seq}, the receipts end elsewhere`);
  if (head.hash !== state.hash) throw new Error('the signed head names another receipt');
  checkSignature(line.signature, 'purser-head+jws', canonicalJson(line.head), state, keys);
  state.log = head.log;
  state.head = head;
}

function conclude(state: Progress, kept: SignedHead | undefined): Verdict {
  if (!state.head || state.log === undefined)
    throw new Error('the signed head at the end is missing: the log is cut short');
  compareKept(state, kept);
  const left = state.regressions - WARNINGS_MOST;
  if (left > 0) state.warnings.push(`and about ${left} more`);
  const { log, first, seq, hash, warnings } = state;
  return { ok: true, log, first, last: seq, hash, warnings };
}

function compareKept(state: Progress, kept: SignedHead | undefined): void {
  if (!kept) return;
  if (kept.log !== state.log) throw new Error(`the kept head is of another log, ${kept.log}`);
  if (kept.seq > state.seq)
    throw new Error(`the kept head is at seq ${kept.seq}: receipts after ${state.seq} are gone`);
  if (kept.seq < state.first - 1) {
    throw new Error(`the kept head is at seq ${kept.seq}, before this export begins; export from there`);
  }
}

function readKept(line: string, keys: ReadonlyMap<string, KeyObject>): SignedHead {
  const value = readCanonical(line.replace(/\r?\n$/, ''));
  const head = readHead(value);
  checkSignature(value.signature, 'purser-head+jws', canonicalJson(value.head), { kid: undefined }, keys);
  return head;
}

function readHead(line: Json): SignedHead {
  expectMembers(line, ['head', 'signature']);
  const head = asObject(line.head, 'head');
  expectMembers(head, ['at', 'hash', 'log', 'seq']);
  const { log, seq, hash, at } = head;
  if (typeof log !== 'string' || typeof seq !== 'number' || !Number.isSafeInteger(seq) || seq < 0) {
    throw new Error('the head is unreadable');
  }
  if (typeof hash !== 'string' || !HEX.test(hash) || typeof at !== 'string' || !INSTANT.test(at)) {
    throw new Error('the head is unreadable');
  }
  return { log, seq, hash };
}

// One key signs a whole log: a second one in it is a fault, even when it is in the key set.
function checkSignature(
  jws: unknown,
  typ: string,
  payload: string,
  state: { kid: string | undefined },
  keys: ReadonlyMap<string, KeyObject>,
): void {
  if (typeof jws !== 'string') throw new Error('the signature is missing');
  const [header = '', body = '', signature = '', ...more] = jws.split('.');
  const kid = kidOfHeader(header, typ);
  const key = keys.get(kid);
  if (!key) throw new Error(`it is signed with the key ${kid}, which is not in the key set`);
  if (state.kid !== undefined && state.kid !== kid) throw new Error('it is signed with another key than before');
  if (more.length > 0 || body !== Buffer.from(payload).toString('base64url')) {
    throw new Error('the signature is over other bytes');
  }
  const bytes = Buffer.from(signature, 'base64url');
  const whole = bytes.length === 64 && bytes.toString('base64url') === signature;
  if (!whole || !verifySignature(null, Buffer.from(`${header}.${body}`), key, bytes)) {
    throw new Error('the signature is wrong');
  }
  state.kid = kid;
}

function kidOfHeader(header: string, typ: string): string {
  const text = Buffer.from(header, 'base64url');
  if (text.toString('base64url') !== header) throw new Error('the signature header is unreadable');
  const value = readCanonical(text.toString('utf8'));
  expectMembers(value, ['alg', 'kid', 'typ']);
  if (value.alg !== 'EdDSA' || value.typ !== typ || typeof value.kid !== 'string') {
    throw new Error('the signature header is not that of a receipt log');
  }
  return value.kid;
}

function readKeys(jwks: unknown): ReadonlyMap<string, KeyObject> {
  const { keys } = asObject(jwks, 'key set');
  if (!Array.isArray(keys) || keys.length === 0) throw new Error('the key set has no keys');
  return new Map(keys.map(readKey));
}

// The name of a key is its RFC 7638 thumbprint, made here: a key under another's name must not stand in for it.
function readKey(value: unknown): [string, KeyObject] {
  const { kty, crv, x } = asObject(value, 'key');
  if (kty !== 'OKP' || crv !== 'Ed25519' || typeof x !== 'string') throw new Error('a key is not an Ed25519 key');
  const key = createPublicKey({ key: { kty, crv, x }, format: 'jwk' });
  return [createHash('sha256').update(canonicalJson({ crv, kty, x })).digest('base64url'), key];
}

// A line that is its own canonical form has one reading: no second key of a name, no other spelling, no white space.
function readCanonical(line: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new Error('a line is not JSON');
  }
  const read = asObject(value, 'line');
  if (canonicalJson(read) !== line) throw new Error('a line is not canonical JSON');
  return read;
}

function asObject(value: unknown, what: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`a ${what} is not an object`);
  return value as Json;
}

function expectMembers(value: Json, names: readonly string[]): void {
  const found = Object.keys(value).sort().join(' ');
  if (found !== names.join(' ')) throw new Error(`a line has the members ${found} instead of ${names.join(' ')}`);
}
