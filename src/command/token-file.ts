// An operator token from a file of one's own, which others must not be able to read.
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { judgeSecretFile } from '../config/permissions.ts';
import { OrderFailed } from './operator-client.ts';

const MOST_BYTES = 4_096;

/** The token in the file. Throws {@link OrderFailed}, which says what is wrong and never what the file holds. */
export function readTokenFile(path: string): string {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : 'unknown';
    throw new OrderFailed(`The token file ${path} cannot be read (${code}); name one that is there.`);
  }
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile() || stats.size > MOST_BYTES)
      throw new OrderFailed(`${path} is no file with an operator token; it must be one short line.`);
    const unsafe = judgeSecretFile(descriptor, path);
    if (unsafe !== undefined) throw new OrderFailed(unsafe);
    const token = readFileSync(descriptor, 'utf8').trim();
    if (/^[\x21-\x7e]{1,512}$/.test(token)) return token;
    throw new OrderFailed(`${path} holds no operator token: one line of visible characters is expected.`);
  } finally {
    closeSync(descriptor);
  }
}
