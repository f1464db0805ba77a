// A gateway that is stopped in the middle of a purchase while others go on, and comes back when its lease is long over:
// what it knew is no longer so, and it must not act on it.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { WAIT } from '../support/agreement.ts';
import { impatient, STORES } from '../support/stores.ts';
import { expectAgreed, expectResolved } from './judge.ts';
import { type FailPoint, POINTS } from './points.ts';
import { ask, openScene, type Purchase, type Scene } from './scene.ts';
import { PRICE, sandboxTill } from './till.ts';

const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const at = (title: string): FailPoint => {
  const point = POINTS.find((one) => one.title.endsWith(title));
  if (!point) throw new Error(`there is no point ${title}`);
  return { ...point, signal: 'SIGSTOP', nth: 1 };
};

/** Two gateways, a budget with room for one purchase, and the first gateway stopped at that point of it. */
async function stoppedAt(
  title: string,
  open: (typeof STORES)[number]['open'],
): Promise<{ scene: Scene; asked: Promise<unknown>; purchase: Purchase }> {
  const [store, till] = [await open(), await sandboxTill()];
  const scene = await openScene(store, till, 2, 1);
  closing.push(
    () => store.close(),
    () => till.close(),
    () => scene.close(),
  );
  const [zombie] = await Promise.all([scene.start(0, at(title)), scene.start(1)]);
  writeFileSync(join(zombie.folder, 'armed'), '');
  const purchase: Purchase = { target: '/v1/zombie', key: 'zombie', status: null, code: null };
  scene.purchases.push(purchase);
  const asked = ask(scene, zombie, purchase).catch(() => null);
  await vi.waitFor(() => {
    expect(readFileSync(`/proc/${zombie.child.pid}/stat`, 'utf8')).toMatch(/^\d+ \(.*\) T /);
  }, WAIT);
  return { scene, asked, purchase };
}

const peerBuys = async (scene: Scene): Promise<string | number> => {
  const [, peer] = scene.gateways;
  const purchase: Purchase = { target: `/v1/peer-${scene.purchases.length}`, key: null, status: null, code: null };
  scene.purchases.push(purchase);
  if (peer) Object.assign(purchase, await ask(scene, peer, purchase));
  return purchase.code ?? purchase.status ?? 'no answer';
};

const wake = (scene: Scene): void => void scene.gateways[0]?.child.kill('SIGCONT');

for (const { name, available, open } of STORES.filter((store) => store.name.includes('Redis'))) {
  describe.runIf(available)(`stopped ${name}`, () => {
    test('CRASH-20: beyond its lease: a peer has spent the money, and who wakes up pays nothing', async () => {
      const { scene, asked, purchase } = await stoppedAt('held', open);
      expect(await peerBuys(scene)).toBe('budget_exceeded');
      await sleep(2_500);
      expect(await peerBuys(scene)).toBe(200);
      wake(scene);
      expect(await asked).toMatchObject({ status: 503, code: 'store_unavailable' });
      expect(scene.till.paidFor(purchase.target)).toBe(0);
      expect(await scene.till.taken()).toBe(PRICE);
      await expectAgreed(scene);
    });

    test('CRASH-20: beyond its lease, its intent sealed: no proof is made, and the money comes back', async () => {
      const { scene, asked, purchase } = await stoppedAt('intended sealed', open);
      await sleep(2_500);
      wake(scene);
      expect(await asked).toMatchObject({ status: 503, code: 'store_unavailable' });
      expect(scene.till.paidFor(purchase.target)).toBe(0);
      expect(await peerBuys(scene)).toBe(200);
      await expectAgreed(scene);
    });

    test('CRASH-20: beyond its proof’s life: the proof is not sent any more, and the money comes back', async () => {
      const { scene, asked, purchase } = await stoppedAt('proof made', open);
      expect(await peerBuys(scene)).toBe('budget_exceeded');
      await sleep(6_000);
      wake(scene);
      await asked;
      expect(scene.till.paidFor(purchase.target)).toBe(0);
      await expectResolved(scene);
      expect(await scene.till.taken()).toBe(0n);
      expect(await peerBuys(scene)).toBe(200);
    });

    test.each(['intended sealed', 'proof made'])(
      'CRASH-20: while the others rebuild without it, %s: what it began before is not paid',
      async (title) => {
        const store = impatient(await open());
        const { scene, asked, purchase } = await stoppedAt(title, async () => store);
        const admin = new Redis(store.redis ?? '');
        await admin.flushall();
        admin.disconnect();
        // Its hold counts as it last spoke of it: or it has not said so yet, and then the money is there for others.
        const done = ['budget_exceeded', 200];
        await vi.waitFor(async () => expect(done).toContain(await peerBuys(scene)), WAIT);
        wake(scene);
        await asked;
        expect(scene.till.paidFor(purchase.target)).toBe(0);
        await expectResolved(scene);
        expect(await scene.till.taken()).toBeLessThanOrEqual(PRICE);
      },
    );
  });
}
