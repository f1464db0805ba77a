// The whole crash matrix: every point with one, two and four gateways on one Redis, where the one that died comes back
// and where the others go on without it; and with one gateway that pays on a chain.
import { afterAll, beforeAll, describe, test } from 'vitest';
import { Chain } from '../crash/chain.ts';
import { evmTill } from '../crash/evm-till.ts';
import {
  expectAgreed,
  expectFate,
  expectPeersGoOn,
  expectRepeats,
  expectResolved,
  storiesNow,
} from '../crash/judge.ts';
import { type FailPoint, POINTS } from '../crash/points.ts';
import { dieAt, openScene } from '../crash/scene.ts';
import { sandboxTill, type Till } from '../crash/till.ts';
import { STORES, type TestStore } from '../support/stores.ts';

/** So few that the budget is spent while the dead gateway's money is held. */
const ROOM = 30;

async function die(store: TestStore, till: Till, point: FailPoint, places: number, stays: 'away' | 'back') {
  const scene = await openScene(store, till, places, ROOM);
  try {
    await Promise.all(Array.from({ length: places }, (_, n) => scene.start(n, n === 0 ? point : undefined)));
    await dieAt(scene, point);
    const died = scene.purchases.filter(({ status }) => status === null);
    expectFate(scene, point, storiesNow(scene), died);
    if (stays === 'away') await expectPeersGoOn(scene, died);
    await scene.start(0);
    const told = await expectAgreed(scene);
    await expectRepeats(scene, told, stays === 'away' ? died.filter(({ key }) => key !== null) : died);
    await expectResolved(scene);
  } finally {
    await scene.close();
  }
}

for (const { name, available, open } of STORES.filter((store) => store.name.includes('Redis'))) {
  for (const { places, stays } of [
    { places: 1, stays: 'back' },
    { places: 2, stays: 'back' },
    { places: 2, stays: 'away' },
    { places: 4, stays: 'back' },
    { places: 4, stays: 'away' },
  ] as const) {
    describe.runIf(available)(`${name}, ${places} gateways, the dead one ${stays}`, () => {
      for (const point of POINTS) {
        test(point.title, async () => {
          const [store, till] = [await open(), await sandboxTill()];
          try {
            await die(store, till, point, places, stays);
          } finally {
            await till.close();
            await store.close();
          }
        });
      }
    });
  }
}

describe('paying on a chain, judged by it', () => {
  let store: TestStore | undefined;
  let till: Till;
  let chain: Chain;

  beforeAll(async () => {
    store = await STORES[0]?.open();
    till = await evmTill();
    if (store) chain = await Chain.open('on the embedded store', store, till);
  }, 120_000);

  afterAll(async () => {
    await chain.close();
    await till.close();
    await store?.close();
  });

  // What the merchant does with a proof is not in this test's hands.
  const points = POINTS.filter(({ moment }) => moment !== null);
  for (const [n, point] of points.entries()) test(point.title, () => chain.die(point, points[n + 1]));
});
