import { execFileSync, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  bindReceipt,
  compactJws,
  HEAD_TYP,
  type Link,
  logKeyOf,
  nextLink,
  RECEIPT_TYP,
  signPart,
} from '../../src/ledger/chain.ts';
import { headLine, receiptLine } from '../../src/ledger/export.ts';
import { readLogKey } from '../../src/ledger/key-files.ts';
import { readLines } from '../../src/ledger/lines.ts';
import { type Verdict, verifyLog } from '../../src/ledger/verify.ts';
import { openLog, purchase, START, type TestLog } from './log.ts';

function logOf(count: number): TestLog {
  const log = openLog();
  for (let n = 1; n <= count; n++) {
    log.now += 1_000;
    log.seal(purchase(n % 2 ? 'intended' : 'settled', Math.ceil(n / 2)));
  }
  return log;
}

const bytesOf = (lines: readonly string[]): Buffer => Buffer.from(lines.map((line) => `${line}\n`).join(''));

const verifyBytes = (bytes: Uint8Array, options: Parameters<typeof verifyLog>[1]): Promise<Verdict> =>
  verifyLog(readLines(Readable.from([Buffer.from(bytes)])), options);

test('an untouched export verifies from its bytes and the public key alone', async () => {
  const log = logOf(10);
  const verdict = await verifyBytes(bytesOf(log.lines()), { keys: log.jwks(), fromStart: true });
  expect(verdict).toMatchObject({ ok: true, log: log.reader.log, first: 1, last: 10, warnings: [] });
});

test('an empty log exports a head alone, and verifies', async () => {
  const log = logOf(0);
  expect(await verifyLog(log.lines(), { keys: log.jwks() })).toMatchObject({ ok: true, last: 0 });
});

test('a range that does not begin at 1 verifies from its first prev, and says so', async () => {
  const log = logOf(10);
  const lines = log.lines({ first: 4, last: 8 });
  const verdict = await verifyLog(lines, { keys: log.jwks() });
  expect(verdict).toMatchObject({ ok: true, first: 4, last: 8 });
  expect(verdict.ok && verdict.warnings[0]).toContain('begins at seq 4');
  expect(await verifyLog(lines, { keys: log.jwks(), fromStart: true })).toMatchObject({ ok: false });
});

test('LOG-02 a receipt taken out of the middle is found at the one after it', async () => {
  const log = logOf(10);
  const lines = log.lines().toSpliced(4, 1);
  expect(await verifyLog(lines, { keys: log.jwks() })).toMatchObject({ ok: false, seq: 5 });
});

test('LOG-02 a receipt taken out of the database is found by verifying the live log', async () => {
  const log = logOf(10);
  log.db.exec('DELETE FROM receipts WHERE seq = 5');
  expect(await verifyLog(log.lines(), { keys: log.jwks() })).toMatchObject({ ok: false, seq: 5 });
});

test('LOG-03 two receipts that changed places are found', async () => {
  const log = logOf(10);
  const lines = log.lines();
  const swapped = lines.toSpliced(4, 2, lines[5] ?? '', lines[4] ?? '');
  expect(await verifyLog(swapped, { keys: log.jwks() })).toMatchObject({ ok: false, seq: 5 });
});

test('LOG-05 a log rolled back to an older whole copy fails against a head kept elsewhere', async () => {
  const log = logOf(10);
  const kept = log.lines().at(-1) ?? '';
  const older = log.lines({ first: 1, last: 6 });
  const against = { keys: log.jwks(), head: kept };
  expect(await verifyLog(older, { keys: log.jwks() })).toMatchObject({ ok: true });
  expect(await verifyLog(older, against)).toMatchObject({ ok: false, fault: expect.stringContaining('gone') });
  log.seal(purchase('settled', 9));
  expect(await verifyLog(log.lines(), against)).toMatchObject({ ok: true, last: 11 });
  expect(await verifyLog(log.lines({ first: 11, last: 11 }), against)).toMatchObject({ ok: true });
});

test('a rewritten log that is signed with the right key fails against a head kept elsewhere', async () => {
  const log = logOf(4);
  const key = log.jwks();
  const kept = log.lines().at(-1) ?? '';
  log.db.exec('DELETE FROM receipts WHERE seq > 2');
  for (let n = 0; n < 4; n++) log.seal(purchase('refused', n));
  expect(await verifyLog(log.lines(), { keys: key })).toMatchObject({ ok: true });
  expect(await verifyLog(log.lines(), { keys: key, head: kept })).toMatchObject({ ok: false, seq: 4 });
});

test('LOG-08 a receipt signed with another key is found, be it unknown or in the key set', async () => {
  const log = logOf(3);
  const other = logKeyOf(generateKeyPairSync('ed25519').privateKey);
  const link = nextLink(log.reader.log, log.reader.head(), new Date(log.now).toISOString(), false);
  const { bytes, hash } = bindReceipt(purchase('settled', 4), link);
  const forged = { seq: 4, bytes, hash, kid: other.kid, signature: signPart(bytes, RECEIPT_TYP, other) };
  const head = headLine(log.reader.log, { seq: 4, hash }, link.at, other);
  const lines = [...log.lines().slice(0, 3), receiptLine(forged), head];
  const both = { keys: [...log.jwks().keys, { kty: 'OKP', crv: 'Ed25519', x: other.x }] };
  expect(await verifyLog(lines, { keys: log.jwks() })).toMatchObject({ ok: false, seq: 4 });
  expect(await verifyLog(lines, { keys: both })).toMatchObject({ ok: false, seq: 4 });
});

test('a key that goes by the name of another is not taken for it', async () => {
  const log = logOf(2);
  const { kid } = log.jwks().keys[0] as { kid: string };
  const other = logKeyOf(generateKeyPairSync('ed25519').privateKey);
  expect(
    await verifyLog(log.lines(), { keys: { keys: [{ kty: 'OKP', crv: 'Ed25519', x: other.x, kid }] } }),
  ).toMatchObject({
    ok: false,
    seq: 1,
  });
});

test('LOG-10 LOG-20 sequence goes on when the clock steps back, and the step is flagged, no fault', async () => {
  const log = logOf(3);
  log.now = START - 86_400_000;
  log.seal(purchase('refused', 4));
  const verdict = await verifyLog(log.lines(), { keys: log.jwks() });
  expect(verdict).toMatchObject({ ok: true, last: 4 });
  expect(verdict.ok && verdict.warnings).toEqual([expect.stringContaining('seq 4 says 2026-11-22')]);
});

/** A log of one honest receipt and one that its own key signed wrongly. */
function forged(change: Partial<Link>, typ = RECEIPT_TYP, headHash?: string) {
  const log = logOf(1);
  const key = readLogKey(log.dir, log.reader.kid());
  const honest = nextLink(log.reader.log, log.reader.head(), new Date(log.now).toISOString(), false);
  const { bytes, hash } = bindReceipt(purchase('settled', 1), {
    ...honest,
    id: `${log.reader.log}.${change.seq ?? 2}`,
    ...change,
  });
  const signature = compactJws(bytes, typ, key.kid, signPart(bytes, typ, key));
  const line = `{"hash":"${hash}","receipt":${bytes},"signature":"${signature}"}`;
  const head = headLine(log.reader.log, { seq: change.seq ?? 2, hash: headHash ?? hash }, honest.at, key);
  return verifyLog([log.lines()[0] ?? '', line, head], { keys: log.jwks() });
}

test('even with the right key, what does not follow the receipt before it is found', async () => {
  expect(await forged({})).toMatchObject({ ok: true, last: 2 });
  expect(await forged({ prev: 'a'.repeat(64) })).toMatchObject({ ok: false, seq: 2 });
  expect(await forged({ seq: 3 })).toMatchObject({ ok: false, seq: 2 });
  expect(await forged({ id: 'other.2' })).toMatchObject({ ok: false, seq: 2 });
  expect(await forged({ log: 'other', id: 'other.2' })).toMatchObject({ ok: false, seq: 2 });
  expect(await forged({ at: 'yesterday' })).toMatchObject({ ok: false, seq: 2 });
  expect(await forged({}, RECEIPT_TYP, 'a'.repeat(64))).toMatchObject({ ok: false, seq: 3 });
});

test('LOG-11 what was signed as a head does not pass for a receipt', async () => {
  expect(await forged({}, HEAD_TYP)).toMatchObject({ ok: false, seq: 2 });
});

test('bytes that are not UTF-8 are not repaired into a log that verifies', async () => {
  const log = openLog();
  log.seal({ kind: 'operator', change: { what: '\ufffd', outcome: 'applied' } });
  const whole = bytesOf(log.lines());
  const at = whole.indexOf('\ufffd');
  const broken = Buffer.concat([whole.subarray(0, at), Buffer.from([0xff]), whole.subarray(at + 3)]);
  expect(await verifyBytes(whole, { keys: log.jwks() })).toMatchObject({ ok: true });
  expect(await verifyBytes(broken, { keys: log.jwks() })).toMatchObject({ ok: false, seq: 1 });
});

test('without its head, or cut within its last line, a log does not verify', async () => {
  const log = logOf(5);
  const keys = log.jwks();
  expect(await verifyLog(log.lines().slice(0, -1), { keys })).toMatchObject({ ok: false, seq: 6 });
  expect(await verifyLog(log.lines().toSpliced(4, 1), { keys })).toMatchObject({ ok: false, seq: 5 });
  expect(await verifyBytes(bytesOf(log.lines()).subarray(0, -1), { keys })).toMatchObject({ ok: false });
  expect(await verifyLog([...log.lines(), log.lines()[0] ?? ''], { keys })).toMatchObject({ ok: false });
});

test('LOG-18 none of 1,000 mutated logs verifies, and none stops the verifier', async () => {
  const log = logOf(8);
  const whole = bytesOf(log.lines());
  const keys = log.jwks();
  const position = fc.nat(whole.length - 1);
  const cut = (from: number, to: number, between: Uint8Array = Buffer.alloc(0)) =>
    Buffer.concat([whole.subarray(0, from), between, whole.subarray(Math.max(from, to))]);
  const lines = log.lines();
  const line = fc.nat(lines.length - 1);
  const mutation = fc.oneof(
    fc.tuple(position, fc.integer({ min: 0, max: 255 })).map(([at, byte]) => cut(at, at + 1, Buffer.from([byte]))),
    fc.tuple(position, fc.nat(40)).map(([at, length]) => cut(at, at + 1 + length)),
    fc.tuple(position, fc.uint8Array({ minLength: 1, maxLength: 9 })).map(([at, more]) => cut(at, at, more)),
    fc
      .tuple(position, fc.constantFrom(' ', '\n', '0', '1', '"', '}', '\r'))
      .map(([at, c]) => cut(at, at, Buffer.from(c))),
    fc.tuple(line, line).map(([from, to]) => bytesOf(lines.toSpliced(to, 0, lines[from] ?? ''))),
    fc.tuple(line, line).map(([a, b]) => bytesOf(lines.with(a, lines[b] ?? '').with(b, lines[a] ?? ''))),
    position.map((at) => whole.subarray(0, at)),
    line.map((at) => bytesOf(lines.toSpliced(at, 1))),
  );
  await fc.assert(
    fc.asyncProperty(mutation, async (mutated) => {
      fc.pre(!whole.equals(mutated));
      expect((await verifyBytes(mutated, { keys, fromStart: true })).ok).toBe(false);
    }),
    { numRuns: 1_000 },
  );
});

test('LOG-18 lines that JSON can say in another way do not verify', async () => {
  const log = logOf(2);
  const [first = '', ...rest] = log.lines();
  const seq = /"seq":1,/;
  const others = [
    first.replace(seq, '"seq":1.0,'),
    first.replace(seq, '"seq":1e0,'),
    first.replace(seq, '"seq":2,"seq":1,'),
    first.replace('buyer-1', '\\u0062uyer-1'),
    first.replace('{"hash"', '{"extra":1,"hash"'),
    `${first}\r`,
    ` ${first}`,
    `\ufeff${first}`,
    first.replace('{"hash"', `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)},"hash"`),
    'null',
    '[]',
    '',
  ];
  for (const other of others) {
    expect(other).not.toBe(first);
    expect(await verifyBytes(bytesOf([other, ...rest]), { keys: log.jwks() })).toMatchObject({ ok: false, seq: 1 });
  }
});

test('LOG-18 an endless line is given up on, in flat memory', async () => {
  const block = Buffer.alloc(1_048_576, 'a');
  let sent = 0;
  const endless = Readable.from(
    (function* () {
      for (;;) {
        sent += 1;
        yield block;
      }
    })(),
  );
  const verdict = await verifyLog(readLines(endless), { keys: logOf(1).jwks() });
  expect(verdict).toMatchObject({ ok: false, fault: expect.stringContaining('longer than') });
  expect(sent).toBeLessThan(64);
});

test('LOG-18 a pipe is read like a file', async () => {
  const log = logOf(3);
  const pipe = join(log.dir, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const writer = spawn('sh', ['-c', `cat > '${pipe}'`], { stdio: ['pipe', 'ignore', 'ignore'] });
  writer.stdin.end(bytesOf(log.lines()));
  const verdict = await verifyLog(readLines(createReadStream(pipe)), { keys: log.jwks() });
  expect(verdict).toMatchObject({ ok: true, last: 3 });
});
