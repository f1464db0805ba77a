// Takes up changes of the policy folders within seconds: never a half-written file, never some files without the
// others. Whoever listens decides what to do with an invalid set; this never forgets a change and never reports one
// twice.
import { type FSWatcher, watch as watchFolder } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { fingerprint, readFolders, stoodStill } from './folder.ts';
import { buildSet, type LoadedPolicies, type PolicyContext } from './load.ts';

const POLL_MS = 1_000;
const SETTLE_MS = 150;
/** A folder that never comes to rest is judged as it is after so many looks. */
const MOST_LOOKS = 20;

/** A watch that can be asked to look now (SIGHUP), and ended. */
export interface PolicyWatch {
  /** Reads the folders now and reports them, also when nothing changed. Resolves once that was done. */
  reload(): Promise<void>;
  close(): void;
}

/**
 * Watches `folders` and calls `changed` with each new content, once it has stood still for a moment. What is there at
 * the start is reported too: it may differ from what the caller read before; its version tells.
 */
export function watchPolicies(
  folders: readonly string[],
  context: PolicyContext,
  changed: (loaded: LoadedPolicies) => void,
): PolicyWatch {
  let reported = '';
  let closed = false;
  let queue: Promise<void> = Promise.resolve();

  async function look(always: boolean): Promise<void> {
    if (closed) return;
    let content = readFolders(folders);
    if (!always && fingerprint(content) === reported) return;
    for (let looks = 1; looks < MOST_LOOKS && !closed; looks++) {
      await pause(SETTLE_MS, undefined, { ref: false });
      const again = readFolders(folders);
      const still = stoodStill(content, again);
      content = again;
      if (still) break;
    }
    const seen = fingerprint(content);
    if (closed || (!always && seen === reported)) return;
    reported = seen;
    changed(buildSet(content, context));
  }
  const enqueue = (always: boolean): Promise<void> => {
    queue = queue.then(() => look(always));
    return queue;
  };

  const poll = setInterval(() => void enqueue(false), POLL_MS);
  poll.unref();
  void enqueue(false);
  const watchers = folders.map((folder) => openWatcher(folder, () => void enqueue(false)));
  return {
    reload: () => enqueue(true),
    close() {
      closed = true;
      clearInterval(poll);
      for (const watcher of watchers) watcher?.close();
    },
  };
}

/** A notice of changes where the system gives one; the poll alone is enough. */
function openWatcher(folder: string, notice: () => void): FSWatcher | undefined {
  try {
    const watcher = watchFolder(folder, { persistent: false }, notice);
    watcher.on('error', () => watcher.close());
    return watcher;
  } catch {
    return undefined;
  }
}
