// Cuts the last transaction in SQLite's write-ahead log in half, as a loss of power in the middle of a write leaves it.
import { readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';

const HEADER = 32;
const FRAME_HEADER = 24;

/** Where the last transaction of the log begins and ends, in bytes (SQLite file format, section 4.1). */
export function lastTransaction(wal: Buffer): { readonly begins: number; readonly ends: number } {
  const frame = FRAME_HEADER + wal.readUInt32BE(8);
  let [begins, ends] = [HEADER, HEADER];
  for (let at = HEADER; at + frame <= wal.length; at += frame) {
    const ofThisRun = wal.compare(wal, 16, 24, at + 8, at + 16) === 0;
    if (!ofThisRun) break;
    const commits = wal.readUInt32BE(at + 4) > 0;
    if (commits) [begins, ends] = [ends, at + frame];
  }
  return { begins, ends };
}

/** Leaves half of the last transaction; throws when there is none. */
export function tearLastWrite(stateDir: string): void {
  const path = join(stateDir, 'purser.sqlite-wal');
  const { begins, ends } = lastTransaction(readFileSync(path));
  if (ends === begins) throw new Error(`${path} has no transaction to cut`);
  truncateSync(path, begins + Math.floor((ends - begins) / 2));
}
