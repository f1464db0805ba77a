// The operator token of a gateway that has none configured: generated once into the state folder, readable by its owner
// alone, accepted on loopback only. The token itself is never logged or shown.
import { createHash, randomBytes } from 'node:crypto';
import { constants, open } from 'node:fs/promises';
import { join } from 'node:path';
import { openToStrangers, processIdentity } from '../domain/access.ts';
import type { OperatorToken } from './guard.ts';

/** The name under which the generated token's orders are sealed. */
export const LOCAL_OPERATOR = 'local';

/** Where the generated token lies in the state folder. */
export const operatorTokenFile = (stateDir: string): string => join(stateDir, 'operator-token');

/** The generated token's entry; makes the file (0600) at first start. Throws when it holds anything but a token. */
export async function operatorToken(stateDir: string): Promise<OperatorToken> {
  const token = (await readOperatorToken(stateDir)) ?? (await makeToken(operatorTokenFile(stateDir)));
  const sha256 = createHash('sha256').update(token).digest('hex');
  return { name: LOCAL_OPERATOR, sha256, readOnly: false, localOnly: true };
}

/**
 * The generated token, or undefined when there is none. Throws when the file holds anything else, others can read it,
 * or
 * a group this process is not in can write it.
 */
export async function readOperatorToken(stateDir: string): Promise<string | undefined> {
  const file = operatorTokenFile(stateDir);
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (!handle) return undefined;
  try {
    const self = processIdentity();
    // Our own group may read it: a mount with a group of its own (Kubernetes' fsGroup) opens files to that group.
    const why = self && openToStrangers(await handle.stat(), self);
    if (why !== undefined) throw new Error(`${file} is not safe: ${why}; run: chmod 600 ${file}`);
    const token = (await handle.readFile('utf8')).trim();
    if (/^[A-Za-z0-9_-]{43}$/.test(token)) return token;
    throw new Error(`${file} holds no operator token; remove it, and the next start makes a new one`);
  } finally {
    await handle.close();
  }
}

async function makeToken(file: string): Promise<string> {
  const token = randomBytes(32).toString('base64url');
  const handle = await open(file, 'wx', 0o600);
  try {
    await handle.writeFile(`${token}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  return token;
}
