// A file of lines that appears under its name only once it is whole and on the disk.
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';

const FLUSH_CHARACTERS = 1_048_576;

/** A new file of mode 0600; one of the same name is replaced. */
export class LineFile {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** Writes every line with a line feed; memory stays flat. Throws an error for people. */
  writeAll(lines: Iterable<string>): void {
    const partial = `${this.#path}.partial`;
    const file = attempt(this.#path, () => openSync(partial, 'w', 0o600));
    try {
      let waiting = '';
      for (const line of lines) {
        waiting += `${line}\n`;
        if (waiting.length < FLUSH_CHARACTERS) continue;
        writeWhole(file, waiting);
        waiting = '';
      }
      writeWhole(file, waiting);
      fsyncSync(file);
      attempt(this.#path, () => renameSync(partial, this.#path));
    } catch (error) {
      rmSync(partial, { force: true });
      throw error;
    } finally {
      closeSync(file);
    }
  }
}

function attempt<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : 'unknown';
    throw new Error(`${path} cannot be written (${code}); name a file in a folder that is there and yours`);
  }
}

// One write may take only a part of what it is given, near a full disk.
function writeWhole(file: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
}
