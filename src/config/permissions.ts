// Who else can read or change a file that money depends on. Only looks, and takes rights away from what is ours.
import { fchmodSync, fstatSync, statSync } from 'node:fs';
import { judgeAccess, processIdentity } from '../domain/access.ts';

/** What became of a secret file: undefined (fine), refused, or ours and now closed to everybody else. */
export type SecretAccess = { readonly refused: string } | { readonly tightened: string } | undefined;

/** Judges an open secret file; one of ours that is open to others gets mode 0600. */
export function judgeSecretFile(descriptor: number, path: string): SecretAccess {
  const self = processIdentity();
  if (!self) return undefined;
  const verdict = judgeAccess(fstatSync(descriptor), self);
  if (verdict.kind === 'refused') {
    return { refused: `the file ${path} is not safe: ${verdict.why}; run: chmod 600 ${path}` };
  }
  if (verdict.kind === 'fine') return undefined;
  try {
    fchmodSync(descriptor, 0o600);
  } catch {
    return { refused: `the file ${path} is open to others; run: chmod 600 ${path}` };
  }
  return {
    tightened: `the file ${path} was open to others and is now closed (mode 600); was it read, replace the secret`,
  };
}

/** What is wrong with the state folder; undefined when nothing is, or it does not exist yet. Start-up tightens it. */
export function judgeStateFolder(path: string): string | undefined {
  const stats = statSync(path, { throwIfNoEntry: false });
  const self = processIdentity();
  if (!stats || !self) return undefined;
  if (!stats.isDirectory()) return 'is not a folder; name another one or move the file away';
  const verdict = judgeAccess(stats, self);
  if (verdict.kind !== 'refused') return undefined;
  return `is not safe: ${verdict.why}; give it to the user that runs purser with mode 0700, or name another folder`;
}
