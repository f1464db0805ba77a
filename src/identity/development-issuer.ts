// A local issuer for trying things out: its key is generated in the state folder, and whoever reads that folder can
// name any agent. It must never stand beside a wallet of a real rail; the configuration refuses that.
import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { chmod, link, mkdir, open, readFile, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { calculateJwkThumbprint, exportJWK, SignJWT } from 'jose';
import { judgeAccess, processIdentity } from '../domain/access.ts';
import { isName } from './claims.ts';
import { DEVELOPMENT_ISSUER, type IssuerOptions } from './issuer.ts';

/** The longest life of its tokens, in seconds. */
export const DEVELOPMENT_MAX_TTL_SECONDS = 3_600;

const AUDIENCE = 'purser';
const TYPE = 'agent+jwt';
const KEY_FILE = 'development-issuer.pem';

/** What a development token shall say. */
export interface TokenRequest {
  /** The subject; 1 to 256 characters, none of them a control character. */
  readonly agent: string;
  /** The task, under the same rule. */
  readonly task?: string;
  /** 1 to {@link DEVELOPMENT_MAX_TTL_SECONDS}. */
  readonly ttlSeconds: number;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  /** The token's id; a random one when absent. */
  readonly jti?: string;
}

/** Issues tokens, and says how to verify them. */
export interface DevelopmentIssuer {
  /** Signs a token. What the request must keep is asserted, not judged: check what people typed before. */
  issue(request: TokenRequest): Promise<string>;
  /** The issuer as the identifier takes it, with its public key in memory. */
  readonly options: IssuerOptions;
}

/**
 * Opens the development issuer of a state folder; folder (mode 0700) and key (mode 0600) are made when absent, and a
 * key that others may read is closed to them. Throws when the folder or the key cannot be used.
 */
export async function openDevelopmentIssuer(stateDir: string): Promise<DevelopmentIssuer> {
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const key = await openKey(join(stateDir, KEY_FILE));
  const jwk = await exportJWK(createPublicKey(key));
  const kid = await calculateJwkThumbprint(jwk);
  const jwks = { keys: [{ ...jwk, kid, alg: 'EdDSA', use: 'sig' }] };
  return {
    issue: (request) => issue(request, key, kid),
    options: {
      issuer: DEVELOPMENT_ISSUER,
      audience: AUDIENCE,
      keys: { kind: 'memory', jwks },
      algorithms: ['EdDSA'],
      types: [TYPE],
      maxAgeMs: DEVELOPMENT_MAX_TTL_SECONDS * 1_000,
      claims: { agent: 'sub', task: 'task' },
    },
  };
}

async function issue(request: TokenRequest, key: KeyObject, kid: string): Promise<string> {
  const { agent, task, ttlSeconds, nowMs, jti = randomUUID() } = request;
  assert(isName(agent) && isName(jti) && (task === undefined || isName(task)), 'a name in the token is not acceptable');
  assert(Number.isSafeInteger(ttlSeconds) && ttlSeconds > 0, 'the life of a token is not a whole number of seconds');
  assert(ttlSeconds <= DEVELOPMENT_MAX_TTL_SECONDS, 'the life of a token is too long');
  const issuedAt = Math.floor(nowMs / 1_000);
  return new SignJWT({ ...(task !== undefined && { task }) })
    .setProtectedHeader({ alg: 'EdDSA', typ: TYPE, kid })
    .setIssuer(DEVELOPMENT_ISSUER)
    .setAudience(AUDIENCE)
    .setSubject(agent)
    .setJti(jti)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + ttlSeconds)
    .sign(key);
}

async function openKey(path: string): Promise<KeyObject> {
  const pem = (await readKey(path)) ?? (await makeKey(path));
  const key = readPem(pem);
  if (key?.asymmetricKeyType === 'ed25519') return key;
  throw new Error(`${path} holds no Ed25519 private key in PEM; remove it, and a new one is made`);
}

function readPem(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
}

async function readKey(path: string): Promise<string | undefined> {
  try {
    const self = processIdentity();
    const access = self && judgeAccess(await stat(path), self);
    if (access?.kind === 'refused') throw new Error(`${path} is not safe: ${access.why}; run: chmod 600 ${path}`);
    if (access?.kind === 'tighten') await chmod(path, 0o600);
    return await readFile(path, 'utf8');
  } catch (cause) {
    if (isCode(cause, 'ENOENT')) return undefined;
    throw cause;
  }
}

/** Writes a key aside and links it into place: whole or not at all, and never over another process's key. */
async function makeKey(path: string): Promise<string> {
  const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const aside = `${path}.${randomUUID()}`;
  const file = await open(aside, 'wx', 0o600);
  try {
    await file.writeFile(pem);
    await file.sync();
    await link(aside, path);
    return pem;
  } catch (cause) {
    if (isCode(cause, 'EEXIST')) return await readFile(path, 'utf8');
    throw cause;
  } finally {
    await file.close();
    await unlink(aside);
  }
}

function isCode(cause: unknown, code: string): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === code;
}
