// A receipt as a link of the chain: its canonical bytes, its hash, its signature. Pure.
import { createHash, createPublicKey, hash, type KeyObject, sign } from 'node:crypto';
import { canonicalJson } from '../domain/canonical.ts';
import type { ReceiptEntry } from '../domain/receipt.ts';

/** What `prev` is for the first receipt. */
export const NO_HASH = '0'.repeat(64);

/** The end of a chain: what the next receipt follows. */
export interface Head {
  readonly seq: number;
  readonly hash: string;
}

/** What the ledger adds to an entry. */
export interface Link {
  readonly v: 1;
  readonly log: string;
  readonly seq: number;
  readonly prev: string;
  readonly at: string;
  readonly id: string;
  readonly development?: true;
}

/** The key a log is signed with; `kid` is the RFC 7638 thumbprint of its public half, `x` that half as in a JWK. */
export interface LogKey {
  readonly privateKey: KeyObject;
  readonly kid: string;
  readonly x: string;
}

/** A public key of a log, and the first receipt that it signs or may sign. */
export interface DatedKey {
  readonly kid: string;
  readonly x: string;
  readonly seq: number;
}

/** The signed statement that a log reached `seq`, kept elsewhere or at the end of an export. */
export interface LogHead extends Head {
  readonly log: string;
  /** When it was signed. */
  readonly at: string;
}

/** The JWS `typ` of receipts and of heads. */
export const RECEIPT_TYP = 'purser-receipt+jws';
export const HEAD_TYP = 'purser-head+jws';

/** The link that follows `head`. */
export function nextLink(log: string, head: Head, at: string, development: boolean): Link {
  const seq = head.seq + 1;
  const link = { v: 1, log, seq, prev: head.hash, at, id: `${log}.${seq}` } as const;
  return development ? { ...link, development } : link;
}

/** The bytes (as text) of a receipt and their SHA-256 in hex. */
export function bindReceipt(entry: ReceiptEntry, link: Link): { bytes: string; hash: string } {
  const bytes = canonicalJson({ ...entry, ...link });
  return { bytes, hash: hashOf(bytes) };
}

/** The SHA-256 of a receipt's bytes, in hex. */
export const hashOf = (bytes: string): string => hash('sha256', bytes, 'hex');

/** The signature part of a compact JWS over `payload` (RFC 7515, Ed25519 by RFC 8037). */
export function signPart(payload: string, typ: string, key: LogKey): string {
  return signInput(signingInput(payload, typ, key.kid), key.privateKey).toString('base64url');
}

/** What is signed of a compact JWS (RFC 7515, section 5.1). */
export function signingInput(payload: string, typ: string, kid: string): string {
  return `${protectedPart(typ, kid)}.${base64url(payload)}`;
}

/** The 64 bytes of the Ed25519 signature of such an input. */
export const signInput = (input: string, key: KeyObject): Buffer => sign(null, Buffer.from(input), key);

/** The whole compact JWS from its parts. */
export function compactJws(payload: string, typ: string, kid: string, signature: string): string {
  return `${signingInput(payload, typ, kid)}.${signature}`;
}

/** The key with its thumbprint and public half. Throws TypeError when it is not Ed25519. */
export function logKeyOf(privateKey: KeyObject): LogKey {
  if (privateKey.asymmetricKeyType !== 'ed25519') throw new TypeError('a log key is an Ed25519 key');
  const { x } = createPublicKey(privateKey).export({ format: 'jwk' });
  if (x === undefined) throw new TypeError('a log key has a public half');
  return { privateKey, kid: kidOfKey(x), x };
}

/** The RFC 7638 thumbprint of an Ed25519 key. */
export const kidOfKey = (x: string): string =>
  createHash('sha256')
    .update(canonicalJson({ crv: 'Ed25519', kty: 'OKP', x }))
    .digest('base64url');

/**
 * The keys of a log as a JWKS (RFC 8037). `log` and `seq` say whose receipts a key signs and from which one on, so that
 * a retired key, or that of another log, passes for no other.
 */
export function jwksOf(log: string, keys: readonly DatedKey[]): { keys: Record<string, unknown>[] } {
  const known = { alg: 'EdDSA', crv: 'Ed25519', kty: 'OKP', use: 'sig' };
  return { keys: keys.map(({ kid, x, seq }) => ({ ...known, kid, log, seq, x })) };
}

const base64url = (text: string): string => Buffer.from(text).toString('base64url');

const protectedPart = (typ: string, kid: string): string => base64url(canonicalJson({ alg: 'EdDSA', kid, typ }));
