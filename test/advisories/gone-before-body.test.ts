// An agent that is gone before its body is asked for must not leave its request under way for ever: memory would grow
// with each, and a stopping gateway would wait for all of them.
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { hostileMerchant } from '../fakes/hostile-merchant.ts';
import { spawnGateway } from '../support/gateway.ts';

const ASKED = 40;

test('every request of an agent that broke off in its body comes to an end', async () => {
  const shop = await hostileMerchant();
  const gateway = await spawnGateway({ upstream: shop.url });
  try {
    const token = await gateway.token();
    const headers = { 'purser-token': token, 'idempotency-key': 'used' };
    await (await gateway.ask('/shop/x', { method: 'POST', body: 'whole', headers })).text();
    const { hostname, port } = new URL(gateway.agents);
    const head = `POST /shop/x HTTP/1.1\r\nHost: x\r\nIdempotency-Key: used\r\nPurser-Token: ${token}\r\n`;
    for (let n = 0; n < ASKED; n += 1) {
      const socket = connect(Number(port), hostname);
      socket.on('error', () => {});
      socket.write(`${head}Content-Length: 1000\r\n\r\npart`, () => socket.resetAndDestroy());
      await sleep(5);
    }
    await (await gateway.ask('/shop/x', { method: 'POST', body: 'whole', headers })).text();
    gateway.child.kill('SIGTERM');
    await vi.waitFor(() => expect(gateway.child.exitCode).toBe(0), { timeout: 15_000, interval: 50 });
  } finally {
    await gateway.close();
    await shop.close();
  }
});
