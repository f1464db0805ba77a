// Redis is lost: how long until four gateways have brought 100,000 purchases back from their ledgers. And a gateway is
// killed with 10,000 purchases open: how long until the next one has recovered them.
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { notesIn } from '../../src/budget/notes.ts';
import { openRedisBudget, type SharedBudget } from '../../src/budget/redis-budget.ts';
import { SYSTEM_TIMERS } from '../../src/domain/clock.ts';
import type { ReceiptEntry } from '../../src/domain/receipt.ts';
import { recover } from '../../src/exchange/recover.ts';
import { accountIn } from '../../src/ledger/account-operations.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { ledgerOperations } from '../../src/ledger/ledger-operations.ts';
import { openLedger } from '../../src/ledger/sealed-ledger.ts';
import { openDatabase } from '../../src/state/database.ts';
import { openState, type StateThread } from '../../src/state/thread.ts';
import type { StateWorkerData } from '../../src/state-worker.ts';
import { verdict } from './figures.ts';
import type { BenchOptions } from './main.ts';
import { benchRedis } from './stage.ts';

const LEDGERS = 4;
const PURCHASES = 100_000;
const OPEN = 10_000;
const BATCH = 10_000;
const HEX = 'ab'.repeat(32);
const CLOCK = { now: () => Date.now(), monotonic: () => performance.now() };

/** A gateway's durable half. */
interface House {
  readonly thread: StateThread;
  readonly ledger: Ledger;
  readonly shared: SharedBudget;
  close(): Promise<void>;
}

/** Measures and prints; answers whether each goal holds. */
export async function benchRebuild({ quick }: BenchOptions): Promise<boolean[]> {
  const redis = await benchRedis();
  if (!redis) return [];
  console.log(
    `\nRebuild: ${PURCHASES.toLocaleString('en-GB')} purchases in ${LEDGERS} ledgers, half open, half with a key`,
  );
  const folder = mkdtempSync(join(tmpdir(), 'purser-bench-'));
  try {
    const folders = Array.from({ length: LEDGERS }, (_, n) =>
      makeLedger(join(folder, `${n}`), PURCHASES / LEDGERS, 0.5),
    );
    const houses = await Promise.all(folders.map((dir) => openHouse(dir, redis.url, 'rebuilt')));
    await Promise.all(houses.map(({ shared }) => shared.rebuild.tell(Date.now()).catch(() => {})));
    const rounds: number[] = [];
    for (let round = 0; round < (quick ? 1 : 3); round += 1) rounds.push(await lost(redis.url, houses));
    const rebuilt = verdict({
      ...{ name: 'FLUSHALL until all four count again', rounds, goal: { atMost: 5 }, unit: 's' },
      inTheWay: 'the one core that Redis has for what is brought, or the reading of the ledgers.',
    });
    for (const house of houses) await house.close();
    const killed = verdict({
      ...{ name: `recovery with ${OPEN.toLocaleString('en-GB')} open purchases`, goal: { atMost: 2 }, unit: 's' },
      rounds: [await recovered(join(folder, 'killed'), redis.url)],
      inTheWay: 'one seal for each of them: hashing, signing and writing in the state thread.',
    });
    return [rebuilt, killed];
  } finally {
    rmSync(folder, { recursive: true, force: true });
    await redis.stop();
  }
}

/** Seconds from the loss until the store is open to everybody. */
async function lost(url: string, houses: readonly House[]): Promise<number> {
  const admin = new Redis(url);
  await admin.flushall();
  admin.disconnect();
  const began = performance.now();
  await Promise.all(
    houses.map(async ({ shared }) => {
      await shared.budget.heartbeat().catch(() => {});
      for (;;) {
        const standing = await shared.rebuild.settle().catch(() => undefined);
        if (standing?.kind === 'open') return;
        await sleep(100);
      }
    }),
  );
  return (performance.now() - began) / 1_000;
}

/** Seconds from the start of recovery until nothing is left to recover. */
async function recovered(dir: string, url: string): Promise<number> {
  makeLedger(dir, OPEN, 1);
  const house = await openHouse(dir, url, 'killed');
  const began = performance.now();
  // As a gateway does: what a busy machine answers too late is tried again.
  const tried = async (): Promise<unknown> =>
    recover({ budget: house.shared.budget, ledger: house.ledger }).catch(() => sleep(10).then(tried));
  await tried();
  const took = (performance.now() - began) / 1_000;
  const { intents, outcomes } = await house.ledger.unfinished();
  if (intents.length + outcomes.length > 0) throw new Error('not everything was recovered');
  await house.close();
  return took;
}

async function openHouse(dir: string, url: string, namespace: string): Promise<House> {
  const data: StateWorkerData = { dir, diskReserveBytes: 0, development: true, embedded: null, segment: 250_000 };
  const thread = await openState({ worker: new URL('../../src/state-worker.ts', import.meta.url), data });
  const ledger = await openLedger(thread);
  const shared = await openRedisBudget({
    ...{ log: ledger.log, timeZone: 'UTC', key: new Uint8Array(32).fill(7), repeatWindowMs: 600_000, clock: CLOCK },
    ...{ timers: SYSTEM_TIMERS, random: { bytes: (length: number) => randomBytes(length) } },
    ...{ url, namespace, replicas: 0, missingAfterMs: 600_000, newbornMs: 0 },
    ...{ account: accountIn(thread, () => ledger.newest()), notes: notesIn(thread) },
  });
  const window = { kind: 'day' as const };
  const budgets = ['day', 'all'].map((budget) => ({ budget, window, per: 'agent' }));
  const agree = (): Promise<unknown> =>
    shared.budget.agree({ currency: 'USD', timeZone: 'UTC', budgets }).catch(() => sleep(100).then(agree));
  await agree();
  return {
    ...{ thread, ledger, shared },
    close: async () => {
      await shared.budget.shutdown();
      await thread.close();
    },
  };
}

/** A log with so many purchases, of which this share is open. */
function makeLedger(dir: string, purchases: number, open: number): string {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const db = openDatabase(dir);
  db.exec('PRAGMA synchronous=OFF');
  const seal = ledgerOperations(db, { dir, development: true }, Date.now)['ledger.seal'];
  const name = randomBytes(6).toString('hex');
  for (let n = 0; n < purchases; n += 1) {
    if (n % BATCH === 0) db.exec(n === 0 ? 'BEGIN' : 'COMMIT; BEGIN');
    const purchase = purchaseOf(`${name}.${n}`, n);
    seal?.run({ ...purchase, kind: 'intended' });
    if (n >= purchases * open) seal?.run({ ...purchase, kind: 'settled' });
  }
  db.exec('COMMIT');
  db.close();
  return dir;
}

function purchaseOf(exchange: string, n: number): ReceiptEntry {
  const agent = `agent-${n % 200}`;
  const midnight = new Date(new Date().setUTCHours(0, 0, 0, 0)).toISOString();
  const key = randomBytes(32).toString('hex');
  return {
    ...{ kind: 'intended', exchange, service: { id: `service-${n % 30}` } },
    agent: { id: agent, subject: agent, owner: 'dana@example.com', issuer: 'https://idp.example.com' },
    challenge: { dialect: 'mpp', method: 'sandbox', intent: 'charge', id: exchange, realm: 'shop.test', hash: HEX },
    offer: {
      ...{ asset: 'usd.sandbox', network: 'sandbox', atoms: '1', payee: 'acme', value: '0.010000', currency: 'USD' },
    },
    hold: {
      ...{ id: `${exchange}.0`, wallet: 'play', amount: '0.010000', fee: '0.000000' },
      budgets: [
        { id: 'day', scope: JSON.stringify([agent]), window: midnight },
        { id: 'all', scope: '[]', window: midnight },
      ],
    },
    claim: { key, repeat: randomBytes(32).toString('hex') },
    proof: { identity: exchange, redeemableUntil: new Date(Date.now() + 300_000).toISOString() },
  };
}
