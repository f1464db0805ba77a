// SIGTERM under load and SIGHUP: nothing that was read goes without an answer, and no purchase is lost.
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { sandboxMerchant } from '../../src/demo/merchant.ts';
import { switchingService } from '../fakes/switching-service.ts';
import { policy, spawnGateway } from '../support/gateway.ts';
import { moneyOf } from '../support/stand.ts';
import { askUpgrade } from '../support/switching.ts';

const shopOf = () =>
  sandboxMerchant({
    routes: [{ method: 'GET', path: '/v1/x', price: '2', goods: { kind: 'json', body: { x: 1 } } }],
  });

test('SIGTERM under load: every request that was read is answered, and what the shop took is settled', async () => {
  const shop = await shopOf();
  const policies = policy({ limit: '1000.00 USD' });
  const gateway = await spawnGateway({ upstream: shop.url, policies });
  const token = await gateway.token();
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  const ends: string[] = [];
  let stopped = false;
  const buyer = async (): Promise<void> => {
    while (!stopped) {
      const end = await new Promise<string>((resolve) => {
        const sent = request(`${gateway.agents}/shop/v1/x`, { agent, headers: { 'purser-token': token } }, (answer) => {
          answer.resume().on('end', () => resolve(`${answer.statusCode}`));
          answer.on('error', () => resolve('cut'));
        });
        sent.on('error', (error: NodeJS.ErrnoException) => resolve(`${error.code}`)).end();
      });
      ends.push(end);
      if (end === 'ECONNREFUSED') stopped = true;
    }
  };
  const load = Promise.all(Array.from({ length: 16 }, buyer));
  await vi.waitFor(() => expect(ends.length).toBeGreaterThan(100), { timeout: 20_000 });
  gateway.child.kill('SIGTERM');
  expect(await once(gateway.child, 'exit')).toEqual([0, null]);
  await load;
  agent.destroy();
  const bought = ends.filter((end) => end === '200').length;
  expect(ends.filter((end) => end !== '200' && end !== 'ECONNREFUSED')).toEqual([]);
  expect(shop.books).toHaveLength(bought);
  const again = await spawnGateway({ upstream: shop.url, policies, folder: gateway.folder });
  expect(await moneyOf(again)).toEqual({ settled: 20_000n * BigInt(bought), held: 0n });
  await again.close();
  await shop.close();
  rmSync(gateway.folder, { recursive: true, force: true });
});

test('SIGTERM waits for an answer under way up to limits.drain, and ends a tunnel at once after it', async () => {
  const service = await switchingService();
  let answerNow = () => {};
  const slow = createServer((_, response) => {
    answerNow = () => void response.end('late');
  }).listen(0, '127.0.0.1');
  await once(slow, 'listening');
  const slowUrl = `http://127.0.0.1:${(slow.address() as AddressInfo).port}`;
  const gateway = await spawnGateway({
    policies: policy().replace('services: [shop]', 'services: [shop, slow]'),
    sections: {
      services: `
  - { id: shop, upstream: "${service.url}", allowPrivateNetwork: true }
  - { id: slow, upstream: "${slowUrl}", allowPrivateNetwork: true }`,
    },
  });
  const tunnel = await askUpgrade(gateway.agents, '/shop/v1/x', {
    Upgrade: 'websocket',
    'Purser-Token': await gateway.token(),
  });
  const before = answerNow;
  const asked = gateway.ask('/slow/v1/x');
  await vi.waitFor(() => expect(answerNow).not.toBe(before));
  gateway.child.kill('SIGTERM');
  const exited = once(gateway.child, 'exit');
  await vi.waitFor(async () => expect((await fetch(`${gateway.operators}/readyz`)).status).toBe(503));
  tunnel.socket.write('still here');
  await vi.waitFor(() => expect(tunnel.rest().toString()).toBe('still here'));
  answerNow();
  expect(await (await asked).text()).toBe('late');
  expect(await exited).toEqual([0, null]);
  await tunnel.closed();
  expect(gateway.output()).toMatch(/"status":101/);
  expect(gateway.output()).not.toMatch(/Deprecation/i);
  await service.close();
  slow.close();
  rmSync(gateway.folder, { recursive: true, force: true });
});

test('SIGTERM ends within limits.drain when a service never answers: that agent is answered or cut', async () => {
  const mute = createServer(() => {}).listen(0, '127.0.0.1');
  await once(mute, 'listening');
  const upstream = `http://127.0.0.1:${(mute.address() as AddressInfo).port}`;
  const gateway = await spawnGateway({ upstream, sections: { limits: '{ drain: 500ms, diskReserve: 0B }' } });
  const asked = gateway.ask('/shop/v1/x').then(
    ({ status }) => status,
    () => 'cut',
  );
  await vi.waitFor(async () => expect(await connectionsOf(mute)).toBe(1));
  gateway.child.kill('SIGTERM');
  expect(await once(gateway.child, 'exit')).toEqual([0, null]);
  expect(['cut', 502, 503, 504]).toContain(await asked);
  mute.closeAllConnections();
  mute.close();
  rmSync(gateway.folder, { recursive: true, force: true });
});

const connectionsOf = (server: ReturnType<typeof createServer>) =>
  new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)));

test('SIGHUP takes up the policies, keeps the last good set when they are bad, and ends nothing', async () => {
  const gateway = await spawnGateway({});
  const file = join(gateway.folder, 'policies', 'policy.yaml');
  const good = readFileSync(file, 'utf8');
  const heard = () => gateway.output().match(/policy set (rejected|taken up)/g)?.length ?? 0;
  const before = heard();
  writeFileSync(file, 'agents: [');
  gateway.child.kill('SIGHUP');
  await vi.waitFor(() => expect(heard()).toBeGreaterThan(before), { timeout: 10_000 });
  expect((await gateway.ask('/.purser/services')).status).toBe(200);
  writeFileSync(file, good.replace('10.00 USD', '11.00 USD'));
  gateway.child.kill('SIGHUP');
  await vi.waitFor(async () => expect(await gateway.api('policy')).toMatchObject({ lastReloadSuccessful: true }), {
    timeout: 10_000,
  });
  expect(gateway.child.exitCode).toBeNull();
  await gateway.close();
});
