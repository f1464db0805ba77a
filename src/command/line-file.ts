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
    const partial = new Partial(this.#path);
    try {
      for (const line of lines) partial.add(line);
      partial.finish();
    } finally {
      partial.close();
    }
  }

  /** As {@link writeAll}, for lines that come as they are read. */
  async writeEach(lines: AsyncIterable<string>): Promise<void> {
    const partial = new Partial(this.#path);
    try {
      for await (const line of lines) partial.add(line);
      partial.finish();
    } finally {
      partial.close();
    }
  }
}

/** The file while it is written, under another name. */
class Partial {
  readonly #path: string;
  readonly #file: number;
  #waiting = '';

  constructor(path: string) {
    this.#path = path;
    this.#file = attempt(path, () => openSync(`${path}.partial`, 'w', 0o600));
  }

  add(line: string): void {
    this.#waiting += `${line}\n`;
    if (this.#waiting.length >= FLUSH_CHARACTERS) this.#flush();
  }

  finish(): void {
    this.#flush();
    fsyncSync(this.#file);
    attempt(this.#path, () => renameSync(`${this.#path}.partial`, this.#path));
  }

  /** What was not finished is gone. */
  close(): void {
    closeSync(this.#file);
    rmSync(`${this.#path}.partial`, { force: true });
  }

  #flush(): void {
    writeWhole(this.#file, this.#waiting);
    this.#waiting = '';
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
