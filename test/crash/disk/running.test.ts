// What a running gateway does when its disk is full, fails, is read-only or loses the files: nothing is paid while
// nothing can be written, and where it can it goes on by itself. Judged by the shop's books, the budgets and the log.
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { LedgerReader } from '../../../src/ledger/reader.ts';
import { openReadOnly } from '../../../src/state/database.ts';
import { type PaidShop, paidShop } from '../../fakes/paid-shop.ts';
import { buy, expectAgreement, expectVerified, kindsOf, PRICE, WAIT } from '../../support/agreement.ts';
import { type GatewayProcess, policy, spawnGateway } from '../../support/gateway.ts';
import { moneyOf } from '../../support/stand.ts';
import { purser } from '../../threats/observables.ts';
import { canFailDisks, type FailingDisk, failingDisk } from './preloading.ts';

/** Which of them says so hangs on whose step comes first where budgets are in the same file. */
const NO = { status: 503, code: expect.stringMatching(/^(ledger|store)_unavailable$/) };

let shop: PaidShop;
/** What is done when the shop has the money and before it answers. */
let onPaid: () => void;
let folder: string;
let gateway: GatewayProcess;
const closing: (() => unknown)[] = [];

beforeEach(async () => {
  onPaid = () => {};
  shop = await paidShop((response) => {
    onPaid();
    response.end('the goods');
  });
  folder = mkdtempSync(join(tmpdir(), 'purser-disk-'));
  closing.push(
    () => rmSync(folder, { recursive: true, force: true }),
    () => shop.close(),
  );
});

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function start(env: Readonly<Record<string, string>> = {}): Promise<void> {
  gateway = await spawnGateway({
    folder,
    upstream: shop.url,
    policies: policy({ limit: '1000.00 USD' }),
    sections: { limits: '{ paymentSettle: 20s, diskReserve: 0B, unsettled: 1000 }' },
    env,
  });
  closing.push(() => gateway.kill());
}

/** Buys without help until it works again; whatever comes before is a refusal that paid nothing. */
async function recovers(): Promise<void> {
  await vi.waitFor(async () => {
    const taken = shop.books.length;
    const bought = await buy(gateway);
    if (bought.status !== 200) expect([bought, shop.books.length]).toEqual([expect.objectContaining(NO), taken]);
    expect(bought.status).toBe(200);
  }, WAIT);
  await expectAgreement(gateway, shop);
  await expectVerified(gateway);
}

/** Nothing is paid while it lasts. */
async function expectNothingPaid(): Promise<void> {
  const taken = shop.books.length;
  for (let n = 0; n < 3; n += 1) expect(await buy(gateway)).toMatchObject(NO);
  expect(shop.books).toHaveLength(taken);
  await vi.waitFor(async () => {
    const ready = await fetch(`${gateway.operators}/readyz`);
    expect([ready.status, await ready.text()]).toEqual([503, expect.stringContaining('ledger')]);
  }, WAIT);
}

const ended = async (): Promise<unknown[]> =>
  gateway.child.exitCode === null ? once(gateway.child, 'exit') : [gateway.child.exitCode];

/** How many there are in the file: a gateway that cannot open its database answers no question about it. */
function intents(): number {
  const reader = new LedgerReader(openReadOnly(join(folder, 'var')));
  const count = Array.from(reader.iterate({ kind: 'intended' })).length;
  reader.close();
  return count;
}

describe.runIf(canFailDisks)('a disk that fails', () => {
  let disk: FailingDisk;

  beforeEach(async () => {
    disk = failingDisk();
    closing.push(() => disk.close());
    await start(disk.env);
    expect((await buy(gateway)).status).toBe(200);
  });

  test('INFRA-17: full at each append in turn: refused or relayed as pending, never paid unwritten', async () => {
    for (let writes = 0; writes < 24; writes += 1) {
      const taken = shop.books.length;
      disk.order('full', writes);
      let last = await buy(gateway);
      while (last.status === 200 && last.state === 'settled') last = await buy(gateway);
      if (last.status === 200) expect(last.state).toBe('pending');
      else expect(last).toMatchObject(NO);
      await expectNothingPaid();
      expect(shop.books.length).toBe(intents());
      expect(shop.books.length).toBeGreaterThanOrEqual(taken);
      disk.withdraw('full');
      await recovers();
    }
  });

  test('a write that fails once: refused, and the next one works', async () => {
    disk.order('eio');
    // A heartbeat may have had it.
    const bought = await buy(gateway);
    if (bought.status !== 200) expect(bought).toMatchObject(NO);
    await recovers();
  });

  test('INFRA-20: read-only: nothing is paid until it can be written again', async () => {
    disk.order('rofs');
    await expectNothingPaid();
    disk.withdraw('rofs');
    await recovers();
  });

  test('INFRA-18: a sync that fails: nothing is paid, the process ends, and starts again from the disk', async () => {
    const before = (await gateway.receipts()).length;
    const taken = shop.books.length;
    disk.order('sync');
    const refused = await buy(gateway, '/unsynced');
    expect(refused).toMatchObject(NO);
    expect(await ended()).toEqual([1, null]);
    expect(gateway.output()).toContain('the state is lost; stopping');
    expect(gateway.output()).toContain('the disk did not confirm a write');
    expect(shop.books).toHaveLength(taken);
    await start();
    expect(await kindsOf(gateway, '/unsynced')).toEqual([]);
    expect((await gateway.receipts()).length).toBe(before);
    await recovers();
  });

  test('INFRA-18: a sync that fails after the payment: relayed, and uncertain after the start', async () => {
    onPaid = () => disk.order('sync');
    const keyed = { headers: { 'idempotency-key': 'k' } };
    const answer = await gateway.ask('/shop/paid', keyed);
    expect([answer.status, answer.headers.get('purser-receipt')]).toEqual([
      200,
      expect.stringContaining(';state=pending;'),
    ]);
    expect(await ended()).toEqual([1, null]);
    onPaid = () => {};
    await start();
    expect(await kindsOf(gateway, '/paid')).toEqual(['intended', 'uncertain']);
    expect(await moneyOf(gateway)).toEqual({ settled: PRICE, held: PRICE });
    expect(await (await gateway.ask('/shop/paid', keyed)).json()).toMatchObject({ code: 'payment_uncertain' });
    expect(shop.books).toHaveLength(2);
    await expectVerified(gateway);
  });
});

describe('the files of the state', () => {
  const state = () => join(folder, 'var');
  const away = () => join(folder, 'away');

  beforeEach(async () => {
    await start();
    expect((await buy(gateway)).status).toBe(200);
  });

  test('INFRA-20: a folder that is moved away and back: nothing is paid meanwhile, the chain goes on', async () => {
    const token = await gateway.token();
    renameSync(state(), away());
    const answer = await gateway.ask('/shop/x', { headers: { 'purser-token': token } });
    expect(await answer.json()).toMatchObject(NO);
    mkdirSync(state(), { mode: 0o700 });
    const again = await gateway.ask('/shop/y', { headers: { 'purser-token': token } });
    expect(await again.json()).toMatchObject(NO);
    expect(shop.books).toHaveLength(1);
    expect(existsSync(join(state(), 'purser.sqlite'))).toBe(false);
    rmSync(state(), { recursive: true });
    renameSync(away(), state());
    await recovers();
    expect(new Set((await gateway.receipts()).map(({ log }) => log)).size).toBe(1);
  });

  test('INFRA-20: a database that is removed: nothing is paid, no new chain is begun at the next start', async () => {
    rmSync(join(state(), 'purser.sqlite'));
    await expectNothingPaid();
    await gateway.kill();
    const { code, err } = await purser(['serve', '--config', gateway.configFile]);
    expect([code, err]).toEqual([
      1,
      expect.stringMatching(/purser\.sqlite is missing or empty, and there was one: .*backup/),
    ]);
    expect(existsSync(join(state(), 'purser.sqlite'))).toBe(false);
  });
});

const canMount = (() => {
  const place = mkdtempSync(join(tmpdir(), 'purser-mount-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', place]).status === 0;
  if (mounted) spawnSync('umount', [place]);
  rmSync(place, { recursive: true, force: true });
  return mounted;
})();

describe.runIf(canMount)('a small disk', () => {
  test('INFRA-17: filled to the last byte: nothing is paid, and it mends by itself when there is room', async () => {
    const state = join(folder, 'var');
    mkdirSync(state, { mode: 0o700 });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=6m,mode=700', 'tmpfs', state]);
    closing.push(() => execFileSync('umount', ['--lazy', state]));
    await start();
    expect((await buy(gateway)).status).toBe(200);
    const ballast = join(state, 'ballast');
    for (let size = 1 << 20; size > 0; size = Math.floor(size / 4)) {
      try {
        for (;;) writeFileSync(ballast, Buffer.alloc(size), { flag: 'a' });
      } catch (error) {
        expect(error).toMatchObject({ code: 'ENOSPC' });
      }
    }
    for (let last = await buy(gateway); last.status === 200; ) last = await buy(gateway);
    await expectNothingPaid();
    rmSync(ballast);
    await recovers();
  });
});
