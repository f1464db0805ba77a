// What operators are told: by their port, whatever is asked of it wrongly, and by a gateway that cannot start.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { hostileMerchant } from '../fakes/hostile-merchant.ts';
import { redisAvailable, startRedis } from '../fakes/redis.ts';
import { askRaw, freePort, policy, spawnGateway, startGateway, type TestGateway } from '../support/gateway.ts';
import { expectGood, type Told } from './told.ts';

const told: Told[] = [];
let gateway: TestGateway;
let closeShop: () => Promise<void>;
let token = '';

beforeAll(async () => {
  const shop = await hostileMerchant({ paid: [{ do: 'hang' }] });
  closeShop = () => shop.close();
  gateway = await startGateway({
    upstream: shop.url,
    sections: { limits: '{ paymentSettle: 200ms, diskReserve: 0B }' },
  });
  await (await gateway.ask('/shop/x')).text();
  const { readOperatorToken } = await import('../../src/operators/operator-token.ts');
  token = (await readOperatorToken(join(gateway.folder, 'var'))) ?? '';
});
afterAll(async () => {
  await gateway.close();
  await closeShop();
});

interface Asked {
  readonly method?: string;
  readonly headers?: string[];
  readonly body?: string;
}

async function ask(path: string, { method = 'GET', headers, body }: Asked = {}): Promise<void> {
  const json = body === undefined ? [] : ['Content-Type', 'application/json'];
  const answer = await askRaw(`${gateway.operators}${path}`, {
    method,
    headers: headers ?? ['Authorization', `Bearer ${token}`, ...json],
    ...(body === undefined ? {} : { body }),
  });
  if (answer.status < 400 || !answer.body.startsWith('{')) return;
  const { detail } = JSON.parse(answer.body) as { detail?: string };
  if (detail !== undefined) told.push({ by: `${method} ${path} ${body ?? ''}`.slice(0, 100), text: detail });
}

test('the operators’ port', async () => {
  for (const headers of [
    ...[[], ['Authorization', 'x'], ['Authorization', 'Bearer x'], ['Authorization', 'Basic eDp5']],
    ...[['Host', 'evil.example', 'Authorization', `Bearer ${token}`]],
    ...[['Origin', 'https://evil.example', 'Authorization', `Bearer ${token}`]],
  ]) {
    await ask('/api/budgets', { headers });
  }
  for (const path of [
    'none',
    'receipts/x',
    'receipts/pxxxxxx.1',
    'receipts?limit=0',
    'receipts?limit=x',
    'receipts?kind=x',
  ]) {
    await ask(`/api/${path}`);
  }
  for (const query of ['limit=5&limit=6', 'colour=red', 'agent=', 'since=x', 'agent=%00', 'limit=99999']) {
    await ask(`/api/receipts?${query}`);
  }
  for (const query of ['', 'agent=a', 'agent=a&service=b&request=x', 'agent=a&service=shop&request=GET%20/x&price=x']) {
    await ask(`/api/explain?${query}`);
  }
  await ask('/api/budgets', { method: 'PUT' });
  await ask('/api/%ff');
  await ask('/none');
  for (const body of [
    ...[
      '',
      'x',
      '[]',
      '{}',
      '{"kind":"all"}',
      '{"kind":"all","id":"x","because":"y"}',
      '{"kind":"x","id":"x","because":"y"}',
    ],
    ...['{"kind":"agent","id":5,"because":"y"}', '{"kind":"agent","id":"a","because":" "}', '{"a":1,"a":2}'],
    ...['{"kind":"agent","id":"nobody","because":"y"}', '{"kind":"agent","id":"a","because":"y","more":1}'],
    ...[`{"kind":"agent","id":"a","because":"${'x'.repeat(600)}"}`, `"${'x'.repeat(20_000)}"`],
  ]) {
    await ask('/api/stops', { method: 'POST', body });
    await ask('/api/stops', { method: 'DELETE', body });
  }
  await ask('/api/stops', {
    method: 'POST',
    headers: ['Authorization', `Bearer ${token}`, 'Content-Type', 'text/plain'],
  });
  const { holds } = await gateway.api<{ holds: { id: string }[] }>('holds');
  for (const id of ['x', holds[0]?.id ?? '', '%ff']) {
    for (const body of [
      '{}',
      '{"as":"settled","because":""}',
      '{"as":"lost","because":"x"}',
      '{"as":"voided","because":"x"}',
    ]) {
      await ask(`/api/holds/${id}/resolve`, { method: 'POST', body });
    }
  }
  expect(told.length).toBeGreaterThan(40);
});

/** What a gateway that does not start says, without what it is told of the state it found. */
async function start(by: string, setup: Parameters<typeof spawnGateway>[0]): Promise<void> {
  const failed = await spawnGateway(setup).then(
    async (started) => {
      await started.close();
      return '';
    },
    (error: Error) => error.message.slice(error.message.indexOf('\n') + 1),
  );
  for (const line of failed.split('\n')) {
    if (line !== '' && !line.startsWith('{')) told.push({ by, text: line.replaceAll(/\/tmp\/purser-test-\w+/g, '…') });
  }
}

test('a gateway that cannot start', async () => {
  const state = join(gateway.folder, 'other');
  mkdirSync(join(state, 'var'), { recursive: true, mode: 0o700 });
  onTestFinished(() => rmSync(state, { recursive: true, force: true }));
  await start('the state is in use', { folder: gateway.folder });
  const port = Number(new URL(gateway.agents).port);
  const free = await freePort();
  const listen = (agents: string, operators: string) => ({
    listen: `{ agents: "${agents}", operators: "${operators}" }`,
  });
  await start('a port in use', { sections: listen(`127.0.0.1:${port}`, `127.0.0.1:${free}`) });
  await start('an operators’ port in use', { sections: listen(`127.0.0.1:${free}`, `127.0.0.1:${port}`) });
  await start('no such address', { sections: listen('192.0.2.1:80', `127.0.0.1:${free}`) });
  await start('policies', { policies: 'agents: [{ id: a }]\n' });
  await start('grpc', { env: { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://h', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' } });
  for (const name of ['purser.sqlite', 'log-key.pem', 'mask.key', 'operator-token', 'development-issuer.pem']) {
    rmSync(join(state, 'var'), { recursive: true });
    mkdirSync(join(state, 'var'), { mode: 0o700 });
    writeFileSync(join(state, 'var', name), 'this is not what belongs here, whatever it is', { mode: 0o600 });
    await start(`a damaged ${name}`, { folder: state });
  }
  rmSync(join(state, 'var'), { recursive: true });
  writeFileSync(join(state, 'var'), '', { mode: 0o600 });
  await start('a file as the folder', { folder: state });
  const redis = (url: string) => ({
    env: { SHARED: 'ab'.repeat(32) },
    sections: { budgets: `{ store: redis, redis: { url: "${url}", key: { env: SHARED } } }` },
  });
  await start('no Redis', redis(`redis://127.0.0.1:${free}`));
  if (redisAvailable) {
    const server = await startRedis();
    onTestFinished(() => server.stop());
    await start('another currency', redis(server.url));
    const first = await spawnGateway(redis(server.url));
    await first.close();
    const { env, sections } = redis(server.url);
    await start('another window', { env, sections, policies: policy({ window: 'window: week' }) });
    await start('another key', { env: { SHARED: 'cd'.repeat(32) }, sections });
    await start('another currency', { env, sections: { ...sections, accounting: '{ timeZone: Europe/Berlin }' } });
  }
}, 120_000);

test('all of it reads well', () => expectGood('operators', told, /\S/, []));
