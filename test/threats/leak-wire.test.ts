// What reaches a service, what a receipt gives away about a request, and what one agent can learn about another.
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type HostileMerchant, hostileMerchant } from '../fakes/hostile-merchant.ts';
import { sandboxChallenge } from '../fakes/sandbox-challenge.ts';
import { demand, goods } from '../fakes/script.ts';
import { policy, sendRaw, startGateway, type TestGateway } from '../support/gateway.ts';
import { receiptOf, totals } from './observables.ts';

let shop: HostileMerchant;
let gateway: TestGateway;

const REGISTER = `  - { id: buyer-1, owner: dana@example.com }
  - { id: buyer-2, owner: sam@example.com }
  - { id: buyer-3, owner: sam@example.com, suspended: "on leave" }
  - { id: buyer-4, owner: sam@example.com, until: 2020-01-01 }`;

beforeAll(async () => {
  shop = await hostileMerchant({
    unpaid: (_, { target }) => (target.includes('/paid') ? demand(sandboxChallenge()) : goods),
  });
  gateway = await startGateway({
    upstream: `${shop.url}/base`,
    policies: policy({ agents: REGISTER, more: 'revoked:\n  - { jti: lost, because: "laptop lost" }\n' }),
  });
});

afterAll(async () => {
  await gateway.close();
  await shop.close();
});

test('LEAK-03: the service gets these bytes and no other, unpaid and paid', async () => {
  const token = await gateway.token('buyer-1');
  const lines = [
    'POST /shop/v1/paid?q=a%20b HTTP/1.1',
    'Host: gateway.internal:8402',
    'User-Agent: agent/1.0',
    'Accept: application/json',
    `Purser-Token: ${token}`,
    'Purser-Task: t-1',
    'Purser-Purpose: forecasts',
    'Purser-Max-Price: 0.50 USD',
    'Purser-Debug: 1',
    'Idempotency-Key: order-1',
    'Accept-Payment: evm/charge',
    'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    'X-Forwarded-For: 10.0.0.7',
    'X-Forwarded-Host: inside',
    'X-Real-IP: 10.0.0.7',
    'Forwarded: for=10.0.0.7',
    'Via: 1.1 corporate',
    'X-HTTP-Method-Override: DELETE',
    'X_Agent_Id: buyer-2',
    'Connection: close, X-Hop',
    'X-Hop: secret',
    'TE: trailers',
    'Upgrade: h2c',
    'HTTP2-Settings: AAMAAABk',
    'Cookie: session=of-the-service',
    'X-Custom: kept',
    'Content-Type: application/json',
    'Content-Length: 9',
  ];
  const answer = await sendRaw(gateway.agents, `${lines.join('\r\n')}\r\n\r\n{"a": 10}`);
  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  console.log(JSON.stringify(shop.requests.map(({ raw }) => raw.toString('latin1')), null, 1));
});
