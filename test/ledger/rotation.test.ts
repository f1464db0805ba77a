// Rotations of the log key: what they seal, what verify makes of keys after them, and how each step survives a crash.
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { bindReceipt, compactJws, type LogKey, nextLink, RECEIPT_TYP, signPart } from '../../src/ledger/chain.ts';
import { cutBack } from '../../src/ledger/cut-back.ts';
import { makeNextKey, readLogKey } from '../../src/ledger/key-files.ts';
import { verifyLog } from '../../src/ledger/verify.ts';
import { openLog, purchase, type TestLog } from './log.ts';

const BECAUSE = { by: 'dana', because: 'a year has passed' };
const rotate = (log: TestLog) => {
  log.run('ledger.rotate', BECAUSE);
  log.run('ledger.retire');
};

function rotated(): TestLog {
  const log = openLog();
  log.seal(purchase('intended', 1));
  rotate(log);
  log.seal(purchase('settled', 1));
  return log;
}

const keyFiles = (dir: string) => ['log-key.pem', 'log-key.next.pem'].filter((name) => existsSync(join(dir, name)));

test('a rotation is sealed by the old key, names the new one, and the old private key is gone', async () => {
  const log = openLog();
  log.seal(purchase('intended', 1));
  const [old] = log.reader.keys();
  const before = readFileSync(join(log.dir, 'log-key.pem'), 'utf8');
  rotate(log);
  log.seal(purchase('settled', 1));
  const [first, second] = log.reader.keys();
  expect([first, second?.seq]).toEqual([old, 3]);
  const rows = log.db.prepare('SELECT kid, bytes FROM receipts ORDER BY seq').all();
  expect(rows.map(({ kid }) => kid)).toEqual([old?.kid, old?.kid, second?.kid]);
  expect(JSON.parse(String(rows[1]?.bytes))).toMatchObject({
    kind: 'operator',
    change: { what: 'rotate the log key', outcome: 'applied', ...BECAUSE },
    nextKey: { kid: second?.kid, x: second?.x },
  });
  expect(readFileSync(join(log.dir, 'log-key.pem'), 'utf8')).not.toBe(before);
  expect(keyFiles(log.dir)).toEqual(['log-key.pem']);
  expect(log.jwks().keys).toEqual([
    expect.objectContaining({ kid: old?.kid, log: log.reader.log, seq: 1 }),
    expect.objectContaining({ kid: second?.kid, log: log.reader.log, seq: 3 }),
  ]);
});

test('a log with rotations verifies with its key set, and with the first key alone', async () => {
  const log = rotated();
  rotate(log);
  log.seal(purchase('refused', 2));
  const lines = log.lines();
  expect(await verifyLog(lines, { keys: log.jwks() })).toMatchObject({ ok: true, last: 5 });
  expect(await verifyLog(lines, { keys: { keys: log.jwks().keys.slice(0, 1) } })).toMatchObject({ ok: true });
  expect(await verifyLog(lines, { keys: { keys: log.jwks().keys.slice(1) } })).toMatchObject({ ok: false, seq: 1 });
  expect(await verifyLog(log.lines({ first: 3, last: 5 }), { keys: log.jwks() })).toMatchObject({ ok: true });
  expect(await verifyLog(log.lines({ first: 1, last: 1 }), { keys: log.jwks() })).toMatchObject({ ok: true, last: 1 });
});

/** The log's lines with one more receipt at the end, sealed with whatever key, under a head of the same. */
function withOneMore(log: TestLog, key: LogKey, entry = purchase('refused', 9)): string[] {
  const { log: name } = log.reader;
  const link = nextLink(name, log.reader.head(), new Date(log.now).toISOString(), false);
  const { bytes, hash } = bindReceipt(entry, link);
  const jws = compactJws(bytes, RECEIPT_TYP, key.kid, signPart(bytes, RECEIPT_TYP, key));
  const head = { at: link.at, hash, log: name, seq: link.seq };
  const payload = JSON.stringify(head);
  const typ = 'purser-head+jws';
  const signature = compactJws(payload, typ, key.kid, signPart(payload, typ, key));
  return [
    ...log.lines().slice(0, -1),
    `{"hash":"${hash}","receipt":${bytes},"signature":"${jws}"}`,
    JSON.stringify({ head, signature }),
  ];
}

test('LOG-08 what a retired key signed does not verify, nor what a key signed that no rotation named', async () => {
  const log = openLog();
  log.seal(purchase('intended', 1));
  const retired = readLogKey(log.dir, undefined);
  rotate(log);
  const current = readLogKey(log.dir, log.reader.kid());
  const keys = log.jwks();
  expect(await verifyLog(withOneMore(log, current), { keys })).toMatchObject({ ok: true, last: 3 });
  expect(await verifyLog(withOneMore(log, retired), { keys })).toMatchObject({ ok: false, seq: 3 });
  const undated = { keys: keys.keys.map((key) => ({ ...Object(key), seq: undefined })) };
  expect(await verifyLog(withOneMore(log, retired), { keys: undated })).toMatchObject({ ok: false, seq: 3 });
  // A part that begins after the rotation has no chain to the key before it: the key set says when it was retired.
  const part = withOneMore(log, retired).slice(-2);
  expect(await verifyLog(part, { keys })).toMatchObject({ ok: false, seq: 3, fault: expect.stringMatching(/retired/) });
  const other = readLogKey(openLog().dir, undefined);
  const both = { keys: [...keys.keys, { kty: 'OKP', crv: 'Ed25519', x: other.x }] };
  expect(await verifyLog(withOneMore(log, other), { keys: both })).toMatchObject({ ok: false, seq: 3 });
});

test('a stolen retired key leads no log to another key, and only an operator’s receipt names a key', async () => {
  const log = openLog();
  log.seal(purchase('intended', 1));
  const stolen = readLogKey(log.dir, undefined);
  const forked = withRotation(log, stolen);
  rotate(log);
  expect(await verifyLog(forked, { keys: log.jwks() })).toMatchObject({
    ok: false,
    seq: 2,
    fault: expect.stringContaining('the key set says'),
  });
  const link = { kind: 'refused' as const, nextKey: { kid: stolen.kid, x: stolen.x } };
  const named = withOneMore(log, readLogKey(log.dir, log.reader.kid()), { ...purchase('refused', 3), ...link });
  expect(await verifyLog(named, { keys: log.jwks() })).toMatchObject({ ok: false, seq: 3 });
  expect(() => log.run('ledger.seal', { ...purchase('refused', 3), ...link })).toThrow(/only a rotation/);
});

/** As the thief would: a rotation to a new key, sealed with the stolen one. */
function withRotation(log: TestLog, key: LogKey): string[] {
  const own = readLogKey(openLog().dir, undefined);
  const entry = { kind: 'operator' as const, nextKey: { kid: own.kid, x: own.x } };
  return withOneMore(log, key, entry);
}

test('cut short after the new key was made: the old key goes on, and the next rotation works', async () => {
  const log = rotated();
  const kid = log.reader.kid() ?? '';
  makeNextKey(log.dir, kid);
  log.db.close();
  const again = openLog(log.dir);
  again.seal(purchase('refused', 2));
  expect(again.reader.kid()).toBe(kid);
  rotate(again);
  again.seal(purchase('refused', 3));
  expect(await verifyLog(again.lines(), { keys: again.jwks() })).toMatchObject({ ok: true, last: 6 });
});

test('cut short after the rotation was sealed: the new key signs, and takes its place at the next start', async () => {
  const log = openLog();
  log.seal(purchase('intended', 1));
  log.run('ledger.rotate', BECAUSE);
  expect(() => log.run('ledger.rotate', BECAUSE)).toThrow(/not finished/);
  log.db.close();
  expect(keyFiles(log.dir)).toEqual(['log-key.pem', 'log-key.next.pem']);
  const again = openLog(log.dir);
  expect(again.run('ledger.about')).toMatchObject({ rotating: true });
  again.seal(purchase('settled', 1));
  expect(await verifyLog(again.lines(), { keys: again.jwks() })).toMatchObject({ ok: true, last: 3 });
  again.run('ledger.retire');
  expect(keyFiles(log.dir)).toEqual(['log-key.pem']);
  expect(await verifyLog(again.lines(), { keys: again.jwks() })).toMatchObject({ ok: true, last: 3 });
});

test('a rotation whose commit failed and came back is cut away with its key, and the old key goes on', async () => {
  const log = openLog();
  log.seal(purchase('intended', 1));
  const kid = log.reader.kid();
  log.run('ledger.rotate', BECAUSE);
  cutBack(log.db, 1);
  log.db.close();
  const again = openLog(log.dir);
  expect(again.reader.kid()).toBe(kid);
  again.seal(purchase('settled', 1));
  expect(await verifyLog(again.lines(), { keys: again.jwks() })).toMatchObject({ ok: true, last: 2 });
});

test('without the key that signs, or with the one before it in its place, the log does not open', () => {
  const log = rotated();
  const path = join(log.dir, 'log-key.pem');
  const good = readFileSync(path);
  log.db.close();
  writeFileSync(path, readFileSync(join(openLog().dir, 'log-key.pem')));
  expect(() => openLog(log.dir)).toThrow(/is not the key that signs/);
  renameSync(path, `${path}.away`);
  expect(() => openLog(log.dir)).toThrow(/is missing/);
  rmSync(`${path}.away`);
  writeFileSync(path, good, { mode: 0o600 });
  openLog(log.dir);
});
