// The receipt log in the hands of somebody who can write the files: what was exported from a real gateway is cut,
// changed, signed again or served with another clock, and `purser receipts verify` has to say where.

import { execFileSync, spawn } from 'node:child_process';
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDevelopmentIssuer } from '../../src/identity/development-issuer.ts';
import { hostileMerchant } from '../fakes/hostile-merchant.ts';
import { policy, spawnGateway } from '../support/gateway.ts';
import { command, purser, sealed } from './observables.ts';

const folder = mkdtempSync(join(tmpdir(), 'purser-log-'));
const at = (name: string) => join(folder, name);
const config = ['--config', at('config.yaml')];
let lines: string[] = [];
/** The head after the second purchase, as somebody kept it elsewhere; later ones follow it in the log. */
let keptSeq = 0;
let files = 0;

beforeAll(async () => {
  const shop = await hostileMerchant();
  const gateway = await spawnGateway({ folder, upstream: shop.url, policies: policy({ limit: '0.30 USD' }) });
  const keys = await (await fetch(`${gateway.operators}/keys`)).text();
  writeFileSync(at('keys.json'), keys);
  const buy = async () => (await gateway.ask('/shop/v1/x?q=1')).text();
  await buy();
  await buy();
  const exported = await purser(['receipts', 'export', ...config]);
  writeFileSync(at('kept-head.json'), `${exported.out.trimEnd().split('\n').at(-1)}\n`);
  keptSeq = JSON.parse(exported.out.trimEnd().split('\n').at(-1) ?? '').head.seq;
  cpSync(at('var'), at('var-yesterday'), { recursive: true });
  await buy();
  await buy();
  await gateway.ask('/shop/v1/x', { agent: 'stranger' });
  await gateway.close();
  await shop.close();
  expect((await purser(['receipts', 'export', '--out', at('export.jsonl'), ...config])).code).toBe(0);
  lines = readFileSync(at('export.jsonl'), 'utf8').trimEnd().split('\n');
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const textOf = (all: readonly string[]): string => all.map((line) => `${line}\n`).join('');

/** What verify says of these lines, with the public key alone. */
async function verified(all: readonly string[] | string, more: readonly string[] = []) {
  files += 1;
  const file = at(`changed-${files}.jsonl`);
  writeFileSync(file, typeof all === 'string' ? all : textOf(all));
  const { code, out, err } = await command(['receipts', 'verify', file, '--keys', at('keys.json'), ...more]);
  return { code, said: out + err };
}

interface Line {
  receipt: Record<string, unknown> & { seq: number };
  hash: string;
  signature: string;
}
const parsed = (n: number): Line => JSON.parse(lines[n] ?? '') as Line;

// Written here again rather than taken from the project, so that the verifier is not asked about itself.
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(',')}}`;
}

const logKey = () => createPrivateKey(readFileSync(at('var/log-key.pem')));

function jws(payload: string, typ: string, key: KeyObject, kid?: string): string {
  const { x } = createPublicKey(key).export({ format: 'jwk' });
  const thumbprint = createHash('sha256')
    .update(canonical({ crv: 'Ed25519', kty: 'OKP', x }))
    .digest('base64url');
  const header = canonical({ alg: 'EdDSA', kid: kid ?? thumbprint, typ });
  const signed = [header, payload].map((part) => Buffer.from(part).toString('base64url')).join('.');
  return `${signed}.${sign(null, Buffer.from(signed), key).toString('base64url')}`;
}

/** Seals receipts again from `from` on, after `change` was made to each, with a right chain and right signatures. */
function sealedAgain(change: (receipt: Line['receipt']) => Line['receipt'] | null, key = logKey(), typ?: string) {
  let prev = '0'.repeat(64);
  let seq = 0;
  const again: string[] = [];
  for (let n = 0; n < lines.length - 1; n += 1) {
    const changed = change(parsed(n).receipt);
    if (changed === null) continue;
    seq += 1;
    const bytes = canonical({ ...changed, seq, prev, id: `${String(changed.log)}.${seq}` });
    prev = createHash('sha256').update(bytes).digest('hex');
    again.push(`{"hash":"${prev}","receipt":${bytes},"signature":"${jws(bytes, typ ?? 'purser-receipt+jws', key)}"}`);
  }
  const { log } = parsed(0).receipt;
  const head = { at: new Date().toISOString(), hash: prev, log, seq };
  return [...again, canonical({ head, signature: jws(canonical(head), 'purser-head+jws', key) })];
}

const notIntact = (seq: number) => new RegExp(`NOT intact: at seq ${seq}:`);

test('an untouched export verifies with the public key alone, and contains the head that was kept', async () => {
  expect(lines.length).toBeGreaterThan(12);
  const { code, said } = await verified(lines, ['--head', at('kept-head.json')]);
  expect([code, said]).toEqual([0, expect.stringContaining(`is intact: ${lines.length - 1} receipts, seq 1 to`)]);
  expect((await purser(['receipts', 'verify', ...config])).code).toBe(0);
  expect((await verified(sealedAgain((receipt) => receipt))).code).toBe(0);
});

test('LOG-02: a receipt taken out of the middle is found at its place, also when the numbers are mended', async () => {
  const cut = await verified(lines.toSpliced(4, 1));
  expect(cut).toMatchObject({ code: 1, said: expect.stringMatching(notIntact(5)) });
  const mended = lines
    .toSpliced(4, 1)
    .map((line, n) => (n < 4 ? line : line.replace(`"seq":${n + 2},`, `"seq":${n + 1},`)));
  expect(await verified(mended)).toMatchObject({ code: 1, said: expect.stringMatching(notIntact(5)) });
  const short = await verified(lines.slice(0, -3));
  expect(short).toMatchObject({ code: 1, said: expect.stringContaining('signed head') });
});

test('LOG-02: an amount, an owner or a code that was changed is found at its receipt', async () => {
  const settled = lines.findIndex((line) => line.includes('"kind":"settled"'));
  for (const [from, to] of [
    ['"amount":"0.100000"', '"amount":"0.010000"'],
    ['dana@', 'kate@'],
    ['buyer-1', 'buyer-2'],
  ]) {
    const line = (lines[settled] ?? '').replace(from ?? '', to ?? '');
    expect(line).not.toBe(lines[settled]);
    const { code, said } = await verified(lines.with(settled, line));
    expect([code, said]).toEqual([1, expect.stringMatching(notIntact(settled + 1))]);
  }
});

test('LOG-03: two receipts that changed places are found', async () => {
  const swapped = lines.toSpliced(4, 2, lines[5] ?? '', lines[4] ?? '');
  expect(await verified(swapped)).toMatchObject({ code: 1, said: expect.stringMatching(notIntact(5)) });
});

test('LOG-05: a whole older copy of the state is good by itself and fails against a head kept elsewhere', async () => {
  const old = readFileSync(at('config.yaml'), 'utf8');
  writeFileSync(at('old.yaml'), `${old}state: { dir: ./var-yesterday }\n`);
  const export_ = await purser(['receipts', 'export', '--out', at('old.jsonl'), '--config', at('old.yaml')]);
  expect(export_.code).toBe(0);
  const older = readFileSync(at('old.jsonl'), 'utf8');
  expect((await verified(older)).code).toBe(0);
  writeFileSync(at('last-head.json'), `${lines.at(-1)}\n`);
  const against = await verified(older, ['--head', at('last-head.json')]);
  expect(against).toMatchObject({ code: 1, said: expect.stringMatching(/kept head is at seq \d+: .*gone/) });
  const live = ['receipts', 'verify', '--head', at('last-head.json'), '--config', at('old.yaml')];
  expect((await purser(live)).code).toBe(1);
});

test('LOG-07: a history signed again with the right key is told by a head kept elsewhere alone', async () => {
  const rewritten = sealedAgain((receipt) => (receipt.kind === 'policy' ? null : receipt));
  expect((await verified(rewritten)).code).toBe(0);
  const against = await verified(rewritten, ['--head', at('kept-head.json')]);
  expect(against).toMatchObject({ code: 1, said: expect.stringContaining(`receipt ${keptSeq} is not the one`) });
});

test('LOG-08: a receipt signed with another key is found, whatever name the key goes by', async () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  const stranger = sealedAgain((receipt) => receipt, privateKey);
  expect(await verified(stranger)).toMatchObject({ code: 1, said: expect.stringMatching(notIntact(1)) });
  const mixed = [...sealedAgain((receipt) => receipt).slice(0, 5), ...stranger.slice(5)];
  expect(await verified(mixed)).toMatchObject({ code: 1, said: expect.stringMatching(notIntact(6)) });
  const { receipt, hash } = parsed(5);
  const kid = JSON.parse(readFileSync(at('keys.json'), 'utf8')).keys[0].kid as string;
  const signature = jws(canonical(receipt), 'purser-receipt+jws', privateKey, kid);
  const forged = lines.with(5, canonical({ hash, receipt, signature }));
  expect(await verified(forged)).toMatchObject({ code: 1, said: expect.stringMatching(notIntact(6)) });
});

test('LOG-10: a receipt put in with an earlier time is flagged, and breaks every head kept before', async () => {
  const inserted = sealedAgain((receipt) =>
    receipt.seq === 6 ? { ...receipt, kind: 'refused', at: '2020-01-01T00:00:00.000Z' } : receipt,
  );
  const { code, said } = await verified(inserted);
  expect([code, said]).toEqual([0, expect.stringMatching(/warning: seq 6 says 2020-01-01.* the clock was set back/)]);
  expect((await verified(inserted, ['--head', at('kept-head.json')])).code).toBe(1);
});

test('LOG-11: what the key signed as a head passes for no receipt, and a receipt for no head', async () => {
  const typed = sealedAgain((receipt) => receipt, logKey(), 'purser-head+jws');
  expect(await verified(typed)).toMatchObject({ code: 1, said: expect.stringMatching(notIntact(1)) });
  const { head } = JSON.parse(lines.at(-1) ?? '') as { head: unknown };
  const wrong = canonical({ head, signature: jws(canonical(head), 'purser-receipt+jws', logKey()) });
  expect((await verified([...lines.slice(0, -1), wrong])).code).toBe(1);
});

test('LOG-18: no mutated log passes, none stops the command, and links and pipes are read like files', async () => {
  const whole = Buffer.from(textOf(lines));
  const mutants = fc.sample(
    fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), fc.constantFrom(0, 1, 40)),
    { numRuns: 200, seed: 7 },
  );
  const answers = await Promise.all(
    mutants.map(([place, by, length]) => {
      const changed = Buffer.from([((whole[place] ?? 0) + by) % 256]);
      const bytes = Buffer.concat([whole.subarray(0, place), changed, whole.subarray(place + length)]);
      files += 1;
      const file = at(`mutant-${files}.jsonl`);
      writeFileSync(file, bytes);
      return command(['receipts', 'verify', file, '--keys', at('keys.json')]);
    }),
  );
  for (const { code, err } of answers) {
    expect(code).toBe(1);
    expect(err).toMatch(/NOT intact: at seq \d+/);
    expect(err).not.toMatch(/\bat .*\.ts:\d+/);
  }
  symlinkSync(at('export.jsonl'), at('link.jsonl'));
  expect((await purser(['receipts', 'verify', at('link.jsonl'), '--keys', at('keys.json')])).code).toBe(0);
  execFileSync('mkfifo', [at('pipe')]);
  const writer = spawn('sh', ['-c', `cat '${at('export.jsonl')}' > '${at('pipe')}'`], { stdio: 'ignore' });
  expect((await purser(['receipts', 'verify', at('pipe'), '--keys', at('keys.json')])).code).toBe(0);
  writer.kill();
  expect((await purser(['receipts', 'verify', folder, '--keys', at('keys.json')])).code).toBe(2);
});

test('LOG-20: with a clock set back a day the log goes on in sequence, nothing is paid, verify flags it', async () => {
  const shifted = `const now=Date.now;Date.now=()=>now()-${DAY_MS};`;
  writeFileSync(at('shifted.mjs'), shifted);
  const before = (await sealed(at('config.yaml'))).at(-1);
  const shop = await hostileMerchant();
  const gateway = await spawnGateway({
    folder,
    upstream: shop.url,
    env: { NODE_OPTIONS: `--import=${at('shifted.mjs')}` },
  });
  const issuer = await openDevelopmentIssuer(at('var'));
  const token = await issuer.issue({ agent: 'buyer-1', ttlSeconds: 600, nowMs: Date.now() - DAY_MS });
  const answer = await gateway.ask('/shop/v1/x', { headers: { 'purser-token': token } });
  const problem = (await answer.json()) as { code: string };
  await gateway.close();
  await shop.close();
  expect([answer.status, problem.code]).toEqual([503, 'store_unavailable']);
  expect(shop.books.taken).toHaveLength(0);
  const { code, out, err } = await purser(['receipts', 'verify', ...config]);
  expect([code, out]).toEqual([0, expect.stringContaining('is intact')]);
  expect(err).toMatch(new RegExp(`warning: seq ${(before?.seq ?? 0) + 1} says .* the clock was set back`));
});

const DAY_MS = 86_400_000;
