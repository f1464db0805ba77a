// Gateways on one Redis that forgets everything, and one of them that dies while it brings its receipts to a new
// generation: judged by the merchant's books once it is back, or once the others have gone on without it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { expect, vi } from 'vitest';
import { readNotes } from '../../src/budget/notes.ts';
import { totalsOf } from '../../src/budget/statements.ts';
import { LedgerReader } from '../../src/ledger/reader.ts';
import { openReadOnly } from '../../src/state/database.ts';
import { PATIENT } from '../support/fleet.ts';
import { impatient, type TestStore } from '../support/stores.ts';
import { everyIntentEnded, expectAgreed, expectRepeats, expectResolved, running } from './judge.ts';
import type { BringingPoint } from './points.ts';
import { AGENTS, ARMED, buyAt, killed, openScene, type Scene } from './scene.ts';
import { PRICE, sandboxTill, UNANSWERED } from './till.ts';

/** The dead one comes back at once, or when the others have given it up and spent what is left. */
export type Comes = 'back' | 'late';

/** How many purchases the budget has room for; half of them are bought before anything is forgotten. */
const ROOM = 40;
/** Between two purchases of an agent. */
const PAUSE_MS = 20;

/** One death at that point of a rebuild, in a town of so many gateways. */
export async function dieBringing(store: TestStore, point: BringingPoint, places: number, comes: Comes) {
  const till = await sandboxTill();
  const scene = await openScene(impatient(store), till, places, ROOM);
  try {
    await Promise.all(Array.from({ length: places }, (_, n) => scene.start(n, n === 0 ? point : undefined)));
    const before = await spendHalf(scene);
    if (point.speaks) await scene.gateways[places - 1]?.kill();
    if (point.speaks) scene.gateways[places - 1] = undefined;
    await forgetAndDie(store, scene, point, comes);
    if (comes === 'back') await scene.start(0);
    if (comes === 'late' || point.speaks) await spendRest(scene);
    expect(await till.taken()).toBeLessThanOrEqual(BigInt(ROOM) * PRICE);
    if (comes === 'late') await scene.start(0);
    if (point.speaks) await scene.start(places - 1);
    await spendRest(scene);
    await everyIntentEnded(scene);
    await expectRepeats(scene, await expectAgreed(scene), before);
    const { stops } = await running(scene)[0].api<{ stops: unknown[] }>('stops');
    expect(stops).toEqual([expect.objectContaining(STOP)]);
    await expectResolved(scene);
  } finally {
    await scene.close();
    await till.close();
  }
}

const STOP = { kind: 'agent', id: 'buyer-2', because: 'a test' };

/** Purchases at every gateway, one of them at each uncertain, and a stop; answers those that have a key. */
async function spendHalf(scene: Scene) {
  await running(scene)[0].api('stops', { method: 'POST', body: JSON.stringify(STOP) });
  for (let n = 0; n < ROOM / 2; n += 1) await buyAt(scene, n, n < scene.gateways.length ? UNANSWERED : undefined);
  await vi.waitFor(() => everyoneHeard(scene), PATIENT);
  return scene.purchases.filter(({ key }) => key !== null);
}

/** Each gateway has noted what every other one said that it spent: what is not said yet, nobody can count for it. */
function everyoneHeard({ folders }: Scene): void {
  const spent = new Map(folders.map((folder) => spentIn(folder)));
  for (const folder of folders) {
    const [own] = spentIn(folder);
    const heard = [...heardIn(folder)].sort();
    expect(heard).toEqual([...spent].filter(([log]) => log !== own).sort());
  }
}

/** A gateway's log, and what its receipts say that it spent; micro-units. */
function spentIn(folder: string): [string, bigint] {
  const reader = new LedgerReader(openReadOnly(join(folder, 'var')));
  const receipts = [...reader.iterate({})].map(({ receipt }) => receipt);
  reader.close();
  const intended = receipts.filter(({ kind }) => kind === 'intended').length;
  return [receipts[0]?.log ?? '', BigInt(intended) * PRICE];
}

/** What a gateway noted of the others' spending, by their logs; micro-units. */
function heardIn(folder: string): Map<string, bigint> {
  const db = openReadOnly(join(folder, 'var'));
  const rows = db.prepare('SELECT name, text FROM budget_notes').all();
  db.close();
  const { peers } = readNotes(Object.fromEntries(rows.map(({ name, text }) => [String(name), String(text)])));
  return new Map(
    [...peers].map(([log, { statement }]) => [
      log,
      totalsOf(statement).reduce((sum, { settled }) => sum + settled, 0n),
    ]),
  );
}

/** Redis is flushed, and the first gateway dies of what it does then; agents go on buying unless it stays away. */
async function forgetAndDie(store: TestStore, scene: Scene, point: BringingPoint, comes: Comes): Promise<void> {
  const [victim] = running(scene);
  const died = killed(victim, point.moment);
  const admin = new Redis(store.redis ?? '');
  let over = false;
  const agents = Array.from({ length: comes === 'late' ? 0 : AGENTS }, async (_, n) => {
    for (let turn = n; !over; turn += 1) {
      await buyAt(scene, turn);
      await sleep(PAUSE_MS);
    }
  });
  writeFileSync(join(victim.folder, ARMED), '');
  await admin.flushall();
  await died.finally(() => {
    over = true;
    scene.gateways[0] = undefined;
    admin.disconnect();
  });
  await Promise.all(agents);
}

/** At every gateway that runs, whatever has to be waited for. */
async function spendRest(scene: Scene): Promise<void> {
  for (const [turn] of running(scene).entries()) {
    await vi.waitFor(async () => expect(await buyAt(scene, turn)).toBe('budget_exceeded'), PATIENT);
  }
}
