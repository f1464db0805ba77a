// Requests written to be read in two ways, by the gateway and by the service behind it. What cannot be read in one way
// alone is answered 400 on a connection that closes, and the service sees one request or none.
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { hostileMerchant } from '../fakes/hostile-merchant.ts';
import { sandboxChallenge } from '../fakes/sandbox-challenge.ts';
import * as script from '../fakes/script.ts';
import { askRaw } from '../support/gateway.ts';
import { expectPaid, type Stand, startStand, watch } from '../support/stand.ts';

let stand: Stand;
let token: string;
beforeAll(async () => {
  stand = await startStand({
    policies: `agents: [{ id: buyer-1, owner: dana@example.com }, { id: buyer-2, owner: sam@example.com }]
budgets: [{ id: purse, limit: 1000.00 USD, window: day, per: agent }]
entitlements:
  - id: buys
    agents: { id: "*" }
    services: [shop]
    requests: ["* /api/paid", "* /api/paid/**", "* /v1/**"]
    assets: [usd.sandbox]
    payees: [acme]
    ceiling: 1.00 USD
    budgets: [purse]
`,
  });
  token = await stand.gateway.token();
});
afterAll(() => stand.close());
beforeEach(() => stand.behave({ unpaid: script.goods }));

const lines = (line: string, ...headers: string[]) => [line, 'Host: gateway', `Purser-Token: ${token}`, ...headers];
const whole = (headers: string[], body = '') => `${headers.join('\r\n')}\r\n\r\n${body}`;
const post = (...headers: string[]) => lines('POST /shop/v1/x HTTP/1.1', ...headers);
const smuggled = whole(lines('GET /shop/v1/smuggled HTTP/1.1'));

/** Sends the bytes; everything that came back until the connection closed, or a while after the last byte. */
function talk(bytes: string, quietMs = 300): Promise<{ seen: string; closed: boolean }> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(stand.gateway.agents).port), '127.0.0.1');
    socket.write(Buffer.from(bytes, 'latin1'));
    let seen = '';
    let quiet: NodeJS.Timeout | undefined;
    const end = (closed: boolean) => {
      clearTimeout(quiet);
      socket.destroy();
      resolve({ seen, closed });
    };
    socket.on('data', (chunk) => {
      seen += chunk.toString('latin1');
      clearTimeout(quiet);
      quiet = setTimeout(() => end(false), quietMs);
    });
    socket.on('error', () => {});
    socket.on('close', () => end(true));
  });
}

const answers = (seen: string) => [...seen.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((match) => match[1]);

/** 400 once, closed, and at most `atMost` requests reached the service, none of them the smuggled one. */
async function expectUnreadable(bytes: string, atMost = 0): Promise<void> {
  const read = stand.merchant.requests.length;
  const { seen, closed } = await talk(bytes);
  expect(answers(seen), JSON.stringify(bytes.slice(0, 300))).toEqual(['400']);
  expect(seen).toMatch(/^HTTP\/1\.1 400 [^\0]*\r\nConnection: close\r\n/i);
  const body = seen.slice(seen.indexOf('\r\n\r\n') + 4);
  expect(JSON.parse(body)).toMatchObject({ code: 'target_forbidden', error: { type: expect.any(String) } });
  expect(closed).toBe(true);
  const reached = stand.merchant.requests.slice(read);
  expect(reached.length).toBeLessThanOrEqual(atMost);
  expect(reached.map(({ target }) => target)).not.toContain('/v1/smuggled');
}

test('PROXY-01: a length and chunks together are unreadable, in either order', async () => {
  const body = `0\r\n\r\n${smuggled}`;
  await expectUnreadable(whole(post(`Content-Length: ${body.length}`, 'Transfer-Encoding: chunked'), body));
  await expectUnreadable(whole(post('Transfer-Encoding: chunked', `Content-Length: ${body.length}`), body));
  await expectUnreadable(whole(post('Transfer-Encoding: chunked', 'Content-Length: 3'), body));
  await expectUnreadable(whole(post('Content-Length: 0', 'Transfer-Encoding: chunked'), body));
});

test('PROXY-01: a service whose answer has both, or two lengths, is not believed', async () => {
  const head = 'HTTP/1.1 200 OK\r\n';
  const odd = [
    `${head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\ngoods\r\n0\r\n\r\n`,
    `${head}Content-Length: 5\r\nContent-Length: 6\r\n\r\ngoods!`,
    `${head}Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\ngoods`,
  ];
  for (const bytes of odd) {
    stand.behave({ unpaid: [{ do: 'write', bytes }, { do: 'close' }] });
    const outcome = await watch(stand, () => stand.gateway.ask('/shop/v1/x'));
    expect(outcome.answer.status).toBe(502);
    expect(outcome.body).not.toContain('goods');
  }
  // What follows a whole answer is nobody's answer.
  stand.behave({ unpaid: [...script.goods, ...script.answer(200, { body: 'poison' })] });
  for (let nth = 0; nth < 5; nth++) {
    const outcome = await watch(stand, () => stand.gateway.ask(`/shop/v1/${nth}`, { agent: 'buyer-2' }));
    expect(outcome.body).not.toContain('poison');
  }
});

test('PROXY-02: a transfer coding that is not chunked alone is unreadable', async () => {
  const codings = [
    'xchunked',
    'chunked, identity',
    'identity',
    'chunked, chunked',
    'gzip',
    'chunked;q=1',
    '"chunked"',
    '',
  ];
  for (const coding of codings) {
    await expectUnreadable(whole(post(`Transfer-Encoding: ${coding}`), `0\r\n\r\n${smuggled}`));
  }
  const twice = post('Transfer-Encoding: chunked', 'Transfer-Encoding: identity');
  await expectUnreadable(whole(twice, `0\r\n\r\n${smuggled}`));
  await expectUnreadable(whole(post('Transfer-Encoding : chunked'), `0\r\n\r\n${smuggled}`));
  await expectUnreadable(whole(post('Transfer-Encoding:\x0bchunked'), `0\r\n\r\n${smuggled}`));
});

test('PROXY-03: a length that is not one plain number is unreadable', async () => {
  const lengths = ['5, 5', '+5', '0x5', '5 5', '-5', '', '5e0', '1'.repeat(31), '５', '5;', "5'"];
  for (const length of lengths) await expectUnreadable(whole(post(`Content-Length: ${length}`), `hello${smuggled}`));
  await expectUnreadable(whole(post('Content-Length: 5', 'Content-Length: 6'), `hello${smuggled}`));
  await expectUnreadable(whole(post('Content-Length: 5', 'Content-Length: 5'), `hello${smuggled}`));
});

test('PROXY-04: chunks with a bare line feed, an odd or endless size, or a huge extension are cut off', async () => {
  const chunked = (body: string) => whole(post('Transfer-Encoding: chunked'), body);
  const bodies = [
    `5\nhello\r\n0\r\n\r\n${smuggled}`,
    `5\r\nhello0\r\n\r\n${smuggled}`,
    `5\r\nhellohello\r\n0\r\n\r\n${smuggled}`,
    `${'f'.repeat(17)}\r\nhello\r\n0\r\n\r\n${smuggled}`,
    `-5\r\nhello\r\n0\r\n\r\n${smuggled}`,
    `0x5\r\nhello\r\n0\r\n\r\n${smuggled}`,
    ` 5\r\nhello\r\n0\r\n\r\n${smuggled}`,
    `5;${'x'.repeat(1_000_000)}\r\nhello\r\n0\r\n\r\n${smuggled}`,
  ];
  for (const body of bodies) {
    const read = stand.merchant.requests.length;
    const { seen, closed } = await talk(chunked(body));
    expect(answers(seen).slice(0, 1), JSON.stringify(body.slice(0, 40))).toEqual(['400']);
    expect(closed).toBe(true);
    const reached = stand.merchant.requests.slice(read);
    expect(reached.map(({ target }) => target)).not.toContain('/v1/smuggled');
    expect(reached.filter(({ body: got }) => got.length > 10)).toEqual([]);
  }
  await expectPaidStill();
});

test('PROXY-04: bytes after the last chunk are another request or none, never part of an answer', async () => {
  const chunked = whole(post('Transfer-Encoding: chunked'), '5\r\nhello\r\n0\r\n\r\n');
  const { seen, closed } = await talk(`${chunked}garbage\r\n\r\n`);
  expect(answers(seen).every((status) => status === '200' || status === '400')).toBe(true);
  expect(closed).toBe(true);
  const second = await talk(chunked + whole(lines('GET /shop/v1/second HTTP/1.1', 'Connection: close')));
  expect(answers(second.seen)).toEqual(['200', '200']);
});

/** Sends the first bytes, then, when the answer has begun to stream, the second; what was seen until it closed. */
async function spoil(first: string, second: string): Promise<string> {
  const socket = connect(Number(new URL(stand.gateway.agents).port), '127.0.0.1');
  let seen = '';
  let closed = false;
  socket.on('data', (chunk) => {
    seen += chunk.toString('latin1');
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    closed = true;
  });
  socket.write(first);
  while (!seen.includes('xxxxxxxxxx')) await sleep(2);
  socket.write(second);
  while (!closed) await sleep(2);
  return seen;
}

test('PROXY-04: a body that turns unreadable breaks off the answer that streams, with nothing in between', async () => {
  const early = await hostileMerchant({
    readBody: false,
    unpaid: [...script.endless(200, [], 1, 10).slice(0, -1), ...script.hang],
  });
  const streaming = await startStand({
    sections: { services: `\n  - { id: shop, upstream: "${early.url}", allowPrivateNetwork: true }` },
  });
  const [standing, ownToken] = [stand, token];
  try {
    stand = streaming;
    token = await streaming.gateway.token();
    const seen = await spoil(whole(post('Transfer-Encoding: chunked'), '5\r\nhello\r\n'), 'no size\r\n');
    expect(answers(seen)).toEqual(['200']);
    expect(seen).not.toContain('target_forbidden');
    expect(seen.endsWith('0\r\n\r\n')).toBe(false);
  } finally {
    [stand, token] = [standing, ownToken];
    await streaming.close();
    await early.close();
  }
});

test('PROXY-04: what follows a whole request and cannot be read waits until that was answered', async () => {
  const stream = script.endless(200, [], 5, 10, 20).slice(0, -1);
  stand.behave({ unpaid: [...stream, { do: 'write', bytes: '0\r\n\r\n' }] });
  const seen = await spoil(whole(lines('GET /shop/v1/x HTTP/1.1')), '\0garbage\r\n\r\n');
  expect(answers(seen)).toEqual(['200']);
  expect(seen.match(/x{10}/g)).toHaveLength(5);
  expect(seen.endsWith('0\r\n\r\n')).toBe(true);
  const old = await spoil(whole(lines('GET /shop/v1/x HTTP/1.1')), whole(lines('GET /shop/v1/x HTTP/0.9')));
  expect(answers(old)).toEqual(['200']);
  expect(old.endsWith('0\r\n\r\n')).toBe(true);
  stand.behave({ paid: [{ do: 'wait', ms: 50 }, ...script.goods] });
  const taken = stand.merchant.books.taken.length;
  const paid = await talk(`${whole(lines('GET /shop/v1/garbage HTTP/1.1'))}\0garbage\r\n\r\n`);
  expect(answers(paid.seen)).toEqual(['200']);
  expect(paid.seen).toContain('state=settled');
  expect(paid.closed).toBe(true);
  expect(stand.merchant.books.taken.length).toBe(taken + 1);
});

test('PROXY-05: header lines that are folded, split, empty or hold control bytes are unreadable', async () => {
  const odd = [
    'X-Folded: a\r\n b',
    'X-Space : a',
    'X-Bare: a\rb',
    'X-Feed: a\n\nGET /shop/v1/smuggled HTTP/1.1\nHost: gateway',
    'X-Nul: a\0b',
    ': nameless',
    ' X-Leading: a',
    'X-N\u00e4me: a',
    'X(Name): a',
    'no colon at all',
  ];
  for (const header of odd) await expectUnreadable(whole(lines('GET /shop/v1/x HTTP/1.1', header)));
  for (const line of ['GET /shop/v1/x HTTP/1.1 x', 'GET /shop/v1/x', 'get /shop/v1/x HTTP/1.1']) {
    await expectUnreadable(whole(lines(line)));
  }
  await expectUnreadable(whole(['GET /shop/v1/x HTTP/1.1', `Purser-Token: ${token}`]));
  const read = stand.merchant.requests.length;
  const twoHosts = await talk(whole([...lines('GET /shop/v1/x HTTP/1.1'), 'Host: other']));
  expect(twoHosts.seen).toMatch(/^HTTP\/1\.1 400 .*"code":"target_forbidden"/s);
  expect(stand.merchant.requests.length).toBe(read);
});

async function expectPaidStill(): Promise<void> {
  stand.behave({});
  await expectPaid(stand, 100_000n);
  stand.behave({ unpaid: script.goods });
}

test('PROXY-06: when an answer comes before the body’s end, nobody else gets the rest of it', async () => {
  const early = script.answer(200, { body: 'early' });
  stand.behave({
    unpaid: (_, request) => (request.method === 'POST' ? early : script.answer(200, { body: request.target })),
  });
  const body = 'x'.repeat(500_000);
  const both = Array.from({ length: 20 }, async (_, nth) => {
    const own = `/v1/${nth}`;
    const [, answer] = await Promise.all([
      stand.gateway.ask('/shop/v1/up', { method: 'POST', body }).then((got) => got.text()),
      stand.gateway.ask(`/shop${own}`, { agent: 'buyer-2' }).then((got) => got.text()),
    ]);
    expect(answer).toBe(own);
  });
  await Promise.all(both);
});

/** Refused, or sent upstream byte for byte as it came; never anything between. */
async function expectRefusedTarget(target: string): Promise<void> {
  const read = stand.merchant.requests.length;
  const { seen } = await talk(whole(lines(`GET ${target} HTTP/1.1`, 'Connection: close')));
  expect(answers(seen), target.slice(0, 80)).toEqual(['400']);
  expect(stand.merchant.requests.length).toBe(read);
}

test('PROXY-14: a path that climbs, plainly or escaped, is refused', async () => {
  const climbs = [
    '..',
    '%2e%2e',
    '%2E%2e',
    '.%2E',
    '%2e.',
    '..%2f',
    '..%5c',
    '..;',
    '..;x=1',
    '%252e%252e',
    '.',
    '%2e',
  ];
  for (const climb of climbs) await expectRefusedTarget(`/shop/api/paid/${climb}/admin`);
  for (const target of ['/../shop/api/paid', '/shop/..', '/shop/api/paid/..', '/%73hop/api/paid', '/..%2fshop/api']) {
    await expectRefusedTarget(target);
  }
});

test('PROXY-15: escaped slashes, NUL, backslashes and double slashes are refused', async () => {
  const odd = ['/shop/api%2fpaid', '/shop/api%2Fpaid', '/shop/api\\paid', '/shop/api%5cpaid', '/shop//api/paid'];
  const odder = [
    '//shop/api/paid',
    '/shop/api/paid%00.json',
    '/shop/api/paid%0d%0aX:y',
    '/shop/api//paid',
    '/shop/api/paid%7f',
  ];
  for (const target of [...odd, ...odder, '/shop/api/paid%', '/shop/api/paid%zz', '/shop/%61pi/paid']) {
    await expectRefusedTarget(target);
  }
});

test('PROXY-16: another spelling of a path is another path: the same rule or none, never a free way in', async () => {
  const read = stand.merchant.requests.length;
  for (const path of ['/API/Paid', '/api/paid.', '/api/paid;x=1', '/api/PAID', '/api/paid%20', '/Api/paid', '/api']) {
    const answer = await stand.gateway.ask(`/shop${path}`);
    expect([path, answer.status, ((await answer.json()) as { code: string }).code]).toEqual([
      path,
      403,
      'no_entitlement',
    ]);
  }
  for (const path of ['/Shop/api/paid', '/shop./api/paid', '/shop;x/api/paid']) {
    expect((await stand.gateway.ask(path)).status).toBe(404);
  }
  expect(stand.merchant.requests.length).toBe(read);
  for (const path of ['/api/paid', '/api/paid?x=/../admin', '/api/paid/', '/api/paid/a;b=c/d%20e']) {
    expect((await stand.gateway.ask(`/shop${path}`)).status).toBe(200);
    expect(stand.merchant.requests.at(-1)?.target).toBe(path);
  }
});

test('PROXY-17: headers that name another method or target never reach the service', async () => {
  const names = ['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override', 'X-Original-URL', 'X-Rewrite-URL'];
  const { seen } = await talk(
    whole(lines('GET /shop/api/paid HTTP/1.1', ...names.map((name) => `${name}: DELETE`), 'Connection: close')),
  );
  expect(answers(seen)).toEqual(['200']);
  const sent = stand.merchant.requests.at(-1);
  expect(sent?.method).toBe('GET');
  expect(sent?.raw.toString('latin1')).not.toMatch(/DELETE|override|original-url|rewrite/i);
  const trace = await askRaw(stand.gateway.agents, { method: 'TRACE', path: '/shop/api/paid' });
  expect(trace.status).toBe(405);
});

test('PROXY-17: another method on a paid path is paid for as well, and HEAD is no way around', async () => {
  stand.behave({});
  for (const method of ['HEAD', 'OPTIONS', 'DELETE', 'PATCH']) {
    stand.behave({ paid: script.answer(200, { contentLength: 0 }) });
    await expectPaid(stand, 100_000n, () => stand.gateway.ask('/shop/api/paid', { method }));
  }
});

test('PROXY-20: nothing that an agent says of itself reaches the service as a header', async () => {
  const odd = await stand.gateway.token('buyer-1', { task: 'x: y; z' });
  const claims = [
    'X-Agent-Id: admin',
    'X-Forwarded-For: 10.0.0.1',
    'Forwarded: for=10.0.0.1',
    'Via: 1.1 x',
    'X_Agent_Id: y',
  ];
  const request = [
    'GET /shop/api/paid HTTP/1.1',
    'Host: gateway',
    `Purser-Token: ${odd}`,
    ...claims,
    'Connection: close',
  ];
  expect(answers((await talk(whole(request))).seen)).toEqual(['200']);
  const raw = stand.merchant.requests.at(-1)?.raw.toString('latin1') ?? '';
  expect(raw).not.toMatch(/agent.id|forwarded|via|x: y|purser-token|buyer-1/i);
  expect(raw.match(/^host: /gim)).toHaveLength(1);
});

test('PROXY-32: a compressed answer passes as it came, however much it would unpack to', async () => {
  const { gzipSync } = await import('node:zlib');
  const bomb = gzipSync(Buffer.alloc(20_000_000));
  const head = `HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${bomb.length}\r\n\r\n`;
  stand.behave({ unpaid: [{ do: 'write', bytes: Buffer.concat([Buffer.from(head), bomb]) }] });
  const { seen } = await talk(whole(lines('GET /shop/api/paid HTTP/1.1', 'Connection: close')));
  expect(seen).toContain('Content-Encoding: gzip');
  expect(Buffer.from(seen.slice(seen.indexOf('\r\n\r\n') + 4), 'latin1').equals(bomb)).toBe(true);
});

test('PROXY-37: a paid answer is in no shared cache, and another agent’s equal request buys for itself', async () => {
  stand.behave({ paid: script.answer(200, { headers: [['Cache-Control', 'public, s-maxage=600']], body: 'goods' }) });
  for (const agent of ['buyer-1', 'buyer-2']) {
    const { outcome } = await expectPaid(stand, 100_000n, () => stand.gateway.ask('/shop/api/paid?same', { agent }));
    expect(outcome.answer.headers.get('cache-control')).toBe('private');
  }
});

test('PROXY-38: each range is a purchase, and a 304 after the payment is what was bought', async () => {
  stand.behave({ paid: script.answer(206, { headers: [['Content-Range', 'bytes 0-0/9']], body: 'x' }) });
  for (const range of ['bytes=0-0', 'bytes=0-0', 'bytes=1-1']) {
    await expectPaid(stand, 100_000n, () => stand.gateway.ask('/shop/api/paid', { headers: { range } }));
  }
  stand.behave({ paid: script.answer(304, { contentLength: null }) });
  const headers = { 'if-none-match': '"x"' };
  await expectPaid(stand, 100_000n, () => stand.gateway.ask('/shop/api/paid', { headers }));
  stand.demands(sandboxChallenge());
});

test('PROXY-41: targets that are too long, hold control characters, fragments or userinfo are refused', async () => {
  await expectRefusedTarget(`/shop/v1/${'x'.repeat(17_000)}`);
  for (const target of [
    '/shop/v1/x#y',
    'http://user:pass@gateway/shop/v1/x',
    '/shop/v1/x?y#z',
    '/shop/v1/x\x01',
    '*',
  ]) {
    await expectRefusedTarget(target);
  }
  const { seen, closed } = await talk(whole(lines(`GET /shop/v1/${'x'.repeat(64_000)} HTTP/1.1`)));
  expect(answers(seen)).toEqual(['431']);
  expect(closed).toBe(true);
});
