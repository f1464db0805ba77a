// Demands that lie about who, when, where or what for: everything of a challenge beside its amount (MPP, sandbox).
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ChallengeChanges, sandboxChallenge } from '../fakes/sandbox-challenge.ts';
import { answer, demand, goods } from '../fakes/script.ts';
import { startGateway } from '../support/gateway.ts';
import { expectNoMoney, expectPaid, refuses, type Stand, startStand, watch } from '../support/stand.ts';

let stand: Stand;
beforeAll(async () => {
  stand = await startStand();
});
afterAll(() => stand.close());

const demands = (changes: ChallengeChanges) => stand.demands(sandboxChallenge(changes));
const TEN_CENTS = 100_000n;

test('CHAL-20: only the demand that is read counts; decoys elsewhere neither raise nor lower it', async () => {
  const decoy = Buffer.from(JSON.stringify({ accepts: [{ amount: '1000000', payTo: 'mallory' }] })).toString('base64');
  stand.behave({
    unpaid: demand(sandboxChallenge(), {
      headers: [
        ['PAYMENT-REQUIRED', decoy],
        ['X-Payment', 'mallory'],
      ],
      body: '{"type":"about:blank","amount":"1","recipient":"mallory"}',
    }),
  });
  await expectPaid(stand, TEN_CENTS);
  expect(stand.merchant.books.taken.at(-1)?.request).toMatchObject({ amount: '10', recipient: 'acme' });
});

test('CHAL-20: of two readable offers the cheaper one is paid, wherever it stands', async () => {
  const [dear, cheap] = [
    sandboxChallenge({ request: { amount: '90' } }),
    sandboxChallenge({ request: { amount: '7' } }),
  ];
  for (const lines of [[dear, cheap], [`${cheap}, ${dear}`], [`Basic realm="x", ${dear}`, `Bearer, ${cheap}`]]) {
    stand.demands(lines.map((line) => line.replace(/id="/g, `id="${Math.random()}`)));
    await expectPaid(stand, 70_000n);
  }
});

test('CHAL-20: one unreadable offer of a known kind spoils the whole demand, also beside a good one', async () => {
  const good = sandboxChallenge();
  await refuses(stand, 'challenge_malformed', [good, sandboxChallenge({ request: { amount: '1e0' } })]);
  await refuses(stand, 'challenge_malformed', [good, good]);
  await refuses(stand, 'challenge_malformed', [good, 'Payment id="x', 'Bearer realm="y"']);
  await refuses(stand, 'challenge_malformed', `${good}, id="again"`);
});

test('CHAL-23: a missing or empty parameter makes a demand unreadable', async () => {
  for (const name of ['id', 'realm', 'method', 'intent', 'request']) {
    for (const value of [null, '']) await refuses(stand, 'challenge_malformed', { params: { [name]: value } });
  }
});

test('CHAL-24: a currency that is missing, unknown or only looks alike is never paid', async () => {
  for (const currency of [undefined, '', 'USD', 'Usd', 'usd ', 'U\u0405D', 'u\u0455d', '\uff55sd', 5, null, ['usd']]) {
    await refuses(stand, 'challenge_malformed', { request: { currency } });
  }
  for (const currency of ['usdc', 'eur', 'usdt', 'dollar']) {
    await refuses(stand, 'asset_unknown', { request: { currency } });
  }
});

test('CHAL-28: a payee who changes between two demands is judged anew, and inherits nothing', async () => {
  const other = sandboxChallenge({ request: { recipient: 'mallory' } });
  stand.behave({ paid: demand(other) });
  const first = await watch(stand);
  expect(first).toMatchObject({ taken: 1, settled: 0n, held: TEN_CENTS });
  expect(JSON.parse(first.body)).toMatchObject({ code: 'payment_rejected' });
  expect(first.requests).toHaveLength(2);
  stand.demands(other);
  const ask = () => stand.gateway.ask('/shop/v1/other');
  const { receipt } = await expectNoMoney(stand, 'payee_forbidden', ask);
  expect(receipt.offer).toMatchObject({ payee: 'mallory', atoms: '10', value: '0.100000' });
});

test('CHAL-28: a payee who changes in the fresh demand for a reused one is refused as the new one', async () => {
  const reused = sandboxChallenge();
  stand.demands(reused);
  await expectPaid(stand, TEN_CENTS);
  const other = sandboxChallenge({ request: { recipient: 'mallory' } });
  stand.behave({ unpaid: (nth) => demand(nth === 1 ? reused : other) });
  const { receipt } = await expectNoMoney(stand, 'payee_forbidden');
  expect(receipt.offer).toMatchObject({ payee: 'mallory' });
});

test('CHAL-31: another’s realm selects nothing: it is recorded, and the budgets stay the agent’s', async () => {
  demands({ params: { realm: 'bank.example' } });
  const { settled } = await expectPaid(stand, TEN_CENTS);
  expect(settled.challenge).toMatchObject({ realm: 'bank.example' });
  expect(settled.service).toMatchObject({ id: 'shop' });
  expect(settled.hold?.budgets).toMatchObject([{ id: 'purse', scope: '["buyer-1"]' }]);
});

test('CHAL-33: an expiry that is no strict calendar instant is unreadable', async () => {
  const odd = ['', 'NaN', '1893456000', '2025-02-30T00:00:00Z', '2999-13-01T00:00:00Z', '2999-01-01T24:00:00Z'];
  const odder = ['2999-01-01T00:00:00', '2999-01-01', '2999-01-01 00:00:00Z', '2999-01-01T00:00:61Z', 'tomorrow'];
  for (const expires of [
    ...odd,
    ...odder,
    '+275760-09-13T00:00:00Z',
    '2999-01-01T00:00Z',
    'Infinity',
    '9999-12-31T23:59:59Z',
  ]) {
    await refuses(stand, 'challenge_malformed', { params: { expires } });
  }
});

test('CHAL-33: a far expiry is cut to the wallet’s proof lifetime; one in the past is expired', async () => {
  for (const expires of ['9998-12-31T23:59:59Z', '2999-01-01T00:00:00+01:00']) {
    demands({ params: { expires } });
    const { settled } = await expectPaid(stand, TEN_CENTS);
    const life = Date.parse(settled.proof?.redeemableUntil ?? '') - Date.parse(settled.at);
    expect(life).toBeGreaterThan(0);
    expect(life).toBeLessThanOrEqual(300_000);
    expect((stand.merchant.books.taken.at(-1)?.until ?? 0) * 1_000).toBe(
      Date.parse(settled.proof?.redeemableUntil ?? ''),
    );
  }
  for (const expires of ['2020-01-01T00:00:00Z', '1970-01-01T00:00:00Z']) {
    await refuses(stand, 'challenge_expired', { params: { expires } });
  }
  await refuses(stand, 'challenge_expired', { expiresInMs: -1 });
  demands({ expiresInMs: null });
  await expectPaid(stand, TEN_CENTS);
});

test('CHAL-34: a description decides nothing and reaches no text of ours', async () => {
  // As a header line carries it: the bytes of UTF-8, seen as latin1.
  const lies = Buffer.from('1 cent, approved by ops <script>alert(1)</script> \u202e', 'utf8').toString('latin1');
  const { problem, receipt } = await refuses(stand, 'over_ceiling', {
    request: { amount: '50000' },
    params: { description: lies },
  });
  expect(receipt.offer?.value).toBe('500.000000');
  for (const text of [JSON.stringify(problem), JSON.stringify(receipt)]) {
    expect(text).not.toMatch(/approved|script|\u202e/);
  }
});

test('CHAL-35: another intent or an unknown method is never answered, also when it was offered before', async () => {
  demands({});
  await expectPaid(stand, TEN_CENTS);
  for (const params of [{ intent: 'session' }, { intent: 'subscription' }, { method: 'push' }, { method: 'tempo' }]) {
    await refuses(stand, 'challenge_unsupported', { params });
  }
  for (const params of [{ intent: 'Charge' }, { method: 'Sandbox' }]) {
    await refuses(stand, 'challenge_malformed', { params });
  }
  stand.demands([sandboxChallenge({ params: { intent: 'session' } }), sandboxChallenge()]);
  await expectPaid(stand, TEN_CENTS);
});

const post = (body: string) => () => stand.gateway.ask('/shop/v1/x', { method: 'POST', body });
const sha256 = (body: string) => createHash('sha256').update(body).digest('base64');

test('CHAL-36: a demand for another body is a mismatch, and one in no known digest is not answered', async () => {
  const wrong = (digest: string) => stand.demands(sandboxChallenge({ params: { digest } }));
  wrong(`sha-256=:${sha256('{"n":2}')}:`);
  const { receipt } = await expectNoMoney(stand, 'challenge_mismatch', post('{"n":1}'));
  expect(receipt.challenge).toMatchObject({ method: 'sandbox', intent: 'charge' });
  wrong(`sha-256=:${sha256('{"n":1}')}:`);
  await expectNoMoney(stand, 'challenge_mismatch');
  for (const digest of ['md5=:1B2M2Y8AsgTpgAmY7PhCfg==:', 'unixsum=:AAAB:']) {
    wrong(digest);
    await expectNoMoney(stand, 'challenge_unsupported', post('{"n":1}'));
  }
  for (const digest of ['sha-256', 'sha-256=:short:', `sha-256=:${sha256('x')}`, 'x y', `sha-256=${sha256('x')} x`]) {
    wrong(digest);
    await expectNoMoney(stand, 'challenge_malformed', post('{"n":1}'));
  }
  wrong(`sha-256=:${sha256('{"n":1}')}:`);
  await expectPaid(stand, TEN_CENTS, post('{"n":1}'));
});

test('CHAL-37: a large, nested or unreadable opaque is refused; a flat one comes back as it was', async () => {
  const wire = (text: string) => Buffer.from(text).toString('base64url');
  const odd = ['{"a":{"b":"c"}}', '{"a":1}', '["a"]', '"a"', '{"a":"b","a":"c"}', 'x', `{"a":"${'x'.repeat(20_000)}"}`];
  for (const opaque of odd.map(wire)) await refuses(stand, 'challenge_malformed', { params: { opaque } });
  const opaque = wire('{"__proto__":"<script>","b":"x","a":"y"}');
  demands({ params: { opaque } });
  await expectPaid(stand, TEN_CENTS);
  const [, value = ''] =
    stand.merchant.requests.at(-1)?.headers.find(([name]) => name.toLowerCase() === 'authorization') ?? [];
  const credential = JSON.parse(Buffer.from(value.slice('Payment '.length), 'base64url').toString());
  expect(credential.challenge.opaque).toBe(opaque);
  // Far beyond what a header section may hold: the service is as good as broken.
  stand.demands(sandboxChallenge({ params: { opaque: wire(`{"a":"${'x'.repeat(1_000_000)}"}`) } }));
  await expectNoMoney(stand, 'upstream_unreachable');
});

test('CHAL-39: a challenge that was paid is not paid again: not by another agent, not over other terms', async () => {
  const challenge = sandboxChallenge();
  stand.demands(challenge);
  await expectPaid(stand, TEN_CENTS);
  const id = /id="([^"]+)"/.exec(challenge)?.[1] ?? '';
  const others = sandboxChallenge({ params: { id, realm: 'other.test' }, request: { amount: '3' } });
  stand.behave({ unpaid: (_, { target }) => demand(target.endsWith('other') ? others : challenge) });
  const [before, seq] = [await stand.money(), await stand.lastSeq()];
  const asks = ['same', 'other'].map((path) => stand.gateway.ask(`/shop/v1/${path}`, { agent: 'buyer-2' }));
  const codes = await Promise.all(asks.map(async (answer) => ((await (await answer).json()) as { code: string }).code));
  expect(codes).toEqual(['challenge_reused', 'challenge_reused']);
  expect(await stand.money()).toEqual(before);
  expect((await stand.sealedAfter(seq)).map(({ kind, decision }) => [kind, decision?.code])).toEqual([
    ['refused', 'challenge_reused'],
    ['refused', 'challenge_reused'],
  ]);
  expect(stand.merchant.books.taken.filter(({ challengeId }) => challengeId === id)).toHaveLength(1);
});

test('CHAL-47: plain http beyond loopback is refused at load, and a redirect to it carries nothing along', async () => {
  const services = '\n  - { id: shop, upstream: "http://shop.example", allowPrivateNetwork: true }';
  await expect(startGateway({ sections: { services } })).rejects.toThrow(/upstream/);
  stand.behave({
    unpaid: answer(302, {
      headers: [
        ['Location', 'http://elsewhere.example/pay'],
        ['WWW-Authenticate', sandboxChallenge()],
      ],
    }),
  });
  await expectNoMoney(stand, 'redirect_forbidden');
});

test('CHAL-48: a 402 without a payment challenge is not supported', async () => {
  for (const lines of [[], ['Basic realm="x"'], ['Bearer'], ['Negotiate abc='], ['X402 id="1"']]) {
    await refuses(stand, 'challenge_unsupported', lines);
  }
});

test('CHAL-49: a demand on any other status is never paid, and its headers do not reach the agent', async () => {
  for (const status of [200, 401, 403, 404, 503]) {
    stand.behave({
      unpaid: answer(status, {
        headers: [
          ['WWW-Authenticate', `Basic realm="own", ${sandboxChallenge()}`],
          ['WWW-Authenticate', sandboxChallenge()],
          ['WWW-Authenticate', 'L402 macaroon="a", invoice="b"'],
          ['PAYMENT-REQUIRED', 'e30'],
        ],
        body: 'as it came',
      }),
    });
    const { answer: got, ...outcome } = await watch(stand);
    expect(outcome).toMatchObject({ taken: 0, settled: 0n, held: 0n, body: 'as it came', sealed: [] });
    expect(outcome.requests.map(({ paid }) => paid)).toEqual([false]);
    expect(got.status).toBe(status);
    expect(got.headers.get('www-authenticate')).toBe('Basic realm="own"');
    expect(got.headers.get('payment-required')).toBeNull();
    expect(got.headers.get('purser-receipt')).toBeNull();
  }
});

test('CHAL-50: a 402 out of a cache is not paid: its challenge was seen before, or it has expired', async () => {
  const cached = { headers: [['Age', '3600'] as const, ['Cache-Control', 'public, max-age=86400'] as const] };
  const old = sandboxChallenge();
  stand.behave({ unpaid: demand(old, cached) });
  await expectPaid(stand, TEN_CENTS);
  await expectNoMoney(stand, 'challenge_reused');
  stand.behave({ unpaid: demand(sandboxChallenge({ expiresInMs: -3_600_000 }), cached) });
  await expectNoMoney(stand, 'challenge_expired');
  stand.behave({ unpaid: (nth) => demand(nth < 3 ? old : sandboxChallenge(), cached), paid: goods });
  await expectPaid(stand, TEN_CENTS);
});
