// The receipts commands on a log that another connection is writing, with a configuration file as people have it.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import type { Io } from '../../src/command/io.ts';
import { list, show } from '../../src/command/receipts.ts';
import { export as exportLog } from '../../src/command/receipts-export.ts';
import { verify } from '../../src/command/receipts-verify.ts';
import { openLog, purchase, type TestLog } from '../ledger/log.ts';

let log: TestLog;
let config: string;
let out: string;
let err: string;
const io: Io = {
  out: (text) => {
    out += text;
  },
  err: (text) => {
    err += text;
  },
  env: {},
};

beforeEach(() => {
  log = openLog();
  config = join(log.dir, 'config.yaml');
  const example = readFileSync(new URL('../../config.example.yaml', import.meta.url), 'utf8');
  writeFileSync(config, example.replace(/^ {2}dir: .*$/m, `  dir: ${log.dir}`));
  out = '';
  err = '';
});

function sealPurchases(count: number): void {
  for (let n = 1; n <= count; n++) {
    log.now += 60_000;
    log.seal(purchase(n % 2 ? 'intended' : 'settled', n));
  }
}

test('list prints a table for people, newest first, while the log is open for writing', async () => {
  sealPurchases(3);
  expect(await list({ config, agent: 'buyer-1' }, io)).toBe(0);
  const [header, first, ...more] = out.trimEnd().split('\n');
  expect(header).toMatch(/^AT +ID +KIND +AGENT +SERVICE +AMOUNT/);
  expect(first).toMatch(new RegExp(`${log.reader.log}\\.1 +intended +buyer-1 +weather +0\\.010000 USD +shop`));
  expect(more).toEqual([]);
});

test('list prints JSON that reads back as the receipts, and escapes what a terminal would obey', async () => {
  sealPurchases(2);
  log.seal({ kind: 'operator', change: { what: 'stop', outcome: 'applied', because: '\u202e\u001b[2Jx' } });
  expect(await list({ config, json: true, limit: 2 }, io)).toBe(0);
  const found = JSON.parse(out).receipts;
  expect(found.map((one: { receipt: { seq: number } }) => one.receipt.seq)).toEqual([3, 2]);
  expect(found[0].receipt.change.because).toBe('\u202e\u001b[2Jx');
  for (const hidden of ['\u202e', '\u001b']) expect(out).not.toContain(hidden);
});

test('list takes times and kinds strictly', async () => {
  sealPurchases(4);
  expect(await list({ config, json: true, since: '2026-11-23T11:03:00+01:00' }, io)).toBe(0);
  expect(JSON.parse(out).receipts).toHaveLength(2);
  expect(await list({ config, since: 'yesterday' }, io)).toBe(2);
  expect(await list({ config, until: '2026-02-30' }, io)).toBe(2);
  expect(await list({ config, kind: 'paid' }, io)).toBe(2);
});

test('show finds a receipt by its id, all receipts of an exchange, and nothing else', async () => {
  sealPurchases(1);
  log.seal(purchase('settled', 1));
  expect(await show({ config, id: `${log.reader.log}.2` }, io)).toBe(0);
  expect(JSON.parse(out).receipt.kind).toBe('settled');
  out = '';
  expect(await show({ config, id: 'exchange-1' }, io)).toBe(0);
  expect(out.match(/"kind"/g)).toHaveLength(2);
  expect(await show({ config, id: 'other.1' }, io)).toBe(1);
});

test('what export writes, verify accepts: with the key set alone, and against a head kept elsewhere', async () => {
  sealPurchases(5);
  const [file, keys, head] = ['export.jsonl', 'keys.json', 'head.json'].map((name) => join(log.dir, name));
  if (!file || !keys || !head) throw new Error('three names');
  writeFileSync(keys, JSON.stringify(log.jwks()));
  expect(await exportLog({ config, out: file }, io)).toBe(0);
  writeFileSync(head, `${readFileSync(file, 'utf8').trimEnd().split('\n').at(-1)}\n`);
  expect(await verify({ config: '/nowhere.yaml', file, keys, head }, io)).toBe(0);
  expect(out).toContain('5 receipts, seq 1 to 5');

  expect(await exportLog({ config, out: file, until: '2026-11-23T10:04:00Z' }, io)).toBe(0);
  expect(await verify({ config, file }, io)).toBe(0);
  expect(await verify({ config, file, head }, io)).toBe(1);
  expect(err).toContain('kept head is at seq 5');
  expect(await exportLog({ config, out: file, since: '2027-01-01' }, io)).toBe(1);
});

test('verify names the sequence number of the first fault, in an export and in the live log', async () => {
  sealPurchases(5);
  expect(await verify({ config }, io)).toBe(0);
  expect(await exportLog({ config }, io)).toBe(0);
  const file = join(log.dir, 'edited.jsonl');
  writeFileSync(file, out.slice(out.indexOf('\n') + 1).replace('"id":"hold-3"', '"id":"hold-9"'));
  expect(await verify({ config, file }, io)).toBe(1);
  expect(err).toContain('at seq 3');
  err = '';
  log.db.exec("UPDATE receipts SET bytes = replace(bytes, 'hold-2', 'hold-9') WHERE seq = 2");
  expect(await verify({ config }, io)).toBe(1);
  expect(err).toContain('at seq 2');
  out = '';
  expect(await verify({ config, json: true }, io)).toBe(1);
  expect(JSON.parse(out)).toMatchObject({ ok: false, seq: 2 });
});

test('a file that is not there is a mistake of the caller, a folder without a log an answer', async () => {
  expect(await verify({ config, file: '/nowhere' }, io)).toBe(2);
  expect(await verify({ config, file: log.dir }, io)).toBe(2);
  writeFileSync(config, readFileSync(config, 'utf8').replace(`dir: ${log.dir}`, `dir: ${log.dir}/none`));
  expect(await list({ config }, io)).toBe(1);
  expect(err).toContain('no gateway has run');
});
