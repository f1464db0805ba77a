// Authority that is taken away while it is in use: on an open connection, while a demand is under way, and for one
// token alone. The gateway is a process of its own and its policy file is rewritten under it.
import { writeFileSync } from 'node:fs';
import { Agent, createServer, request, type Server } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type HostileMerchant, hostileMerchant } from '../fakes/hostile-merchant.ts';
import { sandboxChallenge } from '../fakes/sandbox-challenge.ts';
import { freePort, type GatewayProcess, policy, spawnGateway } from '../support/gateway.ts';
import { totals, until } from './observables.ts';

const AGENTS = ['buyer-1', 'buyer-2', 'buyer-3', 'buyer-4'];

let shop: HostileMerchant;
let slow: Server;
let arrived = 0;
let paidAtSlow = 0;
let demandNow: () => void = () => {};
let gateway: GatewayProcess;

/** The policy with members added to entries of the register, and revocations. */
const written = (changes: Record<string, string>, revoked: readonly string[] = []): string =>
  policy({
    agents: AGENTS.map((id) => `  - { id: ${id}, owner: dana@example.com${changes[id] ?? ''} }`).join('\n'),
    more: revoked.length === 0 ? '' : `revoked:\n${revoked.map((rule) => `  - ${rule}\n`).join('')}`,
  }).replace('services: [shop]', 'services: [shop, slow]');

const put = (text: string) => writeFileSync(join(gateway.folder, 'policies', 'policy.yaml'), text);

beforeAll(async () => {
  shop = await hostileMerchant();
  const port = await freePort();
  slow = createServer((asked, response) => {
    asked.resume();
    if (asked.headers.authorization !== undefined) paidAtSlow += 1;
    arrived += 1;
    demandNow = () => response.writeHead(402, { 'www-authenticate': sandboxChallenge() }).end();
  }).listen(port, '127.0.0.1');
  gateway = await spawnGateway({
    sections: {
      services: `
  - { id: shop, upstream: "${shop.url}", allowPrivateNetwork: true }
  - { id: slow, upstream: "http://127.0.0.1:${port}", allowPrivateNetwork: true }`,
    },
    policies: written({}),
  });
});

afterAll(async () => {
  await gateway.close();
  await shop.close();
  slow.closeAllConnections();
  slow.close();
});

/** An agent with one connection that stays open. */
function onOneConnection(token: string) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ports = new Set<number | undefined>();
  const buy = () =>
    new Promise<{ status: number; code: string }>((resolve, reject) => {
      const sent = request(`${gateway.agents}/shop/v1/x`, { agent, headers: { 'purser-token': token } }, (answer) => {
        ports.add(answer.socket.localPort);
        let text = '';
        answer.on('data', (chunk) => {
          text += chunk;
        });
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, code: JSON.parse(text).code ?? '' }));
      });
      sent.on('error', reject);
      sent.end();
    });
  return { buy, ports, close: () => agent.destroy() };
}

test('AUTH-36: a suspension takes effect on a connection that is open, and nothing is bought after it', async () => {
  const agent = onOneConnection(await gateway.token('buyer-1'));
  expect(await agent.buy()).toEqual({ status: 200, code: '' });
  put(written({ 'buyer-1': ', suspended: "key leaked"' }));
  await until(async () => (await agent.buy()).code === 'agent_suspended');
  const [taken, before] = [shop.books.taken.length, await totals(gateway)];
  expect(await agent.buy()).toEqual({ status: 403, code: 'agent_suspended' });
  expect(agent.ports.size).toBe(1);
  expect([shop.books.taken.length, await totals(gateway)]).toEqual([taken, before]);
  agent.close();
  const changes = (await gateway.receipts()).filter(({ kind }) => kind === 'agent').map(({ change }) => change);
  expect(changes).toMatchObject([{ what: 'agent buyer-1 suspended', because: 'key leaked', outcome: 'applied' }]);
});

test('AUTH-36: a suspension while a demand is under way stops the payment', async () => {
  const before = await totals(gateway);
  const seen = arrived;
  const asked = gateway.ask('/slow/v1/x', { agent: 'buyer-2' });
  await until(() => arrived > seen);
  put(written({ 'buyer-2': ', suspended: "left the company"' }));
  await until(async () => (await gateway.ask('/.purser/services', { agent: 'buyer-2' })).status === 403);
  demandNow();
  const answer = await asked;
  expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([403, 'agent_suspended']);
  expect(paidAtSlow).toBe(0);
  expect(await totals(gateway)).toBe(before);
});

test('AUTH-36: one revoked token is refused on its connection, another of the same agent is not', async () => {
  const lost = onOneConnection(await gateway.token('buyer-3', { jti: 'lost-laptop' }));
  const kept = onOneConnection(await gateway.token('buyer-3', { jti: 'kept' }));
  expect((await lost.buy()).status).toBe(200);
  put(written({}, ['{ jti: lost-laptop, because: "laptop lost" }']));
  await until(async () => (await lost.buy()).code === 'token_revoked');
  expect(await lost.buy()).toEqual({ status: 401, code: 'token_revoked' });
  expect(await kept.buy()).toEqual({ status: 200, code: '' });
  expect(lost.ports.size).toBe(1);
  lost.close();
  kept.close();
});

test('AUTH-36: tokens from before a rotation are refused, one from after it is taken', async () => {
  const old = onOneConnection(await gateway.token('buyer-4'));
  expect((await old.buy()).status).toBe(200);
  const cut = new Date(Math.floor(Date.now() / 1000) * 1000 + 1000);
  put(written({}, [`{ agent: buyer-4, issuedBefore: ${cut.toISOString()}, because: "key rotated" }`]));
  await until(async () => (await old.buy()).code === 'token_revoked');
  old.close();
  await until(() => Date.now() >= cut.getTime());
  const fresh = onOneConnection(await gateway.token('buyer-4'));
  expect(await fresh.buy()).toEqual({ status: 200, code: '' });
  fresh.close();
});
