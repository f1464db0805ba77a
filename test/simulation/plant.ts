// Plants a bug: replaces an exact piece of a source file, or of a Lua step, while it is loaded. Nothing under src/ is
// changed; a piece that is no longer there, or there twice, is an error, so that a planted bug cannot wither unseen.
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

/** One piece of one file and what stands there instead. */
export interface Change {
  /** From the project's root. */
  readonly file: string;
  readonly find: string;
  readonly put: string;
}

/** A bug that the simulation has to find. */
export interface Planted {
  /** What goes wrong, in a few words. */
  readonly says: string;
  /** Where it can show; both stores when absent. */
  readonly store?: 'embedded' | 'redis';
  /** The seed that found it last: tried first. What a seed means changes with the plan and the gateway. */
  readonly seed?: number;
  readonly changes: readonly Change[];
}

const ROOT = new URL('../../', import.meta.url);
const SCRIPTS = new URL('src/budget/redis-scripts.ts', ROOT).href;
const READS = `readFileSync(new URL(\`./\${file}.lua\`, import.meta.url), 'utf8')`;

/** Throws unless each piece is where it is to be replaced, once. */
export function fits({ changes }: Planted): void {
  for (const { file, find } of changes) {
    const text = readFileSync(new URL(file, ROOT), 'utf8');
    if (text.split(find).length !== 2) throw new Error(`${file} has not exactly once: ${find}`);
  }
}

/** From now on the changes are loaded instead of what stands on the disk. Throws when one of them fits nothing. */
export function plant(planted: Planted): void {
  fits(planted);
  const { changes } = planted;
  const sources = new Map<string, Change[]>();
  const steps = new Map<string, string>();
  for (const change of changes) {
    const url = new URL(change.file, ROOT);
    const text = readFileSync(url, 'utf8');
    if (change.file.endsWith('.lua')) {
      const name = change.file.replace(/^.*\/(.*)\.lua$/, '$1');
      steps.set(
        name,
        (steps.get(name) ?? text).replace(change.find, () => change.put),
      );
    } else sources.set(url.href, [...(sources.get(url.href) ?? []), change]);
  }
  if (steps.size > 0) {
    const known = JSON.stringify(Object.fromEntries(steps));
    const instead = { file: 'src/budget/redis-scripts.ts', find: READS, put: `((${known})[file] ?? ${READS})` };
    sources.set(SCRIPTS, [...(sources.get(SCRIPTS) ?? []), instead]);
  }
  registerHooks({
    load: (url, context, next) => {
      const loaded = next(url, context);
      const here = sources.get(url);
      if (!here) return loaded;
      let source = String(loaded.source);
      for (const { find, put, file } of here) {
        if (source.split(find).length !== 2) throw new Error(`${file} has not exactly once: ${find}`);
        source = source.replace(find, () => put);
      }
      return { ...loaded, source };
    },
  });
}
