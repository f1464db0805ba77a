// Who may touch a secret or the state folder, judged from its owner and mode alone; no I/O.

/** The part of a file's status that access hangs on. */
export interface AccessStatus {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

/** Who this process is: its user, and all groups it is in. */
export interface ProcessIdentity {
  readonly uid: number;
  readonly gids: readonly number[];
}

/** `tighten`: it is ours and open to others, so its mode can be set right. Anything else is why it is refused. */
export type AccessVerdict =
  | { readonly kind: 'fine' }
  | { readonly kind: 'tighten' }
  | { readonly kind: 'refused'; readonly why: string };

const OTHERS = 0o007;
const GROUP = 0o070;
const GROUP_WRITE = 0o020;
const STICKY = 0o1000;

/**
 * May this file or folder hold secrets? What is ours and open to the group or to others is to be tightened; what is
 * somebody else's must not be open to others, nor writable for a group we are not in.
 */
export function judgeAccess(status: AccessStatus, self: ProcessIdentity): AccessVerdict {
  if (status.mode & STICKY) return { kind: 'refused', why: 'it is shared by many users (sticky bit)' };
  if (status.uid === self.uid) return { kind: status.mode & (OTHERS | GROUP) ? 'tighten' : 'fine' };
  const why = openToStrangers(status, self);
  return why === undefined ? { kind: 'fine' } : { kind: 'refused', why: `it belongs to another user and ${why}` };
}

/** Why strangers could read or change this file: others can touch it, or a group we are not in can write it. */
export function openToStrangers(status: AccessStatus, self: ProcessIdentity): string | undefined {
  if (status.mode & OTHERS) return 'it is open to others';
  if (status.mode & GROUP_WRITE && !self.gids.includes(status.gid))
    return 'a group this process is not in can write it';
  return undefined;
}

/** The identity of this process, for {@link judgeAccess}; undefined where there are no Unix users. */
export function processIdentity(): ProcessIdentity | undefined {
  const uid = process.geteuid?.();
  if (uid === undefined) return undefined;
  return { uid, gids: [process.getegid?.() ?? uid, ...(process.getgroups?.() ?? [])] };
}
