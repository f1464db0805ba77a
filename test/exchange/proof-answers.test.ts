// What each answer to a payment proof means: row by row what the agent gets, what is sealed, how the hold stands, and
// what the merchant has in its books.
import { once } from 'node:events';
import { get } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { sandboxChallenge } from '../fakes/sandbox-challenge.ts';
import * as script from '../fakes/script.ts';
import { freePort } from '../support/gateway.ts';
import { expectPaid, type Outcome, type Problem, type Stand, startStand, watch } from '../support/stand.ts';

let stand: Stand;
let rawPort: number;
let raw: Server | undefined;
beforeAll(async () => {
  rawPort = await freePort();
  const service = (id: string, upstream: string, more = '') =>
    `\n  - { id: ${id}, upstream: "${upstream}", allowPrivateNetwork: true${more} }`;
  stand = await startStand({
    sections: {
      services:
        service('shop', 'UPSTREAM') +
        service('hasty', 'UPSTREAM', ', limits: { paymentSettle: 400ms }') +
        service('raw', `http://127.0.0.1:${rawPort}`),
    },
    policies: `agents: [{ id: buyer-1, owner: dana@example.com }]
budgets: [{ id: purse, limit: 1000.00 USD, window: day, per: agent }]
entitlements:
  - id: buys
    agents: { id: buyer-1 }
    services: [shop, hasty, raw]
    assets: [usd.sandbox]
    payees: [acme]
    ceiling: 1.00 USD
    budgets: [purse]
`,
  });
});
afterAll(() => stand.close());
afterEach(async () => {
  raw?.close();
  raw = undefined;
});

const PRICE = 100_000n;
let asked = 0;
const ask = (service = 'shop', init: RequestInit = {}) => stand.gateway.ask(`/${service}/v1/${++asked}`, init);

const TITLES = {
  payment_rejected: 'Payment proof not accepted by the service',
  paid_not_delivered: 'Service failed after the payment proof',
  payment_uncertain: 'Payment outcome unknown',
} as const;

/** The agent is told 424 with the numbers; the money stays held; the hold is shown as uncertain; nothing is settled. */
async function expectUncertain(outcome: Outcome, code: keyof typeof TITLES, upstreamStatus: number | null) {
  const { answer, sealed } = outcome;
  expect(sealed.map(({ kind }) => kind)).toEqual(['intended', 'uncertain']);
  const [intended, uncertain] = sealed;
  expect(outcome).toMatchObject({ settled: 0n, held: PRICE });
  expect([answer.status, answer.statusText]).toEqual([424, TITLES[code]]);
  const problem: Problem = JSON.parse(outcome.body);
  const redeemableUntil = intended?.proof?.redeemableUntil;
  expect(problem).toEqual({
    type: `urn:purser:problem:${code}`,
    title: TITLES[code],
    status: 424,
    detail: expect.any(String),
    code,
    receipt: uncertain?.id,
    amount: '0.100000',
    state: 'exposed',
    redeemableUntil,
    ...(upstreamStatus === null ? {} : { upstreamStatus }),
    error: { message: problem.detail, type: 'purser_refusal', code },
  });
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    'content-type': 'application/problem+json',
    'cache-control': 'no-store',
    'purser-receipt': `"${uncertain?.id}";state=refused;code="${code}"`,
    'x-should-retry': 'false',
  });
  for (const name of ['www-authenticate', 'retry-after', 'location', 'payment-receipt']) {
    expect(answer.headers.get(name)).toBeNull();
  }
  const settlement = upstreamStatus === null ? undefined : { upstreamStatus };
  expect(uncertain?.settlement).toEqual(settlement);
  expect(uncertain?.decision).toMatchObject({ outcome: 'allowed', code });
  const hold = (await stand.holds()).find(({ id }) => id === uncertain?.hold?.id);
  expect(hold).toMatchObject({ state: 'uncertain', amount: '0.100000', ending: { code, upstreamStatus } });
  return problem;
}

for (const status of [200, 201, 202, 203, 206, 299]) {
  test(`a final ${status} settles, and its answer is handed on with the receipt`, async () => {
    stand.behave({
      paid: script.answer(status, { headers: [['X-Own', 'kept']], body: 'the goods', reason: 'As It Came' }),
    });
    const { outcome, settled } = await expectPaid(stand, PRICE, () => ask());
    const { answer } = outcome;
    expect([answer.status, answer.statusText, outcome.body]).toEqual([status, 'As It Came', 'the goods']);
    const header = `"${settled.id}";state=settled;amount="0.100000";currency="USD"`;
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'purser-receipt': header,
      'cache-control': 'private',
      'x-own': 'kept',
    });
    expect(settled.settlement).toEqual({ evidence: 'answered', upstreamStatus: status });
    expect(outcome.sealed[2]?.delivery).toEqual({ outcome: 'whole', bytes: 9 });
    expect(await stand.holds()).not.toContainEqual(expect.objectContaining({ id: settled.hold?.id }));
  });
}

test('a final 204 or 304 settles too, also when its head states a length', async () => {
  for (const [status, contentLength] of [
    [204, null],
    [304, null],
    [304, 5],
  ] as const) {
    stand.behave({ paid: script.answer(status, { contentLength, headers: [['ETag', '"x"']] }) });
    const { outcome, settled } = await expectPaid(stand, PRICE, () => ask());
    expect([outcome.answer.status, outcome.body]).toEqual([status, '']);
    expect(settled.settlement).toMatchObject({ upstreamStatus: status });
    expect(outcome.sealed[2]?.delivery).toEqual({ outcome: 'whole', bytes: 0 });
  }
});

test('a paid answer that may not be stored at all stays so, and a shared cache never gets one', async () => {
  for (const [sent, shown] of [
    ['no-store', 'private, no-store'],
    ['public, max-age=600', 'private'],
    ['private, max-age=5', 'private'],
  ] as const) {
    stand.behave({ paid: script.answer(200, { headers: [['Cache-Control', sent]] }) });
    const { outcome } = await expectPaid(stand, PRICE, () => ask());
    expect(outcome.answer.headers.get('cache-control')).toBe(shown);
  }
});

test('402 again: rejected, asked once, the money stays held', async () => {
  stand.behave({ paid: script.demand(sandboxChallenge()) });
  const outcome = await watch(stand, () => ask());
  await expectUncertain(outcome, 'payment_rejected', 402);
  expect(outcome.requests.map(({ paid }) => paid)).toEqual([false, true]);
});

for (const status of [408, 409, 425, 429, 500, 501, 502, 503, 504, 599]) {
  test(`${status}: paid and not delivered, whatever else the answer says`, async () => {
    const receipt = Buffer.from('{"status":"success","reference":"tx"}').toString('base64url');
    stand.behave({
      paid: script.answer(status, {
        headers: [
          ['Payment-Receipt', receipt],
          ['Retry-After', '0'],
        ],
        body: 'foreign text',
      }),
    });
    const outcome = await watch(stand, () => ask());
    expect(outcome).toMatchObject({ taken: 1 });
    await expectUncertain(outcome, 'paid_not_delivered', status);
    expect(outcome.body).not.toContain('foreign');
  });
}

test('a redirect to elsewhere: paid and not delivered, and the agent is not sent there', async () => {
  const other = `http://127.0.0.1:${rawPort}/x`;
  for (const location of [other, 'https://evil.example/', '//evil.example/x', 'javascript:alert(1)', 'http://[x']) {
    stand.behave({ paid: script.redirect(302, location) });
    const outcome = await watch(stand, () => ask());
    await expectUncertain(outcome, 'paid_not_delivered', 302);
    expect(outcome.body).not.toContain('evil');
  }
});

test('101 to another protocol: paid and not delivered', async () => {
  stand.behave({ paid: script.switchProtocols });
  await expectUncertain(await watch(stand, () => ask()), 'paid_not_delivered', 101);
});

for (const status of [300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 410, 413, 418, 422, 451, 499]) {
  test(`${status}: the answer is handed on, the money stays held`, async () => {
    const headers: [string, string][] = [
      ['WWW-Authenticate', `Basic realm="own", ${sandboxChallenge()}`],
      ['X-Own', 'kept'],
    ];
    if (status < 400) headers.push(['Location', '/v1/moved?x=1#y']);
    stand.behave({ paid: script.answer(status, { headers, body: 'as it came' }) });
    const outcome = await watch(stand, () => ask());
    const { answer, sealed } = outcome;
    expect(sealed.map(({ kind }) => kind)).toEqual(['intended', 'uncertain', 'delivered']);
    expect(outcome).toMatchObject({ taken: 1, settled: 0n, held: PRICE, body: 'as it came' });
    expect(answer.status).toBe(status);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'purser-receipt': `"${sealed[1]?.id}";state=exposed;amount="0.100000";currency="USD"`,
      'cache-control': 'private',
      'www-authenticate': 'Basic realm="own"',
      'x-own': 'kept',
    });
    expect(answer.headers.get('location')).toBe(status < 400 ? '/shop/v1/moved?x=1#y' : null);
    expect(sealed[1]?.settlement).toEqual({ upstreamStatus: status });
    const hold = (await stand.holds()).find(({ id }) => id === sealed[1]?.hold?.id);
    expect(hold).toMatchObject({ state: 'uncertain', ending: { code: null, upstreamStatus: status } });
  });
}

test('nothing final within paymentSettle: uncertain, whatever else keeps coming', async () => {
  const interim = script.answer(103, { headers: [['Link', '</a>']], contentLength: null });
  const flood = Array.from({ length: 200 }, () => [...interim, { do: 'wait' as const, ms: 5 }]).flat();
  for (const paid of [script.hang, [...script.resetAfter(20).slice(0, 1), ...script.hang], flood]) {
    stand.behave({ paid });
    const outcome = await watch(stand, () => ask('hasty'));
    expect(outcome.taken).toBe(1);
    await expectUncertain(outcome, 'payment_uncertain', null);
  }
});

test('a reset or an end before the head is whole: uncertain, and the proof is sent once', async () => {
  for (const bytes of [0, 1, 12, 40]) {
    for (const paid of [script.resetAfter(bytes), script.closeAfter(bytes)]) {
      stand.behave({ paid });
      const outcome = await watch(stand, () => ask());
      expect(outcome.requests.map((request) => request.paid)).toEqual([false, true]);
      await expectUncertain(outcome, 'payment_uncertain', null);
    }
  }
});

test('a head that cannot be read: uncertain', async () => {
  const write = (bytes: string): script.Script => [{ do: 'write', bytes }];
  const odd = ['HTTP/1.1 2000 OK\r\n\r\n', 'SSH-2.0-x\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n'];
  for (const paid of [...odd.map(write), script.hugeHeaders(200_000)]) {
    stand.behave({ paid });
    await expectUncertain(await watch(stand, () => ask()), 'payment_uncertain', null);
  }
});

test('a body that breaks off after the head changes only what is said of the delivery', async () => {
  const whole = script.answer(200, { body: 'x'.repeat(1_000) });
  const length = whole[0]?.do === 'write' ? whole[0].bytes.length : 0;
  for (const paid of [script.closeAfter(length - 500, whole), script.resetAfter(length - 500, whole)]) {
    stand.behave({ paid });
    const { outcome, settled } = await expectPaid(stand, PRICE, () => ask());
    expect(outcome.answer.status).toBe(200);
    expect(outcome.body).toBe('cut');
    expect(settled.settlement).toMatchObject({ evidence: 'answered', upstreamStatus: 200 });
    expect(outcome.sealed[2]?.delivery).toMatchObject({ outcome: 'cut' });
  }
});

test('interim answers and trailers decide nothing, and what they carry is dropped', async () => {
  const claims: [string, string][] = [
    ['Payment-Receipt', Buffer.from('{"status":"success","reference":"interim"}').toString('base64url')],
    ['WWW-Authenticate', sandboxChallenge()],
    ['Location', 'https://evil.example/'],
  ];
  const flood = Array.from({ length: 200 }, () => script.answer(103, { headers: claims, contentLength: null })).flat();
  stand.behave({ paid: [...flood, ...script.interim(102, claims, script.goods)] });
  const first = await expectPaid(stand, PRICE, () => ask());
  expect(first.settled.settlement).toEqual({ evidence: 'answered', upstreamStatus: 200 });
  stand.behave({ paid: [...flood, ...script.answer(500)] });
  await expectUncertain(await watch(stand, () => ask()), 'paid_not_delivered', 500);
  const trailers = claims.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Payment-Receipt\r\n\r\n';
  stand.behave({ paid: [{ do: 'write', bytes: `${head}5\r\ngoods\r\n0\r\n${trailers}\r\n` }] });
  const second = await expectPaid(stand, PRICE, () => ask());
  expect(second.outcome.body).toBe('goods');
  expect(second.settled.settlement).toEqual({ evidence: 'answered', upstreamStatus: 200 });
  expect(JSON.stringify(second.outcome.sealed)).not.toContain('interim');
  expect(second.outcome.answer.headers.get('trailer')).toBeNull();
  // In trailers of the unpaid answer a demand is none either.
  const unpaid = `HTTP/1.1 402 Pay\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n${trailers}\r\n`;
  stand.behave({ unpaid: [{ do: 'write', bytes: unpaid }] });
  const third = await watch(stand, () => ask());
  expect(JSON.parse(third.body)).toMatchObject({ code: 'challenge_unsupported' });
  expect(third).toMatchObject({ taken: 0, settled: 0n, held: 0n });
});

/** Takes an answer with larger headers than `fetch` does. */
const askWide = async () => {
  const headers = { 'purser-token': await stand.gateway.token() };
  const url = `${stand.gateway.agents}/shop/v1/${++asked}`;
  const [answer] = await once(get(url, { headers, maxHeaderSize: 100_000 }), 'response');
  return new Response(await text(answer), { status: answer.statusCode, headers: answer.headers });
};

const paymentReceipt = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

test('a Payment-Receipt is recorded as a claim and proves nothing; a broken or large one is not recorded', async () => {
  const forged = { status: 'success', reference: 'somebody else’s', amount: '1', timestamp: '2999-01-01T00:00:00Z' };
  const html = { status: 'success', reference: '<script>alert(1)</script>' };
  const long = { status: 'success', reference: 'r'.repeat(5_000) };
  const claims = [forged, html, long].map((value) => [paymentReceipt(value), value.reference.slice(0, 256)] as const);
  for (const [value, reference] of claims) {
    stand.behave({ paid: script.answer(200, { headers: [['Payment-Receipt', value]], body: 'goods' }) });
    const { outcome, settled } = await expectPaid(stand, PRICE, () => ask());
    expect(settled.settlement).toMatchObject({ evidence: 'answered', reference, upstreamStatus: 200 });
    expect(settled.settlement?.receiptHash).toMatch(/^[0-9a-f]{64}$/);
    expect(settled.offer).toMatchObject({ atoms: '10', payee: 'acme', value: '0.100000' });
    expect(outcome.body).toBe('goods');
  }
  const polluted = Buffer.from('{"__proto__":{"status":"success","reference":"x"}}').toString('base64url');
  const failed = paymentReceipt({ status: 'failed', reference: 'x' });
  for (const value of ['', '!!!', 'e30', polluted, failed, paymentReceipt({ ...html, pad: 'p'.repeat(20_000) })]) {
    stand.behave({ paid: script.answer(200, { headers: [['Payment-Receipt', value]], body: 'goods' }) });
    const { outcome, settled } = await expectPaid(stand, PRICE, askWide);
    expect(settled.settlement).toEqual({ evidence: 'answered', upstreamStatus: 200 });
    expect(outcome.body).toBe('goods');
  }
});

test('an uncertain purchase asked again is answered from what is known: nothing is sent, sealed or paid', async () => {
  stand.behave({ paid: script.answer(503) });
  const path = `/shop/v1/${++asked}`;
  const first = await watch(stand, () => stand.gateway.ask(path));
  const problem = await expectUncertain(first, 'paid_not_delivered', 503);
  stand.behave({});
  for (const headers of [{}, { 'x-stainless-retry-count': '1' }]) {
    const again = await watch(stand, () => stand.gateway.ask(path, { headers }));
    expect(again).toMatchObject({ requests: expect.anything(), taken: 0, settled: 0n, held: 0n, sealed: [] });
    expect(again.requests.filter(({ paid }) => paid)).toEqual([]);
    expect(again.answer.status).toBe(424);
    expect(JSON.parse(again.body)).toEqual(problem);
  }
  await expectPaid(stand, PRICE, () => stand.gateway.ask(path, { headers: { 'idempotency-key': `new-${asked}` } }));
});

/** A service on bare sockets: `unpaid` answers what comes first on each connection, `paid` a request with a proof. */
async function startRaw(onConnection: (socket: Socket, nth: number) => void): Promise<void> {
  let nth = 0;
  raw = createServer((socket) => {
    socket.on('error', () => {});
    onConnection(socket, ++nth);
  });
  raw.listen(rawPort, '127.0.0.1');
  await once(raw, 'listening');
}

const last402 = () =>
  `HTTP/1.1 402 Pay\r\nWWW-Authenticate: ${sandboxChallenge()}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`;

test('a proof that was never sent is destroyed: 502, voided, the money is back, a retry buys', async () => {
  const path = `/raw/v1/${++asked}`;
  for (const headers of [{}, { 'idempotency-key': 'unsent' }] as Record<string, string>[]) {
    const proofs: string[] = [];
    await startRaw((socket) => {
      socket.once('data', (bytes) => {
        proofs.push(...(bytes.toString('latin1').match(/authorization: Payment/gi) ?? []));
        raw?.close();
        socket.end(last402());
      });
    });
    const outcome = await watch(stand, () => stand.gateway.ask(path, { headers }));
    expect(proofs).toEqual([]);
    expect(outcome.sealed.map(({ kind }) => kind)).toEqual(['intended', 'voided']);
    expect(outcome).toMatchObject({ settled: 0n, held: 0n });
    const voided = outcome.sealed[1];
    expect([outcome.answer.status, outcome.answer.statusText]).toEqual([502, 'Service unreachable']);
    expect(JSON.parse(outcome.body)).toMatchObject({ code: 'upstream_unreachable', receipt: voided?.id });
    expect(outcome.answer.headers.get('purser-receipt')).toBe(
      `"${voided?.id}";state=refused;code="upstream_unreachable"`,
    );
    const wait = Number(outcome.answer.headers.get('retry-after'));
    expect(wait).toBeGreaterThanOrEqual(1);
    expect(wait).toBeLessThanOrEqual(30);
    expect((await stand.holds()).filter(({ id }) => id === voided?.hold?.id)).toEqual([]);
    await startRaw((socket) => {
      socket.on('data', (bytes) => {
        const paid = /authorization: Payment/i.test(bytes.toString('latin1'));
        if (paid) proofs.push('paid');
        socket.end(paid ? 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\ngoods' : last402());
      });
    });
    const again = await watch(stand, () => stand.gateway.ask(path, { headers }));
    expect(again).toMatchObject({ settled: PRICE, held: 0n, body: 'goods' });
    expect(proofs).toEqual(['paid']);
    raw?.close();
  }
});

test('a reset while the proof is on its way: never sent again, and held if any byte left', async () => {
  for (const bytes of [0, 1, 200]) {
    let connections = 0;
    await startRaw((socket, nth) => {
      connections = nth;
      let seen = 0;
      if (nth > 1 && bytes === 0) socket.resetAndDestroy();
      socket.on('data', (chunk) => {
        seen += chunk.length;
        if (nth === 1) socket.end(last402());
        else if (seen >= bytes) socket.resetAndDestroy();
      });
    });
    const outcome = await watch(stand, () => ask('raw', { method: 'POST', body: 'x'.repeat(500_000) }));
    // Reset before a byte was written, it may as well never have been sent.
    if (bytes === 0 && outcome.answer.status === 502) expect(outcome).toMatchObject({ settled: 0n, held: 0n });
    else {
      await expectUncertain(outcome, 'payment_uncertain', null);
      expect(connections).toBe(2);
    }
    raw?.close();
  }
});

test('an unpaid redirect stays on the gateway when it is the service’s own, and is refused else', async () => {
  const own = stand.merchant.url;
  for (const [location, shown] of [
    ['/v1/moved?a=b#c', '/shop/v1/moved?a=b#c'],
    [`${own}/v1/moved`, '/shop/v1/moved'],
    ['moved', '/shop/v1/moved'],
    ['?page=2', expect.stringMatching(/^\/shop\/v1\/\d+\?page=2$/)],
  ] as const) {
    stand.behave({ unpaid: script.redirect(307, location) });
    const outcome = await watch(stand, () => ask());
    expect([outcome.answer.status, outcome.answer.headers.get('location')]).toEqual([307, shown]);
    expect(outcome).toMatchObject({ sealed: [], taken: 0 });
  }
  const away = [
    'https://evil.example/x',
    '//evil.example',
    own.replace('http:', 'https:'),
    `http://u:p@${own.slice(7)}/`,
  ];
  for (const location of away) {
    stand.behave({ unpaid: script.redirect(301, location) });
    const outcome = await watch(stand, () => ask());
    expect(outcome.sealed).toMatchObject([{ kind: 'refused', decision: { code: 'redirect_forbidden' } }]);
    expect([outcome.answer.status, outcome.answer.statusText]).toEqual([424, 'Redirect to another host']);
    expect(JSON.parse(outcome.body).location).toBe(location);
    expect(outcome.answer.headers.get('location')).toBeNull();
  }
});

test('a cookie is confined to the service and this host, on free and on paid answers', async () => {
  const headers: [string, string][] = [
    ['Set-Cookie', 'a=1; Domain=merchant.test; Path=/; HttpOnly; Secure'],
    ['Set-Cookie', 'b=2; path=/v1; domain=.test'],
    ['Set-Cookie', 'c=3'],
  ];
  const shown = ['a=1; HttpOnly; Secure; Path=/shop/', 'b=2; Path=/shop/v1', 'c=3; Path=/shop/'];
  stand.behave({ unpaid: script.answer(200, { headers }) });
  expect((await watch(stand, () => ask())).answer.headers.getSetCookie()).toEqual(shown);
  stand.behave({ paid: script.answer(200, { headers }) });
  const { outcome } = await expectPaid(stand, PRICE, () => ask());
  expect(outcome.answer.headers.getSetCookie()).toEqual(shown);
});

test('headers that would speak for the gateway are taken from an answer, paid or not', async () => {
  const headers: [string, string][] = [
    ['Purser-Receipt', '"forged";state=settled;amount="0.000000";currency="USD"'],
    ['X-Should-Retry', 'true'],
    ['PAYMENT-REQUIRED', 'e30'],
    ['PAYMENT-RESPONSE', 'e30'],
    ['Connection', 'X-Hop'],
    ['X-Hop', 'gone'],
    ['WWW-Authenticate', sandboxChallenge()],
  ];
  stand.behave({ unpaid: script.answer(200, { headers }) });
  const free = await watch(stand, () => ask());
  stand.behave({ paid: script.answer(200, { headers }) });
  const { outcome: paid, settled } = await expectPaid(stand, PRICE, () => ask());
  expect(free.answer.headers.get('purser-receipt')).toBeNull();
  expect(paid.answer.headers.get('purser-receipt')).toMatch(new RegExp(`^"${settled.id}";state=settled;[^,]*$`));
  for (const { answer } of [free, paid]) {
    for (const name of ['x-should-retry', 'payment-required', 'payment-response', 'x-hop', 'www-authenticate']) {
      expect(answer.headers.get(name)).toBeNull();
    }
  }
});
