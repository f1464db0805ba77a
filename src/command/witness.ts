// `purser witness`: a small process of its own that cosigns what logs say of themselves, as long as they only grow. It
// knows nothing of gateways, money or receipts.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { cannotListen, readHostPort } from '../config/addresses.ts';
import { type NoteKey, readKey, writeKey } from '../domain/note.ts';
import { prepareFolder, reserveFile } from '../state/folder.ts';
import { openMemory } from '../witness/memory.ts';
import { openWitnessPort } from '../witness/server.ts';
import { Witness } from '../witness/witness.ts';
import type { Io } from './io.ts';
import { readText, Usage, withExit } from './on-log.ts';
import { visible } from './table.ts';

/** As written on the command line. */
export interface WitnessOptions {
  readonly name: string;
  /** A file with the keys of the logs it knows. */
  readonly logs: string;
  readonly state: string;
  /** `host:port`. */
  readonly listen: string;
}

const MEMORY_FILE = 'witness.sqlite';

/** Runs a witness; resolves with the exit code after a signal. */
export function witness(options: WitnessOptions, io: Io): Promise<number> {
  return withExit(io, async () => {
    const place = readHostPort(options.listen);
    if (!place) throw new Usage('--listen takes host:port such as 127.0.0.1:8405');
    if (!/^[^\s+]{1,200}$/.test(options.name)) throw new Usage('--name takes a name such as witness.example/w1');
    const logs = knownLogs(options.logs, io);
    logs();
    prepareFolder(options.state);
    const path = join(options.state, MEMORY_FILE);
    reserveFile(path);
    const memory = openMemory(path);
    try {
      const witness = new Witness({ name: options.name, memory, logs, now: Date.now });
      const fault = (error: unknown) => io.err(`${visible(error instanceof Error ? error.message : 'a fault')}\n`);
      const port = await openWitnessPort(witness, place, fault).catch((error) => {
        throw new Error(cannotListen('--listen', place, error));
      });
      io.out(`witness ${writeKey(witness.key)} at ${port.url}\n`);
      await ended();
      await port.close();
    } finally {
      memory.close();
    }
    return 0;
  });
}

/** The keys in the file as it is now; while it cannot be read, the last good ones. Throws {@link Usage} at first. */
function knownLogs(path: string, io: Io): () => readonly NoteKey[] {
  let read: { readonly mark: string; readonly keys: readonly NoteKey[] } | undefined;
  return () => {
    try {
      const { ino, size, mtimeNs } = statSync(path, { bigint: true });
      const mark = `${ino} ${size} ${mtimeNs}`;
      if (read?.mark !== mark) read = { mark, keys: readKeys(readText(path), path) };
    } catch (error) {
      if (!read)
        throw error instanceof Usage
          ? error
          : new Usage(`${path} cannot be read; name a file with the keys of logs, one a line`);
      io.err(`${visible(path)} cannot be read; the keys read before count\n`);
    }
    return read.keys;
  };
}

function readKeys(text: string, path: string): NoteKey[] {
  const lines = text.split('\n').map((line) => line.trim());
  return lines.flatMap((line, index) => {
    if (line === '' || line.startsWith('#')) return [];
    try {
      const key = readKey(line);
      if (key.kind === 'log') return [key];
    } catch {
      // Said below.
    }
    throw new Usage(`${path}:${index + 1} is not the key of a log: copy it from "purser keys list"`);
  });
}

function ended(): Promise<void> {
  const signals = ['SIGTERM', 'SIGINT'] as const;
  return new Promise((resolve) => {
    const heard = () => {
      for (const name of signals) process.off(name, heard);
      resolve();
    };
    for (const name of signals) process.on(name, heard);
  });
}
