// What a loss of power or a kill left behind the last whole transaction of SQLite's write-ahead log. SQLite leaves it
// out in silence when it opens the file; this only looks, before it does.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DATABASE_FILE } from './database.ts';

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const SUMMED_OF_FRAME = 8;

type Sums = readonly [number, number];

/** How many bytes there are of a write that did not reach its end (SQLite file format, section 4.1); 0 without one. */
export function tornTail(dir: string): number {
  const wal = readIfThere(join(dir, `${DATABASE_FILE}-wal`));
  if (wal.length < HEADER_BYTES) return 0;
  const little = (wal.readUInt32BE(0) & 1) === 0;
  const frame = FRAME_HEADER_BYTES + wal.readUInt32BE(8);
  const ofThisRun = (at: number): boolean => wal.compare(wal, 16, 24, at + 8, at + 16) === 0;
  let sums: Sums = [wal.readUInt32BE(24), wal.readUInt32BE(28)];
  let [whole, at] = [HEADER_BYTES, HEADER_BYTES];
  for (; at + frame <= wal.length && ofThisRun(at); at += frame) {
    sums = summed(wal.subarray(at, at + SUMMED_OF_FRAME), little, sums);
    sums = summed(wal.subarray(at + FRAME_HEADER_BYTES, at + frame), little, sums);
    if (sums[0] !== wal.readUInt32BE(at + 16) || sums[1] !== wal.readUInt32BE(at + 20)) break;
    if (wal.readUInt32BE(at + 4) > 0) whole = at + frame;
  }
  // Behind it are frames of an earlier run of the file, which mean nothing, or what was being written.
  for (at = whole; at + FRAME_HEADER_BYTES <= wal.length && ofThisRun(at); ) at += frame;
  return Math.min(at, wal.length) - whole;
}

function summed(bytes: Buffer, little: boolean, [first, second]: Sums): Sums {
  let [one, two] = [first, second];
  for (let at = 0; at + 8 <= bytes.length; at += 8) {
    one = (one + (little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at)) + two) >>> 0;
    two = (two + (little ? bytes.readUInt32LE(at + 4) : bytes.readUInt32BE(at + 4)) + one) >>> 0;
  }
  return [one, two];
}

function readIfThere(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    return Buffer.alloc(0);
  }
}
