// Two gateways on one Redis behind a tiny front, restarted one after the other under load. Judged by the shop's books.
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { Agent, createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { sandboxMerchant } from '../../src/demo/merchant.ts';
import { openDevelopmentIssuer } from '../../src/identity/development-issuer.ts';
import type { RedisServer } from '../fakes/redis.ts';
import { freePort, type GatewayProcess, policy, spawnGateway } from './gateway.ts';
import { moneyOf } from './stand.ts';

const AGENTS = 12;

/** Sends each request to the next gateway, over connections that stay open; tries another one only when refused. */
function roundRobin(targets: readonly string[]): Server {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  let next = 0;
  const server = createServer((asked, answer) => {
    const first = next++;
    const attempt = (nth: number): void => {
      const target = new URL(targets[(first + nth) % targets.length] ?? '');
      const headers = { ...asked.headers, host: target.host };
      const sent = request({ host: target.hostname, port: target.port, path: asked.url, headers, agent }, (got) => {
        answer.writeHead(got.statusCode ?? 0, { 'content-type': got.headers['content-type'] ?? '' });
        got.pipe(answer);
        got.on('error', () => answer.destroy());
      });
      sent.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'ECONNREFUSED' && nth < targets.length) return attempt(nth + 1);
        if (answer.headersSent) answer.destroy();
        else answer.writeHead(599).end(`${error.code}`);
      });
      sent.end();
    };
    attempt(0);
  });
  server.once('close', () => agent.destroy());
  return server;
}

/** `count` purchases while the gateways are restarted in turn, `restarts` times in all; none fails, none is lost. */
export async function restartUnderLoad(redis: RedisServer, count: number, restarts: number): Promise<void> {
  // A price for each agent: the shop's demands for one price within one millisecond are the same demand.
  const routes = Array.from({ length: AGENTS }, (_, agent) => ({
    method: 'GET' as const,
    path: `/v1/${agent}`,
    price: `${agent + 1}`,
    goods: { kind: 'json' as const, body: { x: 1 } },
  }));
  const shop = await sandboxMerchant({ routes });
  const places = await twoPlaces();
  const start = (n: number): Promise<GatewayProcess> =>
    spawnGateway({
      upstream: shop.url,
      policies: policy({ limit: '100000.00 USD', per: 'all', window: 'window: total' }),
      sections: {
        listen: places[n]?.listen ?? '',
        budgets: `{ store: redis, redis: { url: "${redis.url}", key: { env: SHARED } } }`,
        limits: '{ paymentSettle: 20s, diskReserve: 0B, unsettled: 100000 }',
      },
      env: { SHARED: 'cd'.repeat(32) },
      folder: places[n]?.folder ?? '',
    });
  const gateways = [await start(0), await start(1)];
  const front = roundRobin(gateways.map(({ agents }) => agents)).listen(0, '127.0.0.1');
  await once(front, 'listening');
  const restart = async (n: number): Promise<void> => {
    const gateway = gateways[n];
    const ended = gateway && once(gateway.child, 'exit');
    gateway?.child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    gateways[n] = await start(n);
  };
  try {
    const token = (await gateways[0]?.token()) ?? '';
    const load = buyAll(`http://127.0.0.1:${(front.address() as AddressInfo).port}`, token, count);
    for (let turn = 0; turn < restarts; turn += 1) {
      const due = ((turn + 1) * count) / (restarts + 1);
      while (load.done() < due && load.bad().length === 0) await sleep(5);
      await restart(turn % 2);
    }
    await load.ended;
    expect(load.bad()).toEqual([]);
    const cents = shop.books.reduce((sum, { amount }) => sum + BigInt(amount), 0n);
    for (const gateway of gateways) {
      expect(await moneyOf(gateway)).toEqual({ settled: cents * 10_000n, held: 0n });
      expect(await gateway.api('holds')).toMatchObject({ holds: [] });
    }
    expect(shop.books).toHaveLength(count);
  } finally {
    front.closeAllConnections();
    front.close();
    for (const gateway of gateways) await gateway.close();
    for (const { folder } of places) rmSync(folder, { recursive: true, force: true });
    await shop.close();
  }
}

/** Two folders whose development issuers are one, and ports that stay the same over restarts. */
async function twoPlaces(): Promise<{ folder: string; listen: string }[]> {
  const folders = [0, 1].map(() => mkdtempSync(join(tmpdir(), 'purser-rolling-')));
  const [first = '', second = ''] = folders.map((folder) => join(folder, 'var'));
  await openDevelopmentIssuer(first);
  mkdirSync(second, { mode: 0o700 });
  copyFileSync(join(first, 'development-issuer.pem'), join(second, 'development-issuer.pem'));
  const place = async (folder: string) => ({
    folder,
    listen: `{ agents: "127.0.0.1:${await freePort()}", operators: "127.0.0.1:${await freePort()}" }`,
  });
  return [await place(folders[0] ?? ''), await place(folders[1] ?? '')];
}

/** Agents that buy one after the other until `count` are bought. */
function buyAll(url: string, token: string, count: number) {
  const agent = new Agent({ keepAlive: true, maxSockets: AGENTS });
  const bad: string[] = [];
  let asked = 0;
  let done = 0;
  const buyer = async (_: unknown, n: number): Promise<void> => {
    while (asked < count) {
      asked += 1;
      const answer = await askOnce(`${url}/shop/v1/${n}?n=${asked}`, token, agent);
      if (answer !== '200') bad.push(answer);
      done += 1;
    }
  };
  const ended = Promise.all(Array.from({ length: AGENTS }).map(buyer)).finally(() => agent.destroy());
  return { ended, bad: () => bad, done: () => done };
}

function askOnce(url: string, token: string, agent: Agent): Promise<string> {
  return new Promise((resolve) => {
    const sent = request(url, { agent, headers: { 'purser-token': token } }, (answer) => {
      let text = '';
      answer.on('data', (chunk) => {
        text += chunk;
      });
      answer.on('end', () => resolve(answer.statusCode === 200 ? '200' : `${answer.statusCode} ${text}`));
      answer.on('error', () => resolve('cut'));
    });
    sent.on('error', (error: NodeJS.ErrnoException) => resolve(`no answer: ${error.code}`));
    sent.end();
  });
}
