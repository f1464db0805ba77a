// What a sandbox merchant's page means: its exact answer and nothing else, and "not taken" only once the end is past.
import { expect, test } from 'vitest';
import type { ExposedProof } from '../../src/rail/evidence.ts';
import { judgePage, sandboxEvidence } from '../../src/rail/sandbox-evidence.ts';

const UNTIL = Date.parse('2026-11-26T12:00:00Z');
const NONCE = 'n'.repeat(22);
const proof: ExposedProof = {
  ...{ network: 'sandbox', identity: `${'k'.repeat(43)}:${NONCE}`, payee: 'acme', atoms: 2n },
  ...{ heldAt: UNTIL - 5_000, redeemableUntil: UNTIL },
};
const page = (body: string, more: { status?: number; date?: string | null } = {}) => ({
  ...{ status: 200, date: new Date(UNTIL + 2_000).toUTCString(), body: Buffer.from(body), ...more },
});
const NOT_TAKEN = page('{"redeemed":false}');

test('taken is taken, before its end and after it', () => {
  for (const askedAt of [UNTIL - 1, UNTIL + 1]) {
    expect(judgePage(proof, askedAt, page('{ "redeemed": true }', { date: null }))).toMatchObject({
      ...{ verdict: 'redeemed', reference: proof.identity },
    });
  }
});

test('not taken is dead only after its end by both clocks', () => {
  expect(judgePage(proof, UNTIL + 1, NOT_TAKEN)).toMatchObject({ verdict: 'dead', alarming: false });
  expect(judgePage(proof, UNTIL, NOT_TAKEN)).toMatchObject({ verdict: 'unknown' });
  for (const date of [null, 'soon', new Date(UNTIL).toUTCString(), new Date(UNTIL - 60_000).toUTCString()]) {
    expect(judgePage(proof, UNTIL + 1, { ...NOT_TAKEN, date })).toMatchObject({ verdict: 'unknown' });
  }
});

test.each([
  ['another status', page('{"redeemed":true}', { status: 404 })],
  ['a redirect', page('', { status: 302 })],
  ['no JSON', page('<html>')],
  ['another member', page('{"redeemed":true,"amount":"2"}')],
  ['a member twice', page('{"redeemed":false,"redeemed":true}')],
  ['a text', page('{"redeemed":"true"}')],
  ['a number', page('{"redeemed":1}')],
  ['nothing of it', page('{}')],
  ['a list', page('[true]')],
])('%s tells nothing', (_, answer) => {
  expect(judgePage(proof, UNTIL + 1, answer)).toMatchObject({ verdict: 'unknown', reference: null });
});

test('it is asked for by its nonce, and silence or another name tells nothing', async () => {
  const paths: string[] = [];
  const ask = async (path: string) => {
    paths.push(path);
    return NOT_TAKEN;
  };
  const signal = AbortSignal.timeout(1_000);
  expect(await sandboxEvidence(ask, () => UNTIL + 1).evidence(proof, signal)).toMatchObject({ verdict: 'dead' });
  const silent = sandboxEvidence(
    () => Promise.reject(new Error('secret')),
    () => UNTIL + 1,
  );
  expect(await silent.evidence(proof, signal)).toMatchObject({
    verdict: 'unknown',
    seen: 'the service does not answer',
  });
  const odd = { ...proof, identity: `${'k'.repeat(43)}:../../${'n'.repeat(22)}` };
  expect(await sandboxEvidence(ask, () => UNTIL + 1).evidence(odd, signal)).toMatchObject({ verdict: 'unknown' });
  expect(paths).toEqual([`/.well-known/sandbox-payments/${NONCE}`]);
});
