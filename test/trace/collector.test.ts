// Traces as a collector gets them from a running gateway: what each request becomes, what is never in it, and that a
// collector that is away, slow or full costs spans and nothing else.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { type Merchant, sandboxMerchant } from '../../src/demo/merchant.ts';
import { type Collector, startCollector, type TakenSpan } from '../fakes/collector.ts';
import { type HostileMerchant, hostileMerchant } from '../fakes/hostile-merchant.ts';
import { goods } from '../fakes/script.ts';
import { freePort, type GatewayProcess, spawnGateway } from '../support/gateway.ts';

const CANARY = 'canary-7b1e';
const AGENTS_TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const AGENTS_SPAN = '00f067aa0ba902b7';

async function collector(): Promise<Collector> {
  const started = await startCollector();
  onTestFinished(() => started.close());
  return started;
}

async function gatewayWith(upstream: string, env: Record<string, string>): Promise<GatewayProcess> {
  const gateway = await spawnGateway({ upstream, env: { OTEL_BSP_SCHEDULE_DELAY: '100', ...env } });
  onTestFinished(() => gateway.close());
  return gateway;
}

async function paidShop(): Promise<Merchant> {
  const shop = await sandboxMerchant({
    routes: [
      { method: 'GET', path: '/free', price: null, goods: { kind: 'json', body: {} } },
      { method: 'GET', path: '/x', price: '2', goods: { kind: 'json', body: { x: 1 } } },
    ],
  });
  onTestFinished(() => shop.close());
  return shop;
}

/** A service that gives everything away and keeps what it read. */
async function freeShop(): Promise<HostileMerchant> {
  const shop = await hostileMerchant({ unpaid: goods });
  onTestFinished(() => shop.close());
  return shop;
}

const roots = ({ spans }: Collector): TakenSpan[] => spans.filter(({ kind }) => kind === 2);
const childrenOf = ({ spans }: Collector, root: TakenSpan): TakenSpan[] =>
  spans.filter(({ parentSpanId }) => parentSpanId === root.spanId);

async function until(true_: () => boolean, ms = 10_000): Promise<void> {
  for (const end = Date.now() + ms; !true_(); ) {
    if (Date.now() > end) throw new Error('it did not come to be');
    await sleep(20);
  }
}

for (const protocol of ['http/protobuf', 'http/json']) {
  test(`${protocol}: a purchase is one span under the agent's, its stages are its children`, async () => {
    const [taken, shop] = [await collector(), await paidShop()];
    const gateway = await gatewayWith(shop.url, {
      OTEL_EXPORTER_OTLP_ENDPOINT: taken.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
      OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=blue%20one',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=trial',
    });
    const headers = { traceparent: `00-${AGENTS_TRACE}-${AGENTS_SPAN}-01` };
    const answer = await gateway.ask('/shop/x', { headers });
    expect([answer.status, await answer.json()]).toEqual([200, { x: 1 }]);
    await until(() => roots(taken).length === 1);
    const [root] = roots(taken);
    if (!root) throw new Error('no span');
    expect(root).toMatchObject({ traceId: AGENTS_TRACE, parentSpanId: AGENTS_SPAN, name: 'GET /shop/**', status: 0 });
    expect(root.attributes).toEqual({
      'http.request.method': 'GET',
      'http.response.status_code': 200,
      'http.route': '/shop/**',
      'purser.service': 'shop',
      'purser.agent': 'buyer-1',
      'purser.outcome': 'paid',
      'purser.exchange': (await gateway.receipts()).find(({ kind }) => kind === 'settled')?.exchange,
    });
    expect(root.resource).toMatchObject({
      'service.name': 'purser',
      'service.version': '0.1.0',
      'telemetry.sdk.language': 'nodejs',
      'deployment.environment.name': 'trial',
    });
    const children = childrenOf(taken, root);
    expect(children.length).toBe(taken.spans.length - 1);
    expect(new Set(children.map(({ name }) => name))).toEqual(
      new Set(['identify', 'admit', 'forward', 'read', 'decide', 'hold', 'expose', 'seal', 'prove', 'pay']),
    );
    for (const child of children) {
      expect(child.traceId).toBe(AGENTS_TRACE);
      expect(child.start >= root.start && child.end <= root.end && child.end >= child.start).toBe(true);
    }
    const calls = children.filter(({ kind }) => kind === 3);
    const { hostname, port } = new URL(shop.url);
    const call = { 'http.request.method': 'GET', 'server.address': hostname, 'server.port': Number(port) };
    expect(calls.map(({ attributes }) => attributes)).toEqual([
      { ...call, 'http.response.status_code': 402 },
      { ...call, 'http.response.status_code': 200 },
    ]);
    expect(calls.map(({ status }) => status)).toEqual([0, 0]);
    const [sent] = taken.requests;
    expect([sent?.path, sent?.headers['x-tenant']]).toEqual(['/v1/traces', 'blue one']);
    expect((await gateway.receipts()).find(({ kind }) => kind === 'settled')?.trace).toBe(AGENTS_TRACE);
  });
}

test('the service is told of the span that calls it, whatever the agent names', async () => {
  const [taken, shop] = [await collector(), await freeShop()];
  const gateway = await gatewayWith(shop.url, { OTEL_EXPORTER_OTLP_ENDPOINT: taken.url });
  for (const traceparent of [`00-${AGENTS_TRACE}-${AGENTS_SPAN}-01`, 'no trace at all', undefined]) {
    const headers: Record<string, string> = traceparent === undefined ? {} : { traceparent };
    await (await gateway.ask('/shop/v1/x', { headers })).text();
  }
  await until(() => roots(taken).length === 3);
  const told = shop.requests.map(({ headers }) => headers.find(([name]) => name.toLowerCase() === 'traceparent')?.[1]);
  const calls = roots(taken).map((root) => {
    const call = childrenOf(taken, root).find(({ kind }) => kind === 3);
    return `00-${call?.traceId}-${call?.spanId}-01`;
  });
  expect(told).toEqual(calls);
  expect(roots(taken).map(({ parentSpanId }) => parentSpanId)).toEqual([AGENTS_SPAN, '', '']);
  expect(new Set(roots(taken).map(({ traceId }) => traceId)).size).toBe(3);
});

test('an agent that does not sample is not traced and the service told so; a sampler decides otherwise', async () => {
  const [taken, shop] = [await collector(), await freeShop()];
  const headers = { traceparent: `00-${AGENTS_TRACE}-${AGENTS_SPAN}-00` };
  const unsampled = await gatewayWith(shop.url, { OTEL_EXPORTER_OTLP_ENDPOINT: taken.url });
  await (await unsampled.ask('/shop/v1/x', { headers })).text();
  await unsampled.close();
  expect(taken.requests).toEqual([]);
  const told = shop.requests[0]?.headers.find(([name]) => name.toLowerCase() === 'traceparent')?.[1];
  expect(told).toMatch(new RegExp(`^00-${AGENTS_TRACE}-[0-9a-f]{16}-00$`));
  expect(told).not.toContain(AGENTS_SPAN);
  const all = { OTEL_EXPORTER_OTLP_ENDPOINT: taken.url, OTEL_TRACES_SAMPLER: 'always_on', OTEL_SERVICE_NAME: 'till' };
  const sampled = await gatewayWith(shop.url, all);
  await (await sampled.ask('/shop/v1/x', { headers })).text();
  await until(() => roots(taken).length === 1);
  expect(roots(taken)[0]?.resource['service.name']).toBe('till');
});

test('refusals and failures say why, and nothing of what the agent or the service wrote is in any span', async () => {
  const [taken, shop] = [await collector(), await paidShop()];
  const gateway = await gatewayWith(shop.url, {
    OTEL_EXPORTER_OTLP_ENDPOINT: taken.url,
    OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
  });
  const token = await gateway.token();
  const headers = {
    'purser-token': token,
    'purser-purpose': CANARY,
    'idempotency-key': CANARY,
    tracestate: `vendor=${CANARY}`,
    baggage: `key=${CANARY}`,
    'user-agent': CANARY,
  };
  const ask = async (path: string, init: RequestInit = {}) => (await gateway.ask(path, { headers, ...init })).status;
  expect(await ask(`/shop/${CANARY}?q=${CANARY}`)).toBe(404);
  expect(await ask(`/${CANARY}/x`)).toBe(404);
  expect(await ask('/shop/x', { headers: { ...headers, 'purser-max-price': '0.01 USD' } })).toBe(403);
  expect(await ask('/shop/x', { method: 'POST', body: CANARY })).toBe(404);
  expect((await fetch(`${gateway.agents}/shop/x`, { headers: { 'purser-token': CANARY } })).status).toBe(401);
  await shop.close();
  expect(await ask('/shop/free')).toBe(502);
  await gateway.close();
  const told = roots(taken).map(({ name, status, attributes }) => [
    name,
    status,
    attributes['purser.code'] ?? null,
    attributes['error.type'] ?? null,
  ]);
  expect(told).toEqual([
    ['GET /shop/**', 0, null, null],
    ['GET', 0, 'service_unknown', null],
    ['GET /shop/**', 0, 'over_max_price', null],
    ['POST /shop/**', 0, null, null],
    ['GET', 0, 'token_invalid', null],
    ['GET /shop/**', 2, 'upstream_unreachable', 'upstream_unreachable'],
  ]);
  const everything = JSON.stringify(taken.spans, (_, value) => (typeof value === 'bigint' ? `${value}` : value));
  const sent = everything + taken.requests.map(({ text }) => text).join() + gateway.output();
  for (const secret of [/canary/i, token, token.split('.')[2] ?? '', 'eyJ']) expect(sent).not.toMatch(secret);
});

test('the SDK is loaded only where traces are asked for; its bare API also comes with the metrics', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'purser-loads-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const spy = join(folder, 'spy.mjs');
  writeFileSync(
    spy,
    `import { registerHooks } from 'node:module';
     import { writeSync } from 'node:fs';
     registerHooks({ load(url, context, next) {
       if (/\\/@opentelemetry\\/(?!api\\/)/.test(url)) writeSync(2, 'loads the SDK\\n');
       return next(url, context);
     } });`,
  );
  const shop = await freeShop();
  const env = { NODE_OPTIONS: `--import=${spy}` };
  const without = await gatewayWith(shop.url, env);
  await (await without.ask('/shop/v1/x')).text();
  await without.close();
  expect(without.output()).not.toContain('loads the SDK');
  const withIt = await gatewayWith(shop.url, { ...env, OTEL_EXPORTER_OTLP_ENDPOINT: (await collector()).url });
  expect(withIt.output()).toContain('loads the SDK');
});

test('what was traced before SIGTERM is handed over before the end', async () => {
  const [taken, shop] = [await collector(), await freeShop()];
  const late = { OTEL_EXPORTER_OTLP_ENDPOINT: taken.url, OTEL_BSP_SCHEDULE_DELAY: '60000' };
  const gateway = await gatewayWith(shop.url, late);
  await (await gateway.ask('/shop/v1/x')).text();
  expect(taken.requests).toEqual([]);
  await gateway.close();
  expect(roots(taken).length).toBe(1);
  expect(gateway.child.exitCode).toBe(0);
});

test.each(['down', 'hang', 503, 'forbidden'] as const)(
  'a collector that is %s: requests and the end are as ever, one line says so',
  async (mood) => {
    const shop = await freeShop();
    const taken = await collector();
    if (mood === 'hang' || typeof mood === 'number') taken.behave(mood);
    // A link-local address is one that the door never lets through.
    const places = { down: `http://127.0.0.1:${await freePort()}`, forbidden: 'http://169.254.169.254:4318' };
    const gateway = await gatewayWith(shop.url, {
      OTEL_EXPORTER_OTLP_ENDPOINT: mood === 'down' || mood === 'forbidden' ? places[mood] : taken.url,
      OTEL_EXPORTER_OTLP_TIMEOUT: '400',
    });
    for (let n = 0; n < 20; n += 1) {
      const startedAt = performance.now();
      expect((await gateway.ask('/shop/v1/x')).status).toBe(200);
      expect(performance.now() - startedAt).toBeLessThan(1_000);
      await sleep(25);
    }
    await until(() => gateway.output().includes('spans were lost'));
    const endedAt = performance.now();
    await gateway.close();
    expect(performance.now() - endedAt).toBeLessThan(6_000);
    expect(gateway.child.exitCode).toBe(0);
    const lines = gateway.output().split('\n');
    const lost = lines.filter((line) => line.includes('spans were lost')).map((line) => JSON.parse(line));
    expect(lost).toEqual([expect.objectContaining({ level: 'warn', count: expect.any(Number) })]);
    if (mood === 'forbidden') expect(lost[0].error.code).toBe('ADDRESS_FORBIDDEN');
  },
);

test('a collector that takes nothing costs a bounded number of spans in memory', async () => {
  const [taken, shop] = [await collector(), await freeShop()];
  taken.behave('hang');
  const gateway = await gatewayWith(shop.url, {
    OTEL_EXPORTER_OTLP_ENDPOINT: taken.url,
    OTEL_EXPORTER_OTLP_TIMEOUT: '4000',
  });
  const token = await gateway.token();
  const headers = { 'purser-token': token };
  // Each makes five spans: more than may wait and be under way.
  for (let n = 0; n < 40; n += 1) {
    await Promise.all(Array.from({ length: 16 }, async () => (await gateway.ask('/shop/x', { headers })).text()));
  }
  taken.behave('take');
  await until(() => taken.spans.length > 0, 20_000);
  await gateway.close();
  expect(gateway.output()).toContain('"name":"QueueFull"');
  expect(taken.spans.length).toBeLessThanOrEqual(2_048);
  expect(taken.spans.length).toBeGreaterThan(512);
});

test('settings that cannot be met end the start with what to mend', async () => {
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' };
  await expect(spawnGateway({ env })).rejects.toThrow(/purser: OTEL_EXPORTER_OTLP_PROTOCOL must be http\/protobuf/);
});
