// Gateways on one store before one merchant, and agents that buy from them until one gateway dies at a named moment.
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type GatewayProcess, spawnGateway } from '../support/gateway.ts';
import type { TestStore } from '../support/stores.ts';
import { dyingEnv } from './plan.ts';
import type { BringingPoint, FailPoint, ResolvingPoint } from './points.ts';
import type { Till } from './till.ts';
import { tearLastWrite } from './torn.ts';

/** One thing that an agent wants, once; and what became of its first request. */
export interface Purchase {
  /** Path and query at the merchant. */
  readonly target: string;
  /** Null: asked without a key. */
  readonly key: string | null;
  /** The answer's status, null when there was none. */
  status: number | null;
  code: string | null;
}

/** The gateways, their merchant, and everything that was asked of them. */
export interface Scene {
  readonly till: Till;
  /** Where each gateway has its files. */
  readonly folders: readonly string[];
  /** Those that run, by their place; a dead one's place is undefined. */
  readonly gateways: (GatewayProcess | undefined)[];
  readonly purchases: Purchase[];
  /** How many purchases the budget has room for. */
  readonly room: number;
  /** Starts the gateway of that place on its state; it dies at the point where one is named. */
  start(place: number, point?: FailPoint | BringingPoint | ResolvingPoint): Promise<GatewayProcess>;
  close(): Promise<void>;
}

/** How many buy at once. */
export const AGENTS = 4;
/** The file in a gateway's folder from which on its moment counts. */
export const ARMED = 'armed';

/** Opens it with no gateway running. `room`: purchases that the budget has room for. */
export async function openScene(store: TestStore, till: Till, places: number, room = 100_000): Promise<Scene> {
  const folders = Array.from({ length: places }, () => mkdtempSync(join(tmpdir(), 'purser-crash-')));
  const { sections, env, ...setup } = till.setup(room);
  const gateways: (GatewayProcess | undefined)[] = [];
  const starting: Promise<unknown>[] = [];
  return {
    till,
    folders,
    gateways,
    room,
    purchases: [],
    async start(place, point) {
      const folder = folders[place] ?? '';
      const armed = join(folder, ARMED);
      rmSync(armed, { force: true });
      const dying = point?.moment
        ? dyingEnv({ moment: point.moment, nth: point.nth, armed, signal: point.signal })
        : {};
      const started = spawnGateway({
        ...setup,
        folder,
        sections: { ...sections, ...store.sections },
        env: { ...env, ...store.env, ...dying },
      });
      starting.push(started);
      const gateway = await started;
      gateways[place] = gateway;
      return gateway;
    },
    async close() {
      // One that did not start must not leave behind those that were started with it.
      await Promise.allSettled(starting);
      for (const gateway of gateways) gateway?.child.kill('SIGCONT');
      await Promise.all(gateways.map((gateway) => gateway?.close()));
      for (const folder of folders) rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Asks a gateway for the purchase under its key. */
export async function ask(scene: Scene, gateway: GatewayProcess, { target, key }: Purchase) {
  const headers = {
    'purser-token': await tokenAt(scene, gateway),
    ...(key === null ? {} : { 'idempotency-key': key }),
  };
  const answer = await fetch(`${gateway.agents}/shop${target}`, { headers });
  const text = await answer.text();
  return { status: answer.status, code: answer.ok ? null : (JSON.parse(text) as { code: string }).code };
}

const tokens = new WeakMap<GatewayProcess, Promise<string>>();

function tokenAt({ till }: Scene, gateway: GatewayProcess): Promise<string> {
  const token = tokens.get(gateway) ?? till.token(gateway);
  tokens.set(gateway, token);
  return token;
}

/** Agents buy at all gateways until the first one has died at the point where it was told to; the others go on. */
export async function dieAt(scene: Scene, point: FailPoint): Promise<void> {
  const victim = scene.gateways[0];
  if (!victim) throw new Error('no gateway runs at the first place');
  const died = killed(victim, point.title);
  let over = false;
  const agents = Array.from({ length: AGENTS }, async (_, n) => {
    for (let turn = n; !over; turn += 1) await buyAt(scene, turn);
  });
  if (point.moment === null) killWhenPaid(scene, point.nth, victim);
  else writeFileSync(join(victim.folder, ARMED), '');
  await died.finally(() => {
    over = true;
    scene.gateways[0] = undefined;
  });
  await Promise.all(agents);
  scene.till.onPaid = null;
  if (point.torn) tearLastWrite(join(victim.folder, 'var'));
}

/** Waits until the process was killed; throws after a minute. `moment` is what kills it. */
export async function killed(victim: GatewayProcess, moment: string): Promise<void> {
  const [, signal] = await Promise.race([once(victim.child, 'exit'), sleep(60_000, [])]);
  if (signal !== 'SIGKILL') throw new Error(`"${moment}" was never reached:\n${victim.output()}`);
}

const askedAt = new WeakMap<Purchase, GatewayProcess>();

/** By its own payments: what another gateway pays for says nothing of where this one is. */
function killWhenPaid({ till, purchases }: Scene, nth: number, victim: GatewayProcess): void {
  let seen = 0;
  till.onPaid = (target) => {
    const purchase = purchases.find((one) => one.target === target);
    if (!purchase || askedAt.get(purchase) !== victim) return;
    seen += 1;
    if (seen === nth) victim.child.kill('SIGKILL');
  };
}

/** A new purchase at one of the gateways that run; with none left it waits a little. Answers a refusal's code. */
export async function buyAt(scene: Scene, turn: number, shelf = '/v1'): Promise<string | null> {
  const running = scene.gateways.filter((gateway) => gateway !== undefined);
  const gateway = running[turn % running.length];
  if (!gateway) return sleep(10, null);
  const n = scene.purchases.length;
  const purchase: Purchase = {
    target: `${shelf}/${n}`,
    key: n % 4 === 3 ? null : `key-${n}`,
    status: null,
    code: null,
  };
  scene.purchases.push(purchase);
  askedAt.set(purchase, gateway);
  try {
    Object.assign(purchase, await ask(scene, gateway, purchase));
  } catch {
    // Nobody asks a dead gateway again.
    const place = scene.gateways.indexOf(gateway);
    if (place >= 0) scene.gateways[place] = undefined;
  }
  return purchase.code;
}
