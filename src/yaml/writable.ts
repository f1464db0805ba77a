// Can anybody on this machine change what the gateway reads its rules from? Only looks.
import { accessSync, constants, statSync } from 'node:fs';

const OTHERS_WRITE = 0o002;

/** Is this file or folder writable for everybody? What lies on a mount where nobody can write counts as safe. */
export function anybodyCanWrite(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats || process.getuid === undefined || (stats.mode & OTHERS_WRITE) === 0) return false;
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch (error) {
    // Folders of Kubernetes mounts have mode 0777 and are read-only.
    return !(error instanceof Error && 'code' in error && error.code === 'EROFS');
  }
}
