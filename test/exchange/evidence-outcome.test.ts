// The end that evidence gives a purchase, over a real store and log: also when the process dies between its seal and
// the store, and when it is looked for.
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { HoldRequest, OpenHold } from '../../src/domain/hold.ts';
import { nextLookAt, outcomeByEvidence, storyOfHold } from '../../src/exchange/evidence-outcome.ts';
import { nothingRecovered, recover } from '../../src/exchange/recover.ts';
import type { Evidence } from '../../src/rail/evidence.ts';
import { leaveUncertain, openPort, purchase, type TestPort } from '../operators/port.ts';

let port: TestPort;
beforeEach(async () => {
  port = await openPort();
});
afterEach(() => port.close());

const DEAD: Evidence = { verdict: 'dead', alarming: false, seen: 'unused', reference: 'r'.repeat(300), block: null };
const PAID: Evidence = { ...DEAD, verdict: 'redeemed' };

/** An uncertain purchase and its outcome by this evidence. */
async function uncertain(id: string, evidence: Evidence) {
  const name = await purchase(port, id);
  await leaveUncertain(port, name);
  const hold = (await port.budget.openHolds()).find((open) => open.id === name) as OpenHold;
  const story = storyOfHold(name, await port.ledger.ofExchange(hold.exchange));
  return { hold, outcome: outcomeByEvidence(port.budget, hold, story, evidence) };
}

/** What an equal request is told; undefined when it may buy. */
async function repeat(id: string) {
  const again: HoldRequest = {
    ...{ id: `${port.ledger.log}.again-${id}`, exchange: `again-${id}`, micros: 1n, lines: [], agent: 'research-1' },
    ...{
      service: 'weather',
      wallet: 'play',
      challengeId: `again-${id}`,
      payment: { network: 'sandbox', identity: `again-${id}`, payee: 'acme', atoms: 1n },
    },
    claim: { subject: '["i","research-1"]', key: null, fingerprint: id.padEnd(64, '0'), saysRetry: false },
    ...{ redeemableUntil: Date.now() + 60_000, unsettledLimit: 100, leaseMs: 60_000 },
  };
  const held = await port.budget.hold(again);
  return held.kind === 'repeat' ? held.purchase : undefined;
}

test('unknown is no end', async () => {
  const { outcome } = await uncertain('h1', { ...DEAD, verdict: 'unknown' });
  expect(outcome).toBeUndefined();
});

test.each([
  ['voided', DEAD],
  ['settled', PAID],
] as const)(
  '%s by evidence, then killed before the store had it: recovery gives it the very same end',
  async (kind, evidence) => {
    const { hold, outcome } = await uncertain('h1', evidence);
    if (!outcome) throw new Error('it has an end');
    const sealed = await port.ledger.seal(outcome.entry);
    expect(sealed.receipt).toMatchObject({ kind, trace: 'b'.repeat(32), hold: { id: hold.id } });
    expect(sealed.receipt.settlement).toEqual({ evidence: 'rail', reference: 'r'.repeat(256) });
    const parts = { budget: port.budget, ledger: port.ledger };
    for (const again of [false, true]) {
      const found = nothingRecovered();
      await recover(parts, found);
      expect(found).toMatchObject({
        ...{ outcomes: again ? 0 : 1, uncertain: { purchases: 0 }, released: { purchases: 0 } },
      });
      expect(await port.budget.openHolds()).toEqual([]);
      expect(await repeat('h1')).toMatchObject({ state: kind, ending: { receipt: sealed.receipt.id } });
    }
  },
);

test.each([
  ['voided', DEAD],
  ['settled', PAID],
] as const)('%s by evidence: its repeats are told so and buy nothing', async (state, evidence) => {
  const { outcome } = await uncertain('h1', evidence);
  await outcome?.apply('the-receipt');
  await outcome?.apply('the-receipt');
  expect(await port.budget.openHolds()).toEqual([]);
  expect(await repeat('h1')).toMatchObject({ state, ending: { code: 'payment_uncertain', receipt: 'the-receipt' } });
});

test('it is looked for soon, right after its end, and later at most half as late again', () => {
  const [heldAt, redeemableUntil] = [1_000_000, 1_300_000];
  const hold = { heldAt, redeemableUntil } as OpenHold;
  expect(nextLookAt(hold, heldAt)).toBe(heldAt + 500);
  expect(nextLookAt(hold, heldAt + 10_000)).toBe(heldAt + 15_000);
  expect(nextLookAt(hold, heldAt + 200_000)).toBe(heldAt + 260_000);
  // Never past the end: then it is looked for just after it.
  for (let now = heldAt; now <= redeemableUntil; now += 997) {
    expect(nextLookAt(hold, now)).toBeLessThanOrEqual(redeemableUntil + 250);
    expect(nextLookAt(hold, now)).toBeGreaterThan(now);
  }
  expect(nextLookAt(hold, redeemableUntil + 250)).toBe(redeemableUntil + 750);
  expect(nextLookAt(hold, redeemableUntil + 60_000)).toBe(redeemableUntil + 90_000);
  expect(nextLookAt(hold, redeemableUntil + 90_000_000)).toBe(redeemableUntil + 90_600_000);
});
