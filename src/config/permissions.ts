// Who else can read or change a file that money depends on. Only looks: a secret that was open to others may have been
// read already, so its owner has to know, and a path that names the wrong file must not change that file.
import { fstatSync, statSync } from 'node:fs';
import { judgeAccess, openToStrangers, processIdentity } from '../domain/access.ts';

/** Why an open secret file is refused; undefined when nobody else can read it and no foreign group can write it. */
export function judgeSecretFile(descriptor: number, path: string): string | undefined {
  const self = processIdentity();
  const why = self ? openToStrangers(fstatSync(descriptor), self) : undefined;
  return why === undefined ? undefined : `the file ${path} is not safe: ${why}; run: chmod 600 ${path}`;
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
