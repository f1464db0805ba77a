// A gateway that dies while uncertain purchases get their end: its own by the books of their rail or by a person, or
// those of a gateway that is away. Judged by the merchant's books once all are back: each has one end, the right one.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import type { Receipt } from '../../src/domain/receipt.ts';
import { PATIENT } from '../support/fleet.ts';
import { impatient, type TestStore } from '../support/stores.ts';
import { everyReceipt, expectResolved, running, storiesNow } from './judge.ts';
import type { ResolvingPoint } from './points.ts';
import { ARMED, ask, buyAt, killed, openScene, type Scene } from './scene.ts';
import { PRICE, sandboxTill, UNANSWERED, UNTAKEN } from './till.ts';
import { tearLastWrite } from './torn.ts';

/** By whom: the gateway that bought, by the books; another one, as it stays away; or a person at the first. */
export type By = 'itself' | 'another' | 'a person';

/** Of each shelf so many are bought, and there is room for a few more. */
const OF_EACH = 2;
const ROOM = 6;

/** One death at that moment. */
export async function dieResolving(store: TestStore, point: ResolvingPoint, by: By): Promise<void> {
  const till = await sandboxTill();
  const scene = await openScene(by === 'another' ? impatient(store) : store, till, by === 'another' ? 2 : 1, ROOM);
  try {
    const buyer = by === 'another' ? 1 : 0;
    await scene.start(buyer, buyer === 0 ? point : undefined);
    await buyUncertain(scene);
    if (by === 'another') await leaveTo(scene, point);
    await endAndDie(scene, point, by);
    if (point.torn) tearLastWrite(join(scene.folders[0] ?? '', 'var'));
    await Promise.all(scene.folders.map((_, place) => scene.start(place)));
    await expectResolved(scene);
    await expectOneEnd(scene);
    await vi.waitFor(async () => expect(await buyAt(scene, 0)).toBe('budget_exceeded'), PATIENT);
    expect(await till.taken()).toBe(BigInt(ROOM) * PRICE);
  } finally {
    await scene.close();
    await till.close();
  }
}

/** Some that the merchant took and some that it did not; nobody tells yet. */
async function buyUncertain(scene: Scene): Promise<void> {
  for (let n = 0; n < 2 * OF_EACH; n += 1) await buyAt(scene, 0, n % 2 === 0 ? UNANSWERED : UNTAKEN);
  await vi.waitFor(async () => expect(await uncertainAt(scene)).toHaveLength(2 * OF_EACH), PATIENT);
}

async function uncertainAt(scene: Scene): Promise<string[]> {
  const [gateway] = running(scene);
  const { holds } = await gateway.api<{ holds: { id: string; state: string }[] }>('holds');
  return holds.filter(({ state }) => state === 'uncertain').map(({ id }) => id);
}

/** The buyer goes away, and the gateway that shall die comes. */
async function leaveTo(scene: Scene, point: ResolvingPoint): Promise<void> {
  await scene.start(0, point);
  await scene.gateways[1]?.kill();
  scene.gateways[1] = undefined;
}

async function endAndDie(scene: Scene, point: ResolvingPoint, by: By): Promise<void> {
  const [victim] = running(scene);
  const died = killed(victim, point.moment);
  died.catch(() => {});
  writeFileSync(join(victim.folder, ARMED), '');
  if (by !== 'a person') scene.till.tells = true;
  else await order(scene, point);
  await died;
  scene.gateways[0] = undefined;
  scene.till.tells = true;
}

/** Ends what the merchant took as settled, or once its proof has died what it did not take as voided. */
async function order(scene: Scene, { moment }: ResolvingPoint): Promise<void> {
  const [gateway] = running(scene);
  const as = moment.startsWith('void') ? 'voided' : 'settled';
  const shelf = as === 'voided' ? UNTAKEN : UNANSWERED;
  const [receipts] = [...storiesNow(scene)].filter(([target]) => target.startsWith(shelf)).map(([, told]) => told);
  const hold = receipts?.find(({ kind }) => kind === 'intended')?.hold?.id ?? '';
  const body = JSON.stringify({ as, because: 'the merchant said so' });
  await vi.waitFor(async () => {
    const answer = await gateway
      .api<{ code?: string }>(`holds/${hold}/resolve`, { method: 'POST', body })
      .catch(() => null);
    expect(answer?.code).toBeUndefined();
  }, PATIENT);
}

/** What the merchant has is settled, what it never took is voided, once each; and no repeat pays again. */
async function expectOneEnd(scene: Scene): Promise<void> {
  const receipts = everyReceipt(scene);
  for (const { hold, request } of receipts.filter(({ kind }) => kind === 'intended')) {
    const ends = receipts.filter((one) => one.hold?.id === hold?.id).flatMap(endIn);
    const right = request?.path.startsWith(UNTAKEN) ? 'voided' : 'settled';
    // Two gateways may come to the same end of one hold at once; one gateway seals it once.
    const said = scene.folders.length > 1 ? [...new Set(ends)] : ends;
    expect([request?.path, said]).toEqual([request?.path, [right]]);
  }
  const sent = scene.purchases.map(({ target }) => scene.till.paidFor(target));
  for (const purchase of scene.purchases.filter(({ key }) => key !== null)) {
    expect(await ask(scene, running(scene)[0], purchase)).toMatchObject({ status: 424 });
  }
  expect(scene.purchases.map(({ target }) => scene.till.paidFor(target))).toEqual(sent);
}

function endIn({ kind, change }: Receipt): string[] {
  if (kind === 'resolved') return [change?.what === 'resolved as settled' ? 'settled' : 'voided'];
  return kind === 'settled' || kind === 'voided' ? [kind] : [];
}
