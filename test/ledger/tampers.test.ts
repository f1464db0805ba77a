// A few hundred of the ten thousand random tampers that test/long/tampers.test.ts tries; each kind several times.
import { expect, test } from 'vitest';
import { locateFault } from '../../src/ledger/verify.ts';
import { escaped, victim } from './tampering.ts';

const SEEDS = 230;

test(`of ${SEEDS} random tampers with a log every one is found at its receipt`, async () => {
  const log = victim();
  expect(await locateFault(() => log.lines, { keys: log.keys, fromStart: true })).toMatchObject({ ok: true });
  for (const kept of [{ head: log.keptHead }, { checkpoint: log.keptCheckpoint }]) {
    expect(await locateFault(() => log.lines, { keys: log.keys, ...kept })).toMatchObject({ ok: true });
  }
  const all: (string | undefined)[] = [];
  for (let seed = 0; seed < SEEDS; seed += 1) all.push(await escaped(log, seed));
  expect(all.filter((one) => one !== undefined)).toEqual([]);
});
