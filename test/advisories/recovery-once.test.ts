// Recovery lets go of holds that no intent was sealed for. It must be over when the first purchase begins: a second
// run beside it would take the hold away from under a purchase that is just being made.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Budget } from '../../src/budget/budget.ts';
import { loadConfig } from '../../src/config/load.ts';
import { SYSTEM_TIMERS } from '../../src/domain/clock.ts';
import type { HoldRequest } from '../../src/domain/hold.ts';
import { keepSettled, type Status } from '../../src/gateway/settling.ts';
import { type OpenStore, openStore } from '../../src/gateway/store.ts';
import { openLog } from '../../src/observe/log.ts';
import { startGateway } from '../support/gateway.ts';

const folder = mkdtempSync(join(tmpdir(), 'purser-test-'));
const CLOCK = { now: () => Date.now(), monotonic: () => performance.now() };
let store: OpenStore;

beforeAll(async () => {
  const gateway = await startGateway({ folder });
  await gateway.close();
  const { config } = loadConfig(gateway.configFile, { env: process.env, secrets: 'read' });
  if (!config) throw new Error('the configuration cannot be read');
  const clock = CLOCK;
  store = await openStore(config, clock, { bytes: (length) => new Uint8Array(length).fill(7) });
});

afterAll(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

const LONGER_THAN_A_RETRY_MS = 1_500;

/** The store, whose list of open holds comes as late as that of a busy one with very many. */
function slowToList(budget: Budget): Budget {
  return new Proxy(budget, {
    get(target, name) {
      if (name === 'openHolds') {
        return async (log?: string) => {
          await sleep(LONGER_THAN_A_RETRY_MS);
          return target.openHolds(log);
        };
      }
      const member: unknown = Reflect.get(target, name);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}

function order(log: string): HoldRequest {
  const claim = { subject: '["i","s"]', key: null, fingerprint: 'f', saysRetry: false };
  return {
    ...{ id: `${log}.live.0`, exchange: `${log}.live`, micros: 10_000n, lines: [], agent: 'a', service: 'shop' },
    ...{
      wallet: 'play',
      claim,
      challengeId: 'c',
      payment: { network: 'sandbox', identity: 'r', payee: 'acme', atoms: 1n },
      redeemableUntil: Date.now() + 60_000,
    },
    ...{ unsettledLimit: 5, leaseMs: 60_000 },
  };
}

test('a recovery that takes longer than its retry leaves the first purchase its hold', async () => {
  const { budget, ledger } = store;
  const status: Status = {
    segmentsStuck: false,
    draining: false,
    recovered: false,
    recoveryWaits: null,
    storeAnswers: true,
    storeClosed: null,
    witnessed: true,
  };
  const watch = { began: () => expect.unreachable('nobody asks'), refused() {}, fault() {} };
  const authority = { agreed: () => true, agree: async () => [] };
  const parts = { budget: slowToList(budget), ledger, watch, timers: SYSTEM_TIMERS, clock: CLOCK };
  const settling = keepSettled(parts, authority, null, status, openLog('silent'));
  try {
    await settling.first;
    expect(status.recovered).toBe(true);
    const request = order(ledger.log);
    expect((await budget.hold(request)).kind).toBe('held');
    expect((await budget.expose(request.id, 60_000)).kind).toBe('exposed');
    await sleep(LONGER_THAN_A_RETRY_MS);
    expect((await budget.openHolds()).map(({ id, state }) => ({ id, state }))).toEqual([
      { id: request.id, state: 'exposed' },
    ]);
  } finally {
    settling.stop();
  }
});
