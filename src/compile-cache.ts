// Keeps what Node compiled of our modules in the user's cache folder, so that the next process starts with half the
// work. What is read from there is run: only a folder that nobody else can write is used.
import { lstatSync, mkdirSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { isAbsolute, join } from 'node:path';

const OTHERS_WRITE = 0o022;

/** Uses `$XDG_CACHE_HOME/purser`, or `~/.cache/purser`; without a safe one nothing is kept, and nothing is said. */
export function keepCompiled(env: NodeJS.ProcessEnv): void {
  const { XDG_CACHE_HOME: named, HOME: home } = env;
  const base = named || (home ? join(home, '.cache') : '');
  if (!isAbsolute(base)) return;
  const folder = join(base, 'purser');
  if (!isOurs(base) || !isOurs(folder)) return;
  enableCompileCache(folder);
  // The state thread reads it from here.
  env.NODE_COMPILE_CACHE ??= folder;
}

/** Makes the folder where it is missing, and says whether it is one that only this user can write. */
function isOurs(folder: string): boolean {
  try {
    if (!lstatSync(folder, { throwIfNoEntry: false })) mkdirSync(folder, { mode: 0o700 });
    const status = lstatSync(folder);
    return status.isDirectory() && status.uid === process.geteuid?.() && (status.mode & OTHERS_WRITE) === 0;
  } catch {
    return false;
  }
}
