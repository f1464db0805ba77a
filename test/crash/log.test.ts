// A gateway that dies while its log changes its key or moves receipts into a segment: at each durable step exactly one
// key signs on, every receipt is there once, and the gateway goes on.
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LedgerReader } from '../../src/ledger/reader.ts';
import { openReadOnly } from '../../src/state/database.ts';
import { type PaidShop, paidShop } from '../fakes/paid-shop.ts';
import { buy, expectAgreement, expectVerified, PRICE, WAIT } from '../support/agreement.ts';
import { type GatewayProcess, spawnGateway } from '../support/gateway.ts';
import { moneyOf } from '../support/stand.ts';
import { dyingEnv } from './plan.ts';

const SEGMENT = 20;

let folder: string;
let shop: PaidShop;
let gateway: GatewayProcess;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'purser-crash-'));
  shop = await paidShop((response) => void response.end('the goods'));
});

afterEach(async () => {
  await gateway.close();
  await shop.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Starts it, does the work that it dies of at that moment, and starts it again. */
async function dies(moment: string, nth: number, segment: number, work: () => Promise<unknown>): Promise<void> {
  const armed = join(folder, 'armed');
  const setup = { folder, upstream: shop.url, sections: { state: `{ dir: ./var, segment: ${segment} }` } };
  gateway = await spawnGateway({ ...setup, env: dyingEnv({ moment, nth, armed, signal: 'SIGKILL' }) });
  expect((await buy(gateway)).status).toBe(200);
  writeFileSync(armed, '');
  const died = once(gateway.child, 'exit');
  await work().catch(() => {});
  expect(await died).toEqual([null, 'SIGKILL']);
  gateway = await spawnGateway(setup);
}

const rotate = () =>
  gateway.api('keys/rotate', { method: 'POST', body: JSON.stringify({ because: 'a year has passed' }) });

const keyFile = (name: string): boolean => existsSync(join(folder, 'var', name));

const keys = async (): Promise<unknown[]> => {
  const { keys } = (await (await fetch(`${gateway.operators}/keys`)).json()) as { keys: unknown[] };
  return keys;
};

test.each([
  ['next key made', 1, 1],
  ['rotation before commit', 1, 1],
  ['rotation durable', 2, 1],
  // An earlier rotation is ended first, if there was one.
  ['retirement before commit', 2, 2],
])('killed at a rotation, %s: the log has %i keys, verifies, and rotates again', async (moment, count, nth) => {
  await dies(moment, nth, 250_000, rotate);
  expect(await keys()).toHaveLength(count);
  expect((await buy(gateway)).status).toBe(200);
  await expectVerified(gateway);
  await rotate();
  expect(await keys()).toHaveLength(count + 1);
  expect([keyFile('log-key.pem'), keyFile('log-key.next.pem')]).toEqual([true, false]);
  expect((await buy(gateway)).status).toBe(200);
  await expectVerified(gateway);
  await expectAgreement(gateway, shop);
});

/** The sequence numbers that a reader finds, and the segments there are. */
function standing(): { seqs: number[]; segments: string[] } {
  const reader = new LedgerReader(openReadOnly(join(folder, 'var')));
  const seqs = Array.from(reader.iterate({ ascending: true }), ({ receipt }) => receipt.seq);
  reader.close();
  const place = join(folder, 'var', 'segments');
  return { seqs, segments: existsSync(place) ? readdirSync(place).sort() : [] };
}

test.each([
  'copy before commit',
  'segment before commit',
  'segment durable',
  'removal before commit',
  'removal durable',
])('killed while receipts are moved, %s: each is there once, and the moving goes on under load', async (moment) => {
  await dies(moment, 1, SEGMENT, async () => {
    for (;;) await buy(gateway);
  });
  const { seqs } = standing();
  expect(seqs).toEqual(Array.from(seqs, (_, n) => n + 1));
  await expectVerified(gateway);
  await vi.waitFor(async () => {
    expect((await buy(gateway)).status).toBe(200);
    expect(standing().segments.slice(0, 2)).toEqual([1, 1 + SEGMENT].map((first) => `receipts-${first}.sqlite`));
  }, WAIT);
  await expectVerified(gateway);
  // What was under way at the death is uncertain: held, whether the shop took it or not.
  const { settled, held } = await moneyOf(gateway);
  const taken = BigInt(shop.books.length) * PRICE;
  expect([taken >= settled, taken <= settled + held, held <= PRICE]).toEqual([true, true, true]);
});
