// One gateway of the rebuild's measure, in a process of its own as gateways are: its durable half, without the ports.
// Told by its parent what to do, it does that and answers how many seconds it took.
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { notesIn } from '../../src/budget/notes.ts';
import { openRedisBudget, type SharedBudget } from '../../src/budget/redis-budget.ts';
import { SYSTEM_TIMERS } from '../../src/domain/clock.ts';
import type { ReceiptEntry } from '../../src/domain/receipt.ts';
import { nothingRecovered, recover } from '../../src/exchange/recover.ts';
import { accountIn } from '../../src/ledger/account-operations.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { ledgerOperations } from '../../src/ledger/ledger-operations.ts';
import { openLedger } from '../../src/ledger/sealed-ledger.ts';
import { openDatabase } from '../../src/state/database.ts';
import { openState, type StateThread } from '../../src/state/thread.ts';
import type { StateWorkerData } from '../../src/state-worker.ts';

/** What a gateway is told, in the order that makes sense. */
export type Told =
  /** Write a log with so many purchases, of which this share is open. */
  | { readonly what: 'make'; readonly purchases: number; readonly open: number }
  /** Open the log, and join the store as often as it takes. */
  | { readonly what: 'join'; readonly url: string; readonly namespace: string }
  /** The store was lost: bring it back, until it counts again. */
  | { readonly what: 'rebuild' }
  /** Recover what is open in the log. */
  | { readonly what: 'recover' };

const BATCH = 10_000;
const HEX = 'ab'.repeat(32);
const CLOCK = { now: () => Date.now(), monotonic: () => performance.now() };
const AGAIN_MS = 100;

interface House {
  readonly thread: StateThread;
  readonly ledger: Ledger;
  readonly shared: SharedBudget;
}

const dir = process.argv[2] ?? '';
let house: House | undefined;

process.on('message', async (told: Told) => {
  const began = performance.now();
  await done(told);
  process.send?.((performance.now() - began) / 1_000);
});
process.on('disconnect', () => process.exit(0));

async function done(told: Told): Promise<void> {
  if (told.what === 'make') return makeLedger(told.purchases, told.open);
  if (told.what === 'join') {
    house = await openHouse(told.url, told.namespace);
    return;
  }
  if (!house) throw new Error('not joined yet');
  return told.what === 'rebuild' ? rebuilt(house.shared) : recovered(house);
}

/** As `gateway/rejoining.ts` does it. */
async function rebuilt(shared: SharedBudget): Promise<void> {
  await shared.budget.heartbeat().catch(() => {});
  for (;;) {
    const standing = await shared.rebuild.settle().catch(() => undefined);
    if (standing?.kind === 'open') return;
    await sleep(AGAIN_MS);
  }
}

async function recovered({ shared, ledger }: House): Promise<void> {
  // As a gateway does: what a busy machine answers too late is tried again.
  const tried = async (): Promise<unknown> =>
    recover({ budget: shared.budget, ledger }, nothingRecovered()).catch(() => sleep(AGAIN_MS).then(tried));
  await tried();
  const { intents, outcomes } = await ledger.unfinished();
  if (intents.length + outcomes.length > 0) throw new Error('not everything was recovered');
}

async function openHouse(url: string, namespace: string): Promise<House> {
  const data: StateWorkerData = { dir, diskReserveBytes: 0, development: true, embedded: null, segment: 250_000 };
  const thread = await openState({ worker: new URL('../../src/state-worker.ts', import.meta.url), data });
  const ledger = await openLedger(thread);
  const shared = await openRedisBudget({
    ...{ log: ledger.log, timeZone: 'UTC', key: new Uint8Array(32).fill(7), repeatWindowMs: 600_000, clock: CLOCK },
    ...{ timers: SYSTEM_TIMERS, random: { bytes: (length: number) => randomBytes(length) } },
    ...{ url, namespace, replicas: 0, missingAfterMs: 600_000 },
    ...{ account: accountIn(thread, () => ledger.newest()), notes: notesIn(thread) },
  });
  const window = { kind: 'day' as const };
  const budgets = ['day', 'all'].map((budget) => ({ budget, window, per: 'agent' }));
  const agree = (): Promise<unknown> =>
    shared.budget.agree({ currency: 'USD', timeZone: 'UTC', budgets }).catch(() => sleep(AGAIN_MS).then(agree));
  await agree();
  await rebuilt(shared);
  // The account is folded with what this gateway says of itself, each second.
  await shared.rebuild.tell(Date.now()).catch(() => {});
  return { thread, ledger, shared };
}

function makeLedger(purchases: number, open: number): void {
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
