// The files of the policy folders: all *.yaml directly in them, links followed, leading dots ignored. Reads, judges
// nothing.
import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MAX_FILE_BYTES } from '../yaml/document.ts';
import type { Problem } from '../yaml/problem.ts';
import { anybodyCanWrite } from '../yaml/writable.ts';

/** One file as it was read. */
export interface PolicyFile {
  /** The folder as it was named, and the file in it. */
  readonly file: string;
  readonly bytes: Uint8Array;
}

/** The content of the folders at one moment. */
export interface FolderContent {
  /** Folder by folder, in each by name. */
  readonly files: readonly PolicyFile[];
  readonly problems: readonly Problem[];
}

/** The content as it was read from disk. */
export interface FolderLook extends FolderContent {
  /** Another one after every write to a file, also when its content is what it was. */
  readonly marks: readonly string[];
}

/** Reads all folders, in their order. Never throws for what is on disk. */
export function readFolders(folders: readonly string[]): FolderLook {
  const looks = folders.map(readFolder);
  return {
    files: looks.flatMap(({ files }) => files),
    problems: looks.flatMap(({ problems }) => problems),
    marks: looks.flatMap(({ marks }) => marks),
  };
}

function readFolder(folder: string): FolderLook {
  const problems: Problem[] = [];
  const report = (file: string, message: string, severity: Problem['severity'] = 'error') =>
    problems.push({ file, line: 1, col: 1, path: '', message, severity });
  let names: string[];
  try {
    names = readdirSync(folder).filter((name) => !name.startsWith('.'));
  } catch (error) {
    report(folder, `the policy folder cannot be read (${codeOf(error)}); make it, or mend \`policies\``);
    return { files: [], problems, marks: [] };
  }
  if (anybodyCanWrite(folder)) report(folder, `can be changed by anybody; run: chmod o-w ${folder}`);
  for (const name of names.filter((other) => other.endsWith('.yml'))) {
    report(join(folder, name), 'is not read: only *.yaml files are; rename it', 'warning');
  }
  const files: PolicyFile[] = [];
  const marks: string[] = [];
  for (const name of names.filter((other) => other.endsWith('.yaml')).sort()) {
    const read = readOne(join(folder, name));
    if ('wrong' in read) {
      report(join(folder, name), read.wrong);
      continue;
    }
    files.push({ file: join(folder, name), bytes: read.bytes });
    marks.push(read.mark);
  }
  if (files.length === 0 && problems.every((problem) => problem.severity === 'warning')) {
    report(folder, 'holds no *.yaml file, so there is no policy; put one there (see policies/ of the project)');
  }
  return { files, problems, marks };
}

function readOne(path: string): { readonly bytes: Uint8Array; readonly mark: string } | { readonly wrong: string } {
  let descriptor: number;
  try {
    // Non-blocking, so that a pipe in the folder cannot stop the gateway.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    return { wrong: `cannot be read (${codeOf(error)}); it must be a file that purser's user may read` };
  }
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) return { wrong: 'is not a file; take it out of the folder' };
    if (stats.size > MAX_FILE_BYTES) return { wrong: `is larger than ${MAX_FILE_BYTES} bytes; split it` };
    if (anybodyCanWrite(path)) return { wrong: `can be changed by anybody; run: chmod o-w ${path}` };
    const { ino, mtimeNs, ctimeNs } = fstatSync(descriptor, { bigint: true });
    return { bytes: readFileSync(descriptor), mark: `${ino} ${mtimeNs} ${ctimeNs}` };
  } catch (error) {
    return { wrong: `cannot be read (${codeOf(error)}); it must be a file that purser's user may read` };
  } finally {
    closeSync(descriptor);
  }
}

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : 'unknown');

/** Equal when the content is: what a watcher compares. */
export function fingerprint(content: FolderContent): string {
  const hash = createHash('sha256');
  for (const { file, bytes } of content.files) {
    hash.update(`${Buffer.byteLength(file)}:${file}:${bytes.length}:`).update(bytes);
  }
  return hash.update(JSON.stringify(content.problems)).digest('hex');
}

/** Was nothing written between two looks? A file that is rewritten can show the same half of itself twice. */
export function stoodStill(before: FolderLook, after: FolderLook): boolean {
  return fingerprint(before) === fingerprint(after) && before.marks.join() === after.marks.join();
}
