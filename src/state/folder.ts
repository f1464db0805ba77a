// The state folder: made with mode 0700, tightened when it is ours, refused when others could get at what is in it.
import { chmodSync, closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import { judgeAccess, processIdentity } from '../domain/access.ts';
import { codedError } from '../domain/operations.ts';

/**
 * Makes or checks the folder. Throws an Error with code `state_unsafe` or `state_unavailable`, naming folder and fix.
 */
export function prepareFolder(dir: string): void {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  } catch (error) {
    const fix = 'name one where this user may write';
    throw codedError('state_unavailable', `the state folder ${dir} cannot be made; ${fix}`, error);
  }
  const self = processIdentity();
  if (!self) return;
  const status = statSync(dir);
  if (!status.isDirectory()) throw codedError('state_unsafe', `the state folder ${dir} is not a folder`);
  const verdict = judgeAccess(status, self);
  if (verdict.kind === 'tighten') tighten(dir);
  if (verdict.kind === 'refused') {
    const fix = `give it to the user that runs purser with mode 0700, or name another state.dir`;
    throw codedError('state_unsafe', `the state folder ${dir} is not safe: ${verdict.why}; ${fix}`);
  }
}

function tighten(dir: string): void {
  try {
    chmodSync(dir, 0o700);
  } catch (error) {
    throw codedError('state_unsafe', `the state folder ${dir} is open to other users and cannot be changed`, error);
  }
}

/**
 * Makes an empty file of mode 0600 unless it is there. Never opens an existing one: closing it would drop SQLite's
 * locks.
 */
export function reserveFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
}
