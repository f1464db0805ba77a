// What a witness answers, as C2SP tlog-witness says, by a real process over a real log.
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readCheckpoint, readKey, readSignature, signedBy } from '../../src/domain/note.ts';
import { grow, logVkey, openLog, requestFor, spawnWitness, type WitnessProcess, witnessFolder } from './support.ts';

const folder = witnessFolder();
let witness: WitnessProcess;

beforeAll(async () => {
  witness = await spawnWitness(folder);
});
afterAll(() => witness.end());

function knownLog() {
  const log = openLog();
  log.seal({ kind: 'operator', change: { what: 'begin', outcome: 'applied' } });
  folder.know(logVkey(log));
  return log;
}

const sizeIn = (note: string): number => readCheckpoint(note).size;

test('the example of C2SP’s signed-note verifies, and one bit less does not', () => {
  const key = readKey('example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k');
  const signature = 'Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=';
  const line = `\u2014 example.com/foo ${signature}`;
  const note = { text: 'This is an example message.\n', signatures: [readSignature(line)] };
  expect(signedBy(note, key)).toEqual({ seconds: null });
  expect(() => signedBy({ ...note, text: 'This is an example massage.\n' }, key)).toThrow(/wrong/);
});

test('growth is cosigned with the time, by the key that it printed, and served to whoever asks', async () => {
  const log = knownLog();
  const first = grow(log, 3);
  const began = Math.floor(Date.now() / 1_000);
  const answer = await witness.add(requestFor(log, first, 0));
  expect([answer.status, answer.type]).toEqual([200, 'text/plain; charset=utf-8']);
  const { text } = readCheckpoint(first.note);
  const lines = answer.body.trimEnd().split('\n').map(readSignature);
  const signed = signedBy({ text, signatures: lines }, readKey(witness.key));
  expect(signed?.seconds).toBeGreaterThanOrEqual(began);
  const second = grow(log, 300);
  expect((await witness.add(requestFor(log, second, first.size))).status).toBe(200);
  expect((await witness.add(requestFor(log, second, second.size))).status).toBe(200);
  const origin = createHash('sha256').update(`purser/${log.reader.log}`).digest('hex');
  const served = await (await fetch(`${witness.url}/${origin}/checkpoint`)).text();
  expect([sizeIn(served), readCheckpoint(served).signatures.length]).toEqual([second.size, 2]);
});

test('another old size is 409 with its own', async () => {
  const log = knownLog();
  const first = grow(log, 5);
  await witness.add(requestFor(log, first, 0));
  const second = grow(log, 5);
  for (const old of [0, 3, second.size]) {
    const answer = await witness.add(requestFor(log, second, old));
    expect(answer).toEqual({ status: 409, type: 'text/x.tlog.size', body: `${first.size}\n` });
  }
});

test('a tree that did not grow from the last one is 422, also under the log’s own signature', async () => {
  const log = knownLog();
  const first = grow(log, 5);
  await witness.add(requestFor(log, first, 0));
  const second = grow(log, 5);
  const [head = '', ...rest] = requestFor(log, second, first.size).split('\n');
  const [one = '', ...more] = rest;
  const wrong = [
    [head, `${one[0] === 'A' ? 'B' : 'A'}${one.slice(1)}`, ...more],
    [head, ...more],
    [head, one, one, ...more],
  ];
  for (const lines of wrong) expect((await witness.add(lines.join('\n'))).status).toBe(422);
  // The history before the first checkpoint is written anew, and signed with the right key.
  log.db.exec('DELETE FROM receipts WHERE seq > 2; DELETE FROM checkpoints; DELETE FROM tree');
  const again = grow(log, first.size - 2);
  expect(again.size).toBe(first.size);
  expect((await witness.add(requestFor(log, again, first.size))).status).toBe(422);
  const larger = grow(log, 5);
  expect((await witness.add(requestFor(log, larger, first.size))).status).toBe(422);
});

test('a log it does not know is 404, a key it does not know or a wrong signature 403', async () => {
  const stranger = openLog();
  const strange = grow(stranger, 2);
  expect((await witness.add(requestFor(stranger, strange, 0))).status).toBe(404);
  folder.know(logVkey(stranger));
  expect((await witness.add(requestFor(stranger, strange, 0))).status).toBe(200);
  stranger.run('ledger.rotate', { by: 'dana', because: 'a year has passed' });
  const rotated = grow(stranger, 1);
  expect((await witness.add(requestFor(stranger, rotated, strange.size))).status).toBe(403);
  folder.know(logVkey(stranger));
  expect((await witness.add(requestFor(stranger, rotated, strange.size))).status).toBe(200);
  const next = grow(stranger, 1);
  const forged = { ...next, note: next.note.replace(/\n\d+\n/, `\n${next.size + 1}\n`) };
  expect((await witness.add(requestFor(stranger, forged, rotated.size))).status).toBe(403);
});

test('what is no request is 400, 404, 405 or 413, and changes nothing', async () => {
  const log = knownLog();
  const first = grow(log, 4);
  const good = requestFor(log, first, 0);
  const bad = [
    '',
    good.replace('old 0', 'old 00'),
    good.replace('old 0', 'old -1'),
    good.replace('old 0', `old ${first.size + 1}`),
    good.replace('\n\n', '\nnot a hash\n\n'),
    good.replace('\n\n', `\n${`${Buffer.alloc(32).toString('base64')}\n`.repeat(64)}\n`),
    good.replace('\n\npurser', '\npurser'),
    good.replace(/\n(\d+)\n/, '\n0$1\n'),
    `${good}\u0007`,
  ];
  for (const body of bad)
    expect([body.slice(0, 40), (await witness.add(body)).status]).toEqual([body.slice(0, 40), 400]);
  expect((await witness.add('x'.repeat(70_000))).status).toBe(413);
  expect((await fetch(`${witness.url}/add-checkpoint`)).status).toBe(405);
  expect((await fetch(`${witness.url}/`)).status).toBe(404);
  expect((await fetch(`${witness.url}/${'0'.repeat(64)}/checkpoint`)).status).toBe(404);
  expect((await witness.add(good)).status).toBe(200);
});
