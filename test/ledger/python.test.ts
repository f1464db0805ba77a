// A verifier in another language, written from docs/receipts.md alone, agrees with ours on good logs and bad ones.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkpointLine, proofLine } from '../../src/ledger/export.ts';
import { mergeExports } from '../../src/ledger/merge.ts';
import { verifyLogs } from '../../src/ledger/verify.ts';
import { grow, logVkey, requestFor, spawnWitness, witnessFolder } from '../witness/support.ts';
import { freshDir, openLog } from './log.ts';
import { tamper, victim } from './tampering.ts';

const FOLDER = new URL('.', import.meta.url).pathname;
const PYTHON = spawnSync('python3', ['--version']).status === 0;
/** Each kind of tampering once. */
const SEEDS = 23;

/** What verify.py says of each file, in one process: true for a log that holds. */
function judged(files: readonly string[], keys: string, witness = ''): boolean[] {
  const driver = 'import sys, verify\nfor f in sys.argv[3:]: print("CODE", verify.main(f, *sys.argv[1:3]))';
  const { stdout, stderr, status } = spawnSync('python3', ['-c', driver, keys, witness, ...files], {
    cwd: FOLDER,
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
    encoding: 'utf8',
  });
  expect([status, stderr]).toEqual([0, '']);
  return [...stdout.matchAll(/^CODE (\d)$/gm)].map(([, code]) => code === '0');
}

test.skipIf(!PYTHON)(
  'where python3 is: its verifier and ours agree on good logs, proofs, merged streams and random tampers',
  { timeout: 120_000 },
  async () => {
    const folder = freshDir();
    const [one, two] = [victim(), victim()];
    const keys = { keys: [...one.keys.keys, ...two.keys.keys] };
    const { reader } = one.log;
    const checkpoint = reader.checkpoint();
    if (!checkpoint) throw new Error('the log has a checkpoint');
    const part = [checkpointLine(reader, { first: 20, last: 40 }) ?? '', ...one.lines.slice(20)];
    const sources = [one, two].map(({ lines }, n) => ({ name: `${n}`, lines: lines.values() }));
    const good: (readonly string[])[] = [one.lines, part, one.lines.slice(1)];
    const merged: string[] = [];
    for await (const line of mergeExports(sources)) merged.push(line);
    good.push([proofLine(reader, 7, checkpoint) ?? ''], merged);
    const bad = Array.from({ length: SEEDS }, (_, seed) => tamper(one, seed).lines);
    const all = [...good, ...bad];
    const files = all.map((lines, n) => {
      writeFileSync(join(folder, `${n}`), lines.map((line) => `${line}\n`).join(''));
      return join(folder, `${n}`);
    });
    const keyFile = join(folder, 'keys.json');
    writeFileSync(keyFile, JSON.stringify(keys));
    const ours: boolean[] = [];
    for (const lines of all) ours.push((await verifyLogs(lines, { keys })).ok);
    expect(ours.slice(0, good.length)).toEqual(good.map(() => true));
    // Of what the log's own key wrote anew, both see nothing without what was kept elsewhere.
    expect(ours.filter((ok) => !ok).length).toBeGreaterThan(SEEDS * 0.7);
    expect(judged(files, keyFile)).toEqual(ours);
  },
);

test.skipIf(!PYTHON)('it finds a witness’s line under a checkpoint, and no other witness’s', async () => {
  const [folder, log] = [witnessFolder(), openLog()];
  const checkpoint = grow(log, 5);
  folder.know(logVkey(log));
  const witness = await spawnWitness(folder);
  const other = await spawnWitness(witnessFolder());
  try {
    const { body } = await witness.add(requestFor(log, checkpoint, 0));
    log.run('ledger.cosigned', { witness: witness.key, size: checkpoint.size, line: body.trimEnd() });
    const range = { first: 1, last: log.reader.head().seq };
    const lines = [checkpointLine(log.reader, range), ...log.lines()];
    const [file, keys] = [join(log.dir, 'export'), join(log.dir, 'keys.json')];
    writeFileSync(file, lines.map((line) => `${line}\n`).join(''));
    writeFileSync(keys, JSON.stringify(log.jwks()));
    expect(['', witness.key, other.key].map((key) => judged([file], keys, key))).toEqual([[true], [true], [false]]);
  } finally {
    await Promise.all([witness.end(), other.end()]);
  }
});
