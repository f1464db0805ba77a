// Judges a scene after a death: by the merchant's books, the budgets, the receipts and what repeats are told.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, vi } from 'vitest';
import type { Receipt } from '../../src/domain/receipt.ts';
import { LedgerReader } from '../../src/ledger/reader.ts';
import { openReadOnly } from '../../src/state/database.ts';
import { expectVerified, WAIT } from '../support/agreement.ts';
import type { GatewayProcess } from '../support/gateway.ts';
import { type HoldView, moneyOf } from '../support/stand.ts';
import type { FailPoint, Fate } from './points.ts';
import { ask, buyAt, type Purchase, type Scene } from './scene.ts';
import { PRICE } from './till.ts';

/** What the receipts of all gateways say of each target. */
type Told = ReadonlyMap<string, readonly Receipt[]>;

const ENDS = ['settled', 'voided', 'uncertain'];

/** All gateways run and nothing is under way: every side must say the same of every purchase. */
export async function expectAgreed(scene: Scene): Promise<Told> {
  const told = receiptsByTarget(scene);
  const asked = new Set(scene.purchases.map(({ target }) => target));
  for (const target of asked) expectOneStory(scene, target, told.get(target) ?? []);
  expect(scene.till.faults()).toEqual([]);
  const all = [...told.values()];
  const settled = BigInt(all.filter((receipts) => fateOf(receipts) === 'settled').length) * PRICE;
  const uncertain = all.filter((receipts) => fateOf(receipts) === 'uncertain').length;
  const gateway = running(scene)[0];
  await vi.waitFor(async () => {
    expect(await moneyOf(gateway)).toEqual({ settled, held: BigInt(uncertain) * PRICE });
    const { holds } = await gateway.api<{ holds: HoldView[] }>('holds');
    expect(holds.map(({ state }) => state)).toEqual(Array.from({ length: uncertain }, () => 'uncertain'));
  }, WAIT);
  const taken = await scene.till.taken();
  expect(taken).toBeGreaterThanOrEqual(settled);
  expect(taken).toBeLessThanOrEqual(settled + BigInt(uncertain) * PRICE);
  expect(settled + BigInt(uncertain) * PRICE).toBeLessThanOrEqual(BigInt(scene.room) * PRICE);
  for (const one of running(scene)) await expectVerified(one);
  return told;
}

/** At most one payment, and as many intents and ends; what was paid is sealed, what was answered is settled. */
function expectOneStory(scene: Scene, target: string, receipts: readonly Receipt[]): void {
  const count = (...kinds: string[]) => receipts.filter(({ kind }) => kinds.includes(kind)).length;
  const paid = scene.till.paidFor(target);
  const story = { target, paid, intended: count('intended'), ends: count(...ENDS) };
  expect(story).toEqual({
    target,
    paid: Math.min(paid, 1),
    intended: Math.min(story.intended, 1),
    ends: story.intended,
  });
  if (paid > 0) expect(story).toMatchObject({ intended: 1 });
  const answered = scene.purchases.some((one) => one.target === target && one.status === 200);
  if (answered) expect([target, count('settled')]).toEqual([target, 1]);
}

/** What the receipts of one purchase say it is; an intent without an end is what recovery makes uncertain. */
function fateOf(receipts: readonly Receipt[]): Exclude<Fate, 'answered'> {
  const kinds = new Set(receipts.map(({ kind }) => kind));
  if (kinds.has('settled')) return 'settled';
  if (kinds.has('voided')) return 'free';
  return kinds.has('uncertain') || kinds.has('intended') ? 'uncertain' : 'free';
}

/** Of the purchases under way at the death one at least is what the point says. */
export function expectFate(
  scene: Scene,
  { title, fate, paid }: FailPoint,
  told: Told,
  died: readonly Purchase[],
): void {
  if (fate === 'answered') return;
  const found = died.filter(({ target }) => {
    const times = scene.till.paidFor(target);
    if (fateOf(told.get(target) ?? []) !== fate) return false;
    return paid === 'maybe' || times === (paid === 'yes' ? 1 : 0);
  });
  expect([title, fate, found.length > 0]).toEqual([title, fate, true]);
}

/** Repeats with their keys are the purchases they were: what was free is bought, nothing else is paid again. */
export async function expectRepeats(scene: Scene, told: Told, died: readonly Purchase[]): Promise<void> {
  for (const purchase of died) {
    const before = scene.till.paidFor(purchase.target);
    const fate = fateOf(told.get(purchase.target) ?? []);
    const answer = await askInTheEnd(scene, running(scene)[0], purchase);
    const now = scene.till.paidFor(purchase.target);
    const { target } = purchase;
    if (fate === 'free' && answer.code === 'budget_exceeded') {
      expect([target, now, await isFull(scene)]).toEqual([target, 0, true]);
    } else if (fate === 'free') {
      expect({ target, ...answer, paid: now }).toEqual({ target, status: 200, code: null, paid: 1 });
    } else {
      const code = fate === 'settled' ? 'already_paid' : 'payment_uncertain';
      expect({ target, ...answer, paid: now }).toEqual({ target, status: 424, code, paid: before });
    }
    if (fate === 'free') Object.assign(purchase, answer);
  }
}

/** Asks again while the process that made the purchase was heard so lately that it could still be at it. */
async function askInTheEnd(scene: Scene, gateway: GatewayProcess, purchase: Purchase): ReturnType<typeof ask> {
  for (let tries = 0; ; tries += 1) {
    const answer = await ask(scene, gateway, purchase);
    if (tries === 100 || (answer.code !== 'in_flight' && answer.code !== 'store_unavailable')) return answer;
    await sleep(100);
  }
}

/** While a gateway stays away, its purchases are asked for at another one: none is paid twice, nothing is overspent. */
export async function expectPeersGoOn(scene: Scene, died: readonly Purchase[]): Promise<void> {
  const [peer] = running(scene);
  for (const purchase of died.filter(({ key }) => key !== null)) {
    await askInTheEnd(scene, peer, purchase);
    expect(scene.till.paidFor(purchase.target)).toBeLessThanOrEqual(1);
  }
  while ((await buyAt(scene, 0)) !== 'budget_exceeded') expect(scene.purchases.length).toBeLessThan(1_000);
  expect(await scene.till.taken()).toBeLessThanOrEqual(BigInt(scene.room) * PRICE);
  const { settled, held } = await moneyOf(peer);
  expect(settled + held).toBeLessThanOrEqual(BigInt(scene.room) * PRICE);
}

async function isFull(scene: Scene): Promise<boolean> {
  const { settled, held } = await moneyOf(running(scene)[0]);
  return settled + held === BigInt(scene.room) * PRICE;
}

/** What the receipts say of each target now, whoever runs. */
export const storiesNow = (scene: Scene): Told => receiptsByTarget(scene);

/** What was under way when a store forgot everything is finished a moment after it is back. */
export async function everyIntentEnded(scene: Scene): Promise<void> {
  await vi.waitFor(() => {
    const open = [...receiptsByTarget(scene)].filter(([, receipts]) => {
      const kinds = receipts.map(({ kind }) => kind);
      return kinds.includes('intended') && !kinds.some((kind) => ENDS.includes(kind));
    });
    expect(open.map(([target]) => target)).toEqual([]);
  }, WAIT);
}

/** With the merchant's books open everything uncertain comes to its end by itself, and all sides are equal. */
export async function expectResolved(scene: Scene): Promise<void> {
  scene.till.tells = true;
  const gateway = running(scene)[0];
  await vi.waitFor(async () => {
    expect(await gateway.api('holds')).toMatchObject({ holds: [] });
  }, WAIT);
  expect(await moneyOf(gateway)).toEqual({ settled: await scene.till.taken(), held: 0n });
  for (const one of running(scene)) await expectVerified(one);
}

/** The gateways that run; at least one. */
export function running({ gateways }: Scene): [GatewayProcess, ...GatewayProcess[]] {
  const [first, ...more] = gateways.filter((gateway) => gateway !== undefined);
  if (!first) throw new Error('no gateway runs');
  return [first, ...more];
}

function receiptsByTarget(scene: Scene): Told {
  const told = new Map<string, Receipt[]>();
  for (const receipt of everyReceipt(scene)) {
    const path = receipt.request?.path;
    if (path !== undefined) told.set(path, [...(told.get(path) ?? []), receipt]);
  }
  return told;
}

/** Of all gateways, log after log. */
export function everyReceipt({ folders }: Scene): Receipt[] {
  return folders.flatMap((folder) => {
    const reader = new LedgerReader(openReadOnly(join(folder, 'var')));
    const receipts = [...reader.iterate({})].map(({ receipt }) => receipt);
    reader.close();
    return receipts;
  });
}
