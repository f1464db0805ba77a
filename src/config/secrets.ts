// Secrets are named, never written: { env: NAME } or { file: PATH }. No message of this file ever holds a value.
import { createPrivateKey } from 'node:crypto';
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { Secret } from '../domain/secret.ts';
import { refuseText } from '../yaml/units.ts';
import { judgeSecretFile } from './permissions.ts';

const MAX_SECRET_BYTES = 64 * 1024;
const CURVE_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

/** Where references are looked up. */
export interface Sources {
  /** The folder of the file that names them. */
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  /** `skip`: references are judged by their form alone. */
  readonly secrets: 'read' | 'skip';
}

/** A text that was read, what is wrong with it, or nothing when it was skipped. */
type Read =
  | { readonly text: string }
  | { readonly wrong: string; readonly missing?: string }
  | { readonly skipped: true };
/** Makes the text that is used of the text that was read, or says what is wrong. */
export type Judge = (text: string) => { readonly text: string } | { readonly wrong: string };

const LITERAL = 'is never written here; write { env: NAME } or { file: PATH } instead';

/** The JSON Schema of a reference, for editors. */
export const REFERENCE_FACTS = {
  oneOf: ['env', 'file'].map((key) => ({
    type: 'object',
    properties: { [key]: { type: 'string', minLength: 1 } },
    required: [key],
    additionalProperties: false,
  })),
};

function byReference<T>(read: (written: unknown, context: z.core.$RefinementCtx) => T): z.ZodType<T, unknown> {
  return z.unknown().transform(read).meta(REFERENCE_FACTS);
}

/** A secret by reference, accepted by `judge`. */
export function secret(sources: Sources, judge: Judge): z.ZodType<Secret, unknown> {
  return byReference((written, context) => {
    const read = readReference(sources, written, 'secret');
    if ('skipped' in read) return new Secret(undefined);
    if ('wrong' in read) return refuseText(context, read.wrong);
    const judged = judge(read.text);
    return 'wrong' in judged ? refuseText(context, judged.wrong) : new Secret(judged.text);
  });
}

/** A key that may be made later: when its file does not exist, `key` is null and `file` says where it belongs. */
export function secretOrPlace(
  sources: Sources,
  judge: Judge,
): z.ZodType<{ key: Secret | null; file: string | null }, unknown> {
  return byReference((written, context) => {
    const read = readReference(sources, written, 'secret');
    if ('skipped' in read) return { key: new Secret(undefined), file: null };
    if ('wrong' in read && read.missing !== undefined) return { key: null, file: read.missing };
    if ('wrong' in read) return refuseText(context, read.wrong);
    const judged = judge(read.text);
    return 'wrong' in judged ? refuseText(context, judged.wrong) : { key: new Secret(judged.text), file: null };
  });
}

/** Certificates by reference (public, so anybody may read the file); empty when it was skipped. */
export function certificates(sources: Sources): z.ZodType<string, unknown> {
  return byReference((written, context) => {
    const read = readReference(sources, written, 'public');
    if ('skipped' in read) return '';
    if ('wrong' in read) return refuseText(context, read.wrong);
    if (read.text.includes('-----BEGIN CERTIFICATE-----')) return read.text;
    return refuseText(context, 'holds no PEM certificate (-----BEGIN CERTIFICATE-----)');
  });
}

function readReference(sources: Sources, written: unknown, kind: 'secret' | 'public'): Read {
  if (written === undefined) return { wrong: 'is required' };
  if (typeof written !== 'object' || written === null || Array.isArray(written)) return { wrong: LITERAL };
  const keys = Object.keys(written);
  const reference = written as { env?: unknown; file?: unknown };
  if (keys.length !== 1 || (keys[0] !== 'env' && keys[0] !== 'file')) {
    return { wrong: 'must be { env: NAME } or { file: PATH }, one of both' };
  }
  if (keys[0] === 'env') return readVariable(sources, reference.env);
  return readSecretFile(sources, reference, kind);
}

function readVariable(sources: Sources, name: unknown): Read {
  if (typeof name !== 'string' || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    return { wrong: 'env must be the name of an environment variable' };
  }
  if (sources.secrets === 'skip') return { skipped: true };
  const value = sources.env[name];
  if (value === undefined || value === '') return { wrong: `the environment variable ${name} is not set; set it` };
  return { text: value };
}

function readSecretFile(sources: Sources, reference: { file?: unknown }, kind: 'secret' | 'public'): Read {
  const name = reference.file;
  if (typeof name !== 'string' || name === '') return { wrong: 'file must be the path of a file' };
  if (sources.secrets === 'skip') return { skipped: true };
  const path = resolve(sources.folder, name);
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : 'unknown';
    if (code === 'ENOENT') return { wrong: `the file ${path} does not exist; make it`, missing: path };
    return { wrong: `the file ${path} cannot be read (${code})` };
  }
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile() || stats.size > MAX_SECRET_BYTES) {
      return { wrong: `${path} must be a file of at most ${MAX_SECRET_BYTES} bytes` };
    }
    const unsafe = kind === 'secret' ? judgeSecretFile(descriptor, path) : undefined;
    if (unsafe !== undefined) return { wrong: unsafe };
    const text = readFileSync(descriptor, 'utf8').replace(/\r?\n$/, '');
    return text === '' ? { wrong: `the file ${path} is empty; put the value into it` } : { text };
  } finally {
    closeSync(descriptor);
  }
}

/** Anything that is not empty. */
export const anyText: Judge = (text) => ({ text });

/** 32 bytes in hex, in lower case without `0x`. */
export const hex32: Judge = (text) => {
  if (/^[0-9a-fA-F]{64}$/.test(text) && !/^0+$/.test(text)) return { text: text.toLowerCase() };
  return { wrong: 'must be 32 bytes in hex (64 digits, not all 0); make one with: openssl rand -hex 32' };
};

/** The private key of an EVM account: 32 bytes in hex, `0x` or not, in the curve's range; given out with `0x`. */
export const evmKey: Judge = (text) => {
  const digits = /^(?:0x)?([0-9a-fA-F]{64})$/.exec(text)?.[1];
  if (digits === undefined) return { wrong: 'must be the private key of an evm account: 32 bytes in hex (64 digits)' };
  const value = BigInt(`0x${digits}`);
  if (value === 0n || value >= CURVE_ORDER) return { wrong: 'is no private key of an evm account: out of range' };
  return { text: `0x${digits.toLowerCase()}` };
};

/** An Ed25519 private key, PKCS#8 PEM. */
export const ed25519Key: Judge = (text) => {
  const wrong = {
    wrong: 'must be an Ed25519 private key (PKCS#8 PEM); make one with: openssl genpkey -algorithm ed25519 -out FILE',
  };
  if (!/^-----BEGIN PRIVATE KEY-----\r?\n/.test(text)) return wrong;
  try {
    return createPrivateKey(text).asymmetricKeyType === 'ed25519' ? { text } : wrong;
  } catch {
    return wrong;
  }
};

/** Any private key in PEM, for TLS. */
export const tlsKey: Judge = (text) => {
  try {
    createPrivateKey(text);
    return { text };
  } catch {
    return { wrong: 'must be a private key in PEM without a passphrase' };
  }
};

/** `redis://host:port/db`, or `rediss://` with TLS, with or without user and password. */
export const redisUrl: Judge = (text) => {
  const read = URL.canParse(text) ? new URL(text) : undefined;
  const plain = read?.search === '' && read.hash === '' && /^\/?[0-9]{0,4}$/.test(read.pathname);
  if (plain && /^rediss?:$/.test(read.protocol) && read.hostname !== '') return { text };
  return { wrong: 'must be an address such as redis://127.0.0.1:6379, or rediss://… with TLS' };
};
