// `receipts checkpoint`, `prove` and `merge`, and what `verify` makes of what they wrote.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { readCheckpoint } from '../../src/domain/note.ts';
import { freshDir, openLog, purchase, type TestLog } from '../ledger/log.ts';
import { command } from './observables.ts';

let folder: string;
const at = (name: string) => join(folder, name);
const write = (name: string, text: string) => {
  writeFileSync(at(name), text);
  return at(name);
};

beforeEach(() => {
  folder = freshDir();
});

/** A log with so many receipts and a checkpoint of all but the last two, and its configuration. */
function logOf(name: string, count: number, stepMs = 1_000): { log: TestLog; config: string[]; keys: string } {
  const log = openLog();
  for (let n = 1; n <= count; n++) {
    log.now += stepMs;
    log.seal(purchase(n % 2 ? 'intended' : 'settled', n));
    if (n === count - 2) log.run('ledger.checkpoint');
  }
  const config = ['--config', write(`${name}.yaml`, `identity: { development: true }\nstate: { dir: ${log.dir} }\n`)];
  return { log, config, keys: write(`${name}-keys.json`, JSON.stringify(log.jwks())) };
}

test('LOG-13: a proof of one receipt is checked with the public key alone, in at most 63 hashes', async () => {
  const { log, config, keys } = logOf('one', 300);
  for (const seq of [1, 2, 150, 297, 298]) {
    const id = `${log.reader.log}.${seq}`;
    expect((await command(['receipts', 'prove', id, '--out', at('proof.json'), ...config])).code).toBe(0);
    const proof = JSON.parse(readFileSync(at('proof.json'), 'utf8'));
    expect(proof.proof.length).toBeLessThanOrEqual(9);
    const { code, out } = await command(['receipts', 'verify', at('proof.json'), '--keys', keys]);
    expect([code, out]).toEqual([0, expect.stringContaining(`receipt ${id} is in log ${log.reader.log}`)]);
  }
  const early = await command(['receipts', 'prove', `${log.reader.log}.299`, ...config]);
  expect([early.code, early.err]).toEqual([1, expect.stringContaining('newest checkpoint is of 298')]);
  for (const id of [`${log.reader.log}.301`, 'other.1', 'nonsense']) {
    const { code, err } = await command(['receipts', 'prove', id, ...config]);
    expect([code, err]).toEqual([1, expect.stringContaining('no receipt')]);
  }
});

test('LOG-13: a proof in which anything was changed proves nothing', async () => {
  const { log, config, keys } = logOf('one', 40);
  const { out } = await command(['receipts', 'prove', `${log.reader.log}.7`, ...config]);
  const good = JSON.parse(out);
  const other = JSON.parse((await command(['receipts', 'prove', `${log.reader.log}.8`, ...config])).out);
  const flip = (hash: string) => (hash[0] === 'A' ? 'B' : 'A') + hash.slice(1);
  const wrong = [
    { ...good, proof: good.proof.map((hash: string, n: number) => (n === 2 ? flip(hash) : hash)) },
    { ...good, proof: good.proof.slice(1) },
    { ...good, proof: [...good.proof, good.proof[0]] },
    { ...good, proof: other.proof },
    { ...good, receipt: { ...good.receipt, seq: 8, id: `${log.reader.log}.8` } },
    { ...good, receipt: { ...good.receipt, kind: 'settled' } },
    { ...good, signature: other.signature },
    { ...good, checkpoint: good.checkpoint.replace(/\n38\n/, '\n37\n') },
  ];
  for (const value of wrong) {
    const file = write('wrong.json', `${JSON.stringify(value)}\n`);
    expect((await command(['receipts', 'verify', file, '--keys', keys])).code).toBe(1);
  }
  const stranger = logOf('stranger', 3).keys;
  expect((await command(['receipts', 'verify', write('p', out), '--keys', stranger])).code).toBe(1);
});

test('checkpoint prints the newest one, against which a log is verified later', async () => {
  const { log, config } = logOf('one', 20);
  const { code, out } = await command(['receipts', 'checkpoint', ...config]);
  expect([code, readCheckpoint(out).size]).toEqual([0, 18]);
  const kept = write('kept', out);
  for (let n = 0; n < 300; n++) log.seal(purchase('refused', n));
  log.run('ledger.checkpoint');
  expect((await command(['receipts', 'verify', '--checkpoint', kept, ...config])).code).toBe(0);
  log.db.exec('DELETE FROM checkpoints; DELETE FROM receipts WHERE seq > 17');
  const gone = await command(['receipts', 'verify', '--checkpoint', kept, ...config]);
  expect([gone.code, gone.err]).toEqual([1, expect.stringContaining('receipts after 17 are gone')]);
  const none = await command(['receipts', 'checkpoint', ...config]);
  expect([none.code, none.err]).toEqual([1, expect.stringContaining('no checkpoint yet')]);
});

test('a signature changed in the database is found at its receipt, under a checkpoint or after it', async () => {
  for (const seq of [5, 19]) {
    const { log, config } = logOf(`at-${seq}`, 20);
    log.db.exec(`UPDATE receipts SET signature = (SELECT signature FROM receipts WHERE seq = 1) WHERE seq = ${seq}`);
    const { code, err } = await command(['receipts', 'verify', ...config]);
    expect([code, err]).toEqual([1, expect.stringContaining(`at seq ${seq}: the signature is wrong`)]);
  }
});

test('exports of several logs merge into one stream in the order of time, each as verifiable as before', async () => {
  const [a, b, c] = [logOf('a', 30, 1_000), logOf('b', 40, 700), logOf('c', 5, 9_000)];
  const files = [];
  for (const [index, { config }] of [a, b, c].entries()) {
    files.push(at(`${index}.jsonl`));
    expect((await command(['receipts', 'export', '--out', at(`${index}.jsonl`), ...config])).code).toBe(0);
  }
  const merged = at('merged.jsonl');
  expect((await command(['receipts', 'merge', ...files, '--out', merged])).code).toBe(0);
  const lines = readFileSync(merged, 'utf8').trimEnd().split('\n');
  expect(lines).toHaveLength(30 + 40 + 5 + 3 * 2);
  const times = lines.flatMap((line) => JSON.parse(line).receipt?.at ?? []);
  expect(times).toEqual([...times].sort());
  const keys = write('keys.json', JSON.stringify({ keys: [a, b, c].flatMap(({ log }) => log.jwks().keys) }));
  const { code, out } = await command(['receipts', 'verify', merged, '--keys', keys]);
  expect([code, out.match(/is intact/g)?.length]).toEqual([0, 3]);
  const report = ['report', '--since', '2026-11-01', '--until', '2026-12-01', '--keys', keys, '--json', ...a.config];
  const apart = await command([...report, ...files.flatMap((file) => ['--from', file])]);
  const together = await command([...report, '--from', merged]);
  expect([apart.code, together.code]).toEqual([0, 0]);
  const spent = ({ out }: { out: string }) => ({ ...JSON.parse(out), logs: [], notes: [] });
  expect(spent(together)).toEqual(spent(apart));
  expect(JSON.parse(together.out).logs).toHaveLength(3);
  await faultsNamed(lines, { b: b.log, keys });
});

/** Gaps, missing heads and a key of another log are named with the log they are in. */
async function faultsNamed(lines: readonly string[], { b, keys }: { b: TestLog; keys: string }): Promise<void> {
  const name = b.reader.log;
  const place = lines.findIndex((line) => line.includes(`"id":"${name}.21"`));
  const said = async (changed: readonly string[], key = keys) => {
    const file = write('changed.jsonl', changed.map((line) => `${line}\n`).join(''));
    return command(['receipts', 'verify', file, '--keys', key]);
  };
  const gap = await said(lines.toSpliced(place, 1));
  expect([gap.code, gap.err]).toEqual([1, expect.stringMatching(new RegExp(`${name} is NOT intact: at seq 21:`))]);
  const head = lines.findIndex((line) => line.startsWith('{"head"') && line.includes(name));
  const cut = await said(lines.toSpliced(head, 1));
  expect([cut.code, cut.err]).toEqual([
    1,
    expect.stringMatching(new RegExp(`${name} is NOT intact: at seq 41:.*cut short`)),
  ]);
  const others = JSON.parse(readFileSync(keys, 'utf8')).keys.map((key: { log: string }) => ({ ...key, log: name }));
  const wrong = await said(lines, write('wrong-keys.json', JSON.stringify({ keys: others })));
  expect([wrong.code, wrong.err]).toEqual([1, expect.stringContaining('not in the key set for this log')]);
}

test('what is no export of one log is not merged, and nothing is written', async () => {
  const { config } = logOf('a', 3);
  await command(['receipts', 'export', '--out', at('a.jsonl'), ...config]);
  const again = await command(['receipts', 'merge', at('a.jsonl'), at('a.jsonl'), '--out', at('m.jsonl')]);
  expect([again.code, again.err]).toEqual([2, expect.stringContaining('like a file before it')]);
  for (const text of ['{}\n', 'nonsense\n', '']) {
    const { code } = await command(['receipts', 'merge', write('bad.jsonl', text), '--out', at('m.jsonl')]);
    expect(code).toBe(2);
  }
  expect((await command(['receipts', 'merge', at('none.jsonl')])).code).toBe(2);
  expect(() => readFileSync(at('m.jsonl'))).toThrow();
  expect(() => readFileSync(at('m.jsonl.partial'))).toThrow();
});
