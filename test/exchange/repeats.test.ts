// Retries never pay twice: what a repeat of a purchase is answered, with a key and without, while
// the purchase runs and after it. Judged by the shop's books, the requests it read, and the budgets.
import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type PaidShop, paidShop, type ShopRequest } from '../fakes/paid-shop.ts';
import { policy, startGateway, type TestGateway } from '../support/gateway.ts';

/** Larger than all kept answers together. */
const LARGE_BYTES = 4 * 1024 * 1024;
const AGENTS = 40;

let shop: PaidShop;
let gateway: TestGateway;
/** Opens what the path of a request waits for. */
let gates: Map<string, PromiseWithResolvers<void>>;
let agent: string;
let next = 0;

const gate = (name: string): PromiseWithResolvers<void> => {
  const found = gates.get(name) ?? Promise.withResolvers<void>();
  gates.set(name, found);
  return found;
};

/** Sells by the path: `/ok`, `/status/500`, `/hang`, and what waits for the gates `head` and `rest`. */
async function sell(response: ServerResponse, { target, body }: ShopRequest): Promise<void> {
  const path = target.split('?')[0] ?? '';
  const status = Number(/^\/status\/(\d+)$/.exec(path)?.[1] ?? 200);
  if (path === '/hang') return;
  if (path === '/reset') return void response.socket?.resetAndDestroy();
  if (path === '/waits' || path === '/late') await gate('head').promise;
  if (path === '/large' || path === '/late') return void response.end(Buffer.alloc(LARGE_BYTES, 'x'));
  if (path === '/breaks') {
    response.writeHead(200, { 'content-length': 1_000 }).write('half ');
    await gate('rest').promise;
    return void response.destroy();
  }
  if (path !== '/waits' && path !== '/parts') {
    return void response.writeHead(status).end(`sale ${shop.books.length} of ${body}`);
  }
  response.write('first ');
  await gate('rest').promise;
  response.end('second');
}

beforeAll(async () => {
  gates = new Map();
  shop = await paidShop(sell);
  const agents = Array.from({ length: AGENTS }, (_, n) => `  - { id: buyer-${n}, owner: dana@example.com }`);
  gateway = await startGateway({
    upstream: shop.url,
    policies: policy({ agents: agents.join('\n') }),
    sections: {
      limits: '{ paymentSettle: 1s, diskReserve: 0B, keptAnswers: 128KiB, repeatWindow: 2s }',
    },
  });
});

beforeEach(() => {
  gates = new Map();
  agent = `buyer-${next}`;
  next += 1;
});

afterAll(async () => {
  await gateway.close();
  await shop.close();
});

const ask = (path: string, init: RequestInit & { agent?: string } = {}): Promise<Response> =>
  gateway.ask(`/shop${path}`, { agent, ...init });
const keyed = (key: string): RequestInit => ({ headers: { 'idempotency-key': key } });
const RETRY: RequestInit = { headers: { 'x-stainless-retry-count': '1' } };

/** What this test's shop took, was asked, and was shown as proofs since now. */
function watch(): { taken(): number; asked(): number; proofs(): number } {
  const [taken, asked] = [shop.books.length, shop.requests.length];
  const since = () => shop.requests.slice(asked);
  return {
    taken: () => shop.books.length - taken,
    asked: () => since().length,
    proofs: () => since().filter(({ paid }) => paid).length,
  };
}

/** Asks, and leaves as soon as `when` has resolved. */
async function leaveWhen(path: string, when: (answer: Promise<Response>) => Promise<unknown>, init: RequestInit = {}) {
  const leaving = new AbortController();
  const answer = ask(path, { ...init, signal: leaving.signal });
  answer.catch(() => {});
  await when(answer);
  leaving.abort();
  await answer.then((one) => one.text()).catch(() => {});
}

const paidFor = (seen: ReturnType<typeof watch>) => () => vi.waitFor(() => expect(seen.proofs()).toBe(1), WAIT);
const firstBytes = async (answer: Promise<Response>): Promise<void> => {
  await (await answer).body?.getReader().read();
};
const WAIT = { timeout: 15_000, interval: 10 };

/** Asks again while the purchase still runs. */
async function afterItRan(path: string, init: RequestInit = {}): Promise<Response> {
  for (;;) {
    const answer = await ask(path, init);
    if (answer.status !== 409) return answer;
    expect(await answer.json()).toMatchObject({ code: 'in_flight' });
    expect(answer.headers.get('retry-after')).toBe('1');
  }
}

describe('with an Idempotency-Key', () => {
  test('CONC-06: fifty at once with one key are one payment; the others are told that it runs', async () => {
    const seen = watch();
    let told = 0;
    const answers = await Promise.all(
      Array.from({ length: 50 }, async () => {
        const answer = await ask('/waits', keyed('fifty'));
        if (answer.status === 409) told += 1;
        if (told === 49) {
          gate('head').resolve();
          gate('rest').resolve();
        }
        return { status: answer.status, text: await answer.text() };
      }),
    );
    expect(answers.filter(({ status }) => status === 200)).toEqual([{ status: 200, text: 'first second' }]);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(49);
    expect({ taken: seen.taken(), proofs: seen.proofs() }).toEqual({ taken: 1, proofs: 1 });
  });

  test('a repeat gets the kept answer, pays nothing, and never goes upstream', async () => {
    const first = await ask('/ok', keyed('a'));
    const text = await first.text();
    const seen = watch();
    for (let time = 0; time < 3; time += 1) {
      const again = await ask('/ok', keyed('a'));
      expect(again.status).toBe(200);
      expect(again.headers.get('purser-receipt')).toBe(`${first.headers.get('purser-receipt')};replayed`);
      expect(await again.text()).toBe(text);
    }
    expect(seen.asked()).toBe(0);
  });

  test('a repeat of a purchase that runs, or failed, never goes upstream', async () => {
    const seen = watch();
    const first = ask('/waits', keyed('runs'));
    await paidFor(seen)();
    const asked = seen.asked();
    expect((await ask('/waits', keyed('runs'))).status).toBe(409);
    expect(seen.asked()).toBe(asked);
    gate('head').resolve();
    gate('rest').resolve();
    expect((await first).status).toBe(200);
    const failed = await (await ask('/status/500', keyed('fails'))).json();
    const then = watch();
    const again = await ask('/status/500', keyed('fails'));
    expect(again.status).toBe(424);
    expect(await again.json()).toEqual(failed);
    expect(then.asked()).toBe(0);
  });

  test('CONC-07: the key with another body, path, query or method is refused, sealed, and goes nowhere', async () => {
    await (await ask('/ok', { ...keyed('other'), method: 'POST', body: 'one' })).text();
    const seen = watch();
    const others: [string, RequestInit][] = [
      ['/ok', { method: 'POST', body: 'two' }],
      ['/parts', { method: 'POST', body: 'one' }],
      ['/ok?x=1', { method: 'POST', body: 'one' }],
      ['/ok', { method: 'PUT', body: 'one' }],
    ];
    for (const [path, init] of others) {
      const answer = await ask(path, { ...keyed('other'), ...init });
      expect(answer.status).toBe(422);
      const { code, receipt } = (await answer.json()) as { code: string; receipt: string };
      expect(code).toBe('idempotency_mismatch');
      const page = await gateway.ask(`/.purser/receipts/${receipt}`, { agent });
      expect(await page.json()).toMatchObject({ receipt: { kind: 'refused', decision: { code } } });
    }
    expect(seen.asked()).toBe(0);
  });

  test("CONC-07: another agent's same key is its own purchase", async () => {
    const seen = watch();
    const mine = await (await ask('/ok', keyed('shared'))).text();
    const theirs = await ask('/ok', { ...keyed('shared'), agent: 'buyer-39' });
    expect(theirs.headers.get('purser-receipt')).toMatch(/state=settled;amount="0.020000";currency="USD"$/);
    expect(await theirs.text()).not.toBe(mine);
    expect(seen.taken()).toBe(2);
  });

  test('a new key buys anew, also after a 424 and while an equal purchase runs', async () => {
    const seen = watch();
    expect((await ask('/status/500', keyed('k1'))).status).toBe(424);
    expect((await ask('/status/500', keyed('k2'))).status).toBe(424);
    expect(seen.taken()).toBe(2);
    const first = ask('/waits', keyed('k3'));
    await vi.waitFor(() => expect(seen.taken()).toBe(3), WAIT);
    const second = ask('/waits', keyed('k4'));
    await vi.waitFor(() => expect(seen.taken()).toBe(4), WAIT);
    gate('head').resolve();
    gate('rest').resolve();
    expect([(await first).status, (await second).status]).toEqual([200, 200]);
  });

  test('a purchase that was refused claims nothing: its key can still buy', async () => {
    const dear = { headers: { 'idempotency-key': 'later', 'purser-max-price': '0.01 USD' } };
    expect(await (await ask('/ok', dear)).json()).toMatchObject({ code: 'over_max_price' });
    const seen = watch();
    expect((await ask('/ok', keyed('later'))).status).toBe(200);
    expect(seen.taken()).toBe(1);
  });

  test('upstream goes a keyed hash of agent and key, the same each time, and none without a key', async () => {
    const from = shop.requests.length;
    await ask('/ok', keyed('secret-key'));
    await ask('/ok?again', keyed('secret-key-2'));
    await ask('/ok', { ...keyed('secret-key'), agent: 'buyer-38' });
    await ask('/ok?none');
    const sent = shop.requests.slice(from).map(({ headers }) => headers['idempotency-key']);
    const [mine, paid, second, , theirs, , ...none] = sent;
    expect(mine).toMatch(/^[\x21-\x7e]{20,255}$/);
    expect(paid).toBe(mine);
    expect(new Set([mine, second, theirs]).size).toBe(3);
    expect(none).toEqual([undefined, undefined]);
    const plain = ['secret-key', `${agent}secret-key`, `${agent}:secret-key`].flatMap((text) =>
      (['hex', 'base64url'] as const).map((form) => createHash('sha256').update(text).digest(form)),
    );
    expect(plain).not.toContain(mine);
    expect(JSON.stringify(shop.requests.slice(from))).not.toContain('secret-key');
  });
});

describe('without a key', () => {
  for (const { path, code, upstreamStatus } of [
    { path: '/status/500', code: 'paid_not_delivered', upstreamStatus: 500 },
    { path: '/status/402', code: 'payment_rejected', upstreamStatus: 402 },
    { path: '/reset', code: 'payment_uncertain', upstreamStatus: undefined },
    { path: '/hang', code: 'payment_uncertain', upstreamStatus: undefined },
  ]) {
    test(`after ${code} (${path}) an equal request is that purchase, and is told the same`, async () => {
      const seen = watch();
      const first = await ask(path);
      expect(first.status).toBe(424);
      const problem = (await first.json()) as Record<string, unknown>;
      expect(problem).toMatchObject({ code, state: 'exposed', amount: '0.020000' });
      expect(problem.upstreamStatus).toBe(upstreamStatus);
      const again = await ask(path, RETRY);
      expect(again.status).toBe(424);
      expect(again.headers.get('x-should-retry')).toBe('false');
      expect(await again.json()).toEqual(problem);
      expect(await (await ask(path)).json()).toEqual(problem);
      expect({ taken: seen.taken(), proofs: seen.proofs() }).toEqual({ taken: 1, proofs: 1 });
    });
  }

  test('another body, query, method or agent is a purchase of its own', async () => {
    const seen = watch();
    const post = { method: 'POST', body: 'one' };
    await ask('/status/503', post);
    await ask('/status/503', { ...post, body: 'two' });
    await ask('/status/503?x', post);
    await ask('/status/503', { ...post, method: 'PUT' });
    await ask('/status/503', { ...post, agent: 'buyer-37' });
    expect(seen.taken()).toBe(5);
  });

  test('CONC-11: an agent that left before the head gets on its repeat what the gateway read on', async () => {
    const seen = watch();
    await leaveWhen('/waits', paidFor(seen));
    expect((await ask('/waits')).status).toBe(409);
    gate('head').resolve();
    gate('rest').resolve();
    const again = await afterItRan('/waits');
    expect(again.headers.get('purser-receipt')).toMatch(/;state=settled;.*;replayed$/);
    expect(await again.text()).toBe('first second');
    expect(seen.taken()).toBe(1);
  });

  test('CONC-11: an agent that left in mid-body gets the whole answer on its repeat', async () => {
    const seen = watch();
    await leaveWhen('/parts', firstBytes);
    expect((await ask('/parts')).status).toBe(409);
    gate('rest').resolve();
    const again = await afterItRan('/parts');
    expect(again.headers.get('purser-receipt')).toMatch(/;replayed$/);
    expect(await again.text()).toBe('first second');
    expect(seen.taken()).toBe(1);
    await vi.waitFor(async () => expect((await ask('/parts')).headers.get('purser-receipt')).not.toMatch(/repl/), WAIT);
    expect(seen.taken()).toBe(2);
  });

  test('while the first agent is connected an equal request buys, unless it says that it is a retry', async () => {
    const seen = watch();
    const first = ask('/waits');
    await paidFor(seen)();
    expect((await ask('/waits', RETRY)).status).toBe(409);
    expect(seen.taken()).toBe(1);
    const second = ask('/waits');
    await vi.waitFor(() => expect(seen.taken()).toBe(2), WAIT);
    const third = ask('/waits', { headers: { 'x-stainless-retry-count': '0' } });
    await vi.waitFor(() => expect(seen.taken()).toBe(3), WAIT);
    gate('head').resolve();
    gate('rest').resolve();
    for (const answer of await Promise.all([first, second, third])) {
      expect(answer.headers.get('purser-receipt')).not.toMatch(/replayed/);
      expect(await answer.text()).toBe('first second');
    }
  });

  test('after a whole answer an equal request buys anew, even when it says that it is a retry', async () => {
    const seen = watch();
    await (await ask('/ok')).text();
    expect(await (await ask('/ok')).text()).toMatch(/^sale /);
    expect((await afterItRan('/ok', RETRY)).headers.get('purser-receipt')).not.toMatch(/replayed/);
    expect(seen.taken()).toBe(3);
  });

  test('an answer that the service broke off was paid: its repeat is told so and pays nothing', async () => {
    const seen = watch();
    const first = await ask('/breaks');
    expect(first.status).toBe(200);
    gate('rest').resolve();
    await expect(first.text()).rejects.toThrow();
    const again = await afterItRan('/breaks');
    expect(await again.json()).toMatchObject({ code: 'already_paid', state: 'settled', amount: '0.020000' });
    expect(seen.taken()).toBe(1);
  });

  for (const { left, path, when } of [
    { left: 'in mid-body', path: '/large', when: () => firstBytes },
    { left: 'before the head', path: '/late', when: paidFor },
  ]) {
    test(`an answer too large to keep is let go when the agent left ${left}; its repeat is told so`, async () => {
      const seen = watch();
      await leaveWhen(path, when(seen));
      gate('head').resolve();
      const again = await afterItRan(path);
      expect(again.status).toBe(424);
      expect(await again.json()).toMatchObject({ code: 'already_paid', state: 'settled' });
      expect(seen.taken()).toBe(1);
      await vi.waitFor(async () => expect((await ask(path)).status).toBe(200), WAIT);
      expect(seen.taken()).toBe(2);
    });
  }

  test('an uncertain purchase stands for its repeats beyond the window, as long as its hold is open', async () => {
    const seen = watch();
    const first = await (await ask('/status/500')).json();
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect(await (await ask('/status/500')).json()).toEqual(first);
    expect(seen.taken()).toBe(1);
  });
});

test('kept answers go oldest first: a keyed repeat of one that went is told that it is paid', async () => {
  const body = 'y'.repeat(50 * 1024);
  const sale = (key: string) => ask('/ok', { ...keyed(key), method: 'POST', body });
  for (const key of ['one', 'two', 'three']) expect((await (await sale(key)).text()).length).toBeGreaterThan(50_000);
  const seen = watch();
  expect(await (await sale('one')).json()).toMatchObject({ code: 'already_paid' });
  expect((await sale('three')).headers.get('purser-receipt')).toMatch(/;replayed$/);
  expect(seen.asked()).toBe(0);
});
