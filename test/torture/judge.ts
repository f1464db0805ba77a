// Compares the books when there is peace: what the merchants took, what the budgets count, what the receipts say.
import { join } from 'node:path';
import type { Receipt } from '../../src/domain/receipt.ts';
import { LedgerReader } from '../../src/ledger/reader.ts';
import { openReadOnly } from '../../src/state/database.ts';
import type { HoldView } from '../support/stand.ts';
import { command } from '../threats/observables.ts';
import { type Market, PRICE } from './market.ts';
import { type Place, ROOM, type Town } from './town.ts';

/** What came of it; every list of faults is empty when all is well. */
export interface Verdict {
  readonly figures: readonly (readonly [string, string])[];
  readonly faults: readonly string[];
}

/** The longest that a gateway waits before it looks again. */
const MOST_WAIT_MS = 600_000;

/** Waits until no hold is open any more; answers those that are so long after they were due to be looked at again. */
export async function waitForPeace({ places }: Town, withinMs: number): Promise<readonly HoldView[]> {
  const deadlines = new Map<string, number>();
  const atLast = Date.now() + MOST_WAIT_MS + withinMs;
  for (;;) {
    const open = await openHolds(places).catch(() => undefined);
    const now = Date.now();
    for (const { id, evidence } of open ?? []) {
      // What was seen before there was peace says when the first look in peace is.
      const next = evidence ? Date.parse(evidence.next) : now;
      if (!deadlines.has(id)) deadlines.set(id, Math.max(now, next) + withinMs);
    }
    if (now > atLast) return open ?? [];
    if (open?.every(({ id }) => now > (deadlines.get(id) ?? 0))) return open;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/** Of all gateways: each has its own in sight, whoever lists them. */
async function openHolds(places: readonly Place[]): Promise<readonly HoldView[]> {
  const gateways = places.flatMap(({ gateway }) => gateway ?? []);
  if (gateways.length === 0) throw new Error('no gateway runs');
  const listed = await Promise.all(gateways.map((gateway) => gateway.api<{ holds: HoldView[] }>('holds')));
  const holds = new Map<string, HoldView>();
  for (const hold of listed.flatMap((answer) => answer.holds)) {
    if (hold.evidence || !holds.has(hold.id)) holds.set(hold.id, hold);
  }
  return [...holds.values()];
}

/** All sides, compared. */
export async function judge(town: Town, market: Market, bought: readonly string[]): Promise<Verdict> {
  const faults: string[] = [...market.faults()];
  const receipts = town.places.flatMap(({ folder }) => receiptsOf(join(folder, 'var')));
  const { paid } = market;
  faults.push(...repeated(paid).map((target) => `paid twice: ${target}`));
  faults.push(...overspent(paid).map((agent) => `overspent: ${agent}`));
  const known = new Set(paid);
  faults.push(...bought.filter((target) => !known.has(target)).map((target) => `bought without a payment: ${target}`));
  const taken = market.taken();
  const settled = ofKind(receipts, 'settled');
  const inReceipts = BigInt(new Set(settled.map(({ hold }) => hold?.id)).size) * PRICE;
  if (inReceipts !== taken) faults.push(`the receipts say ${inReceipts} micro-units, the merchants took ${taken}`);
  const counted = await countedBy(town.places);
  if (counted !== `${taken} settled, 0 held`) faults.push(`the budgets count ${counted}; the merchants took ${taken}`);
  for (const { folder } of town.places) {
    const { code, err } = await command(['receipts', 'verify', '--config', join(folder, 'config.yaml')]);
    if (code !== 0) faults.push(`${folder}: ${err}`);
  }
  const figures: [string, string][] = [
    ['receipts sealed', `${receipts.length}`],
    ['payments taken', `${paid.length}`],
    ['settled by evidence', `${settled.filter(({ settlement }) => settlement?.evidence === 'rail').length}`],
    ['voided', `${ofKind(receipts, 'voided').length}`],
    ['unspent money locked after its proof died, at most', `${(longestLock(receipts) / 1_000).toFixed(1)} s`],
  ];
  return { figures, faults };
}

const ofKind = (receipts: readonly Receipt[], kind: Receipt['kind']) => receipts.filter((one) => one.kind === kind);

/** From the end of a proof's life to the receipt that gave its money back; milliseconds. */
function longestLock(receipts: readonly Receipt[]): number {
  const waits = ofKind(receipts, 'voided').flatMap(({ at, proof }) =>
    proof ? [Date.parse(at) - Date.parse(proof.redeemableUntil)] : [],
  );
  return Math.max(0, ...waits);
}

function repeated(targets: readonly string[]): string[] {
  return targets.filter((target, n) => targets.indexOf(target) !== n);
}

/** Agents with more payments than their budget has room for. */
function overspent(targets: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const target of targets) {
    const agent = /buyer-\d+/.exec(target)?.[0] ?? 'nobody';
    counts.set(agent, (counts.get(agent) ?? 0) + 1);
  }
  return [...counts].filter(([, count]) => count > ROOM).map(([agent, count]) => `${agent} (${count} of ${ROOM})`);
}

function receiptsOf(stateDir: string): Receipt[] {
  const reader = new LedgerReader(openReadOnly(stateDir));
  const receipts = Array.from(reader.iterate({}), ({ receipt }) => receipt);
  reader.close();
  return receipts;
}

/** What the budget that every payment touches counts. */
async function countedBy(places: readonly Place[]): Promise<string> {
  const gateway = places.find((place) => place.gateway)?.gateway;
  const answer = await gateway?.api<{ budgets: { id: string; scopes: { settled: string; held: string }[] }[] }>(
    'budgets',
  );
  const scope = answer?.budgets.find(({ id }) => id === 'all')?.scopes[0];
  const micros = (text = '0.000000') => BigInt(text.replace('.', ''));
  return `${micros(scope?.settled)} settled, ${micros(scope?.held)} held`;
}
