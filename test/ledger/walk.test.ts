// What is cut out of a receipt's text is what reading all of it gives, whatever stands in its texts.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalJson } from '../../src/domain/canonical.ts';
import type { Receipt } from '../../src/domain/receipt.ts';
import { Walked } from '../../src/ledger/walk.ts';

/** Texts that look like the beginnings and ends which are looked for. */
const nasty = fc.oneof(
  fc.string(),
  fc.constantFrom(
    ...['"', '\\', '\\"', '{', '}', '},"at":"', ',"offer":{', ',"service":{', ',"development":true,', 'é"{'],
  ),
);
const names = fc.dictionary(nasty, nasty, { maxKeys: 3 });

const receipts = fc.record({
  agent: fc.option(fc.record({ id: nasty, labels: names, task: nasty }), { nil: undefined }),
  service: fc.option(fc.record({ id: nasty, provider: nasty }), { nil: undefined }),
  offer: fc.option(fc.record({ asset: nasty, payee: nasty, currency: nasty }), { nil: undefined }),
  hold: fc.option(fc.record({ id: nasty, wallet: nasty }), { nil: undefined }),
  decision: fc.option(fc.record({ entitlement: nasty, outcome: nasty }), { nil: undefined }),
  development: fc.constantFrom(true, undefined),
  request: fc.record({ path: nasty }),
  claim: fc.record({ repeat: nasty }),
  exchange: fc.constant('plog.x'),
  kind: fc.constant('intended'),
  trace: nasty,
});

test('who bought what is the same, read from the text or from all of it', () => {
  fc.assert(
    fc.property(receipts, (entry) => {
      const known = Object.fromEntries(Object.entries(entry).filter(([, value]) => value !== undefined));
      const link = { v: 1, log: 'plog', seq: 7, prev: '0'.repeat(64), at: '2026-11-23T12:00:00.000Z', id: 'plog.7' };
      const text = canonicalJson({ ...known, ...link });
      const walked = new Walked(text, 'plog', 7, text.lastIndexOf(',"prev":"'), '');
      const { agent, at, decision, development, hold, offer, service } = JSON.parse(text) as Receipt;
      expect(walked.bought()).toEqual({ agent, at, decision, development, hold, offer, service });
    }),
    { numRuns: 2_000 },
  );
});
