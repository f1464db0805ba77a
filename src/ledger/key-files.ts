// The log's secrets, files of mode 0600 in the state folder: the signing key, during a rotation the next one beside it,
// and the key that masks queries and bodies. A key that receipts need is never overwritten.
import { createPrivateKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { chmodSync, closeSync, fsyncSync, openSync, readFileSync, renameSync, statSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { judgeAccess, processIdentity } from '../domain/access.ts';
import { codedError } from '../domain/operations.ts';
import { type LogKey, logKeyOf } from './chain.ts';

const LOG_KEY_FILE = 'log-key.pem';
const NEXT_KEY_FILE = 'log-key.next.pem';
const MASK_KEY_FILE = 'mask.key';
const MASK_KEY_BYTES = 32;

const LOG_KEY_FIX = 'put the key back from a backup, or move the whole state folder away to begin a new log';

/**
 * The log's key for the one process that writes. `current` is the kid by which the next receipt is signed, undefined
 * when the log is new: only then is a missing key made. Throws as {@link readLogKey} does.
 */
export function openLogKey(dir: string, current: string | undefined): LogKey {
  const path = join(dir, LOG_KEY_FILE);
  if (current === undefined && !readSecret(path)) writeSecret(path, newLogKey());
  return readLogKey(dir, current);
}

/**
 * The log's key, which must be there: under its own name, or still under that of the next one when a rotation was cut
 * short. Throws an Error with code `state_damaged` when it is missing, unreadable or not the one that signs,
 * `state_unsafe` when others can get at it.
 */
export function readLogKey(dir: string, current: string | undefined): LogKey {
  const path = join(dir, LOG_KEY_FILE);
  const next = current === undefined ? undefined : readNextKey(dir);
  if (next && next.kid === current) return next;
  const bytes = readSecret(path);
  if (!bytes) throw codedError('state_damaged', `${path} is missing, but the receipt log needs it; ${LOG_KEY_FIX}`);
  const key = parseLogKey(path, bytes);
  if (current !== undefined && key.kid !== current) {
    throw codedError('state_damaged', `${path} is not the key that signs the receipts beside it; ${LOG_KEY_FIX}`);
  }
  return key;
}

/**
 * Makes the key of the next rotation, durable before this returns; one that an earlier attempt left is replaced, since
 * no receipt names it. `current` as for {@link readLogKey}: it is never replaced.
 */
export function makeNextKey(dir: string, current: string): LogKey {
  if (isRotating(dir, current)) {
    throw codedError('rotation_unfinished', 'the last rotation is not finished yet; try again');
  }
  const path = join(dir, NEXT_KEY_FILE);
  return parseLogKey(path, writeSecret(path, newLogKey()));
}

/**
 * Ends a rotation: the key that signs takes the place of the one before it, which is gone for good. To be called only
 * once the receipt that names it is durable; does nothing when there is nothing to end.
 */
export function retireLogKey(dir: string, current: string): void {
  if (!isRotating(dir, current)) return;
  renameSync(join(dir, NEXT_KEY_FILE), join(dir, LOG_KEY_FILE));
  syncFolder(dir);
}

/** Has the key that signs still to take the place of the one before it? */
export function isRotating(dir: string, current: string): boolean {
  return readNextKey(dir)?.kid === current;
}

function readNextKey(dir: string): LogKey | undefined {
  const path = join(dir, NEXT_KEY_FILE);
  const bytes = readSecret(path);
  return bytes && parseLogKey(path, bytes);
}

/**
 * The 32 bytes under which hashes of queries and bodies are masked, and claims in the embedded store. Made where
 * `sealed`, the number of receipts, is 0; later another key would not know a repeat, so a missing one is refused.
 */
export function openMaskKey(dir: string, sealed: number): Buffer {
  const path = join(dir, MASK_KEY_FILE);
  const found = readSecret(path);
  if (!found && sealed > 0) {
    throw codedError('state_damaged', `${path} is missing, and without it no repeat is known; put it back`);
  }
  const bytes = found ?? writeSecret(path, randomBytes(MASK_KEY_BYTES));
  if (bytes.length === MASK_KEY_BYTES) return bytes;
  throw codedError('state_damaged', `${path} does not hold ${MASK_KEY_BYTES} bytes; put it back from a backup`);
}

function newLogKey(): Buffer {
  const { privateKey } = generateKeyPairSync('ed25519');
  return Buffer.from(privateKey.export({ type: 'pkcs8', format: 'pem' }));
}

function parseLogKey(path: string, pem: Buffer): LogKey {
  try {
    return logKeyOf(createPrivateKey(pem));
  } catch (error) {
    throw codedError('state_damaged', `${path} is not an Ed25519 private key in PEM; put it back from a backup`, error);
  }
}

function readSecret(path: string): Buffer | undefined {
  const status = statSync(path, { throwIfNoEntry: false });
  if (!status) return undefined;
  const self = processIdentity();
  const verdict = self ? judgeAccess(status, self) : undefined;
  if (verdict?.kind === 'refused') throw codedError('state_unsafe', `${path} is not safe: ${verdict.why}`);
  if (verdict?.kind === 'tighten') chmodSync(path, 0o600);
  return readFileSync(path);
}

// Written beside and renamed, so that a crash never leaves half a key behind under its name.
function writeSecret(path: string, bytes: Buffer): Buffer {
  const beside = `${path}.new`;
  const file = openSync(beside, 'w', 0o600);
  try {
    if (writeSync(file, bytes) < bytes.length) throw codedError('state_unavailable', `${path} cannot be written`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(beside, path);
  syncFolder(dirname(path));
  return bytes;
}

function syncFolder(dir: string): void {
  const folder = openSync(dir, 'r');
  fsyncSync(folder);
  closeSync(folder);
}
