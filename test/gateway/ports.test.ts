// The gateway's ports: probes alone, TLS with real certificates, proxies that are believed, several policy folders.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { sandboxMerchant } from '../../src/demo/merchant.ts';
import { type Certificates, makeCertificates } from '../fakes/certificates.ts';
import { freePort, policy, sendRaw, spawnGateway, startGateway } from '../support/gateway.ts';

const run = promisify(execFile);
const MAIN = new URL('../../src/main.ts', import.meta.url).pathname;
let certificates: Certificates;
beforeAll(() => {
  certificates = makeCertificates();
});
afterAll(() => certificates.remove());

const ports = async (more: string) =>
  `{ agents: "127.0.0.1:${await freePort()}", operators: "127.0.0.1:${await freePort()}"${more} }`;
const shopOf = () =>
  sandboxMerchant({
    routes: [{ method: 'GET', path: '/v1/x', price: '2', goods: { kind: 'json', body: { x: 1 } } }],
  });

test('the probes’ port has health, readiness and metrics and nothing else, and says so while draining', async () => {
  const port = await freePort();
  const gateway = await startGateway({ sections: { listen: await ports(`, probes: "127.0.0.1:${port}"`) } });
  const ask = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${port}${path}`, init);
  expect(await (await ask('/healthz')).json()).toEqual({ status: 'alive' });
  expect(await (await ask('/readyz')).json()).toMatchObject({ ready: true });
  expect(await (await ask('/metrics')).text()).toContain('purser_policy_info');
  for (const path of ['/', '/keys', '/api/budgets', '/api/stops', '/shop/v1/x']) {
    expect([path, (await ask(path)).status]).toEqual([path, 404]);
  }
  expect((await ask('/readyz', { method: 'POST' })).status).toBe(405);
  expect((await ask('/metrics', { headers: { origin: 'https://evil.example' } })).status).toBe(403);
  expect(await sendRaw(`http://127.0.0.1:${port}`, 'GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n', 300)).toMatch(
    /^HTTP\/1.1 403/,
  );
  await gateway.close();
  await expect(ask('/healthz')).rejects.toThrow();
});

test('the address that a trusted proxy names stands in the receipt, that of anybody else does not', async () => {
  const headers = { 'x-forwarded-for': '1.2.3.4, 203.0.113.9' };
  for (const [more, expected] of [
    [', trustedProxies: ["127.0.0.0/8"]', '203.0.113.9'],
    [', trustedProxies: ["10.0.0.0/8"]', '127.0.0.1'],
    ['', '127.0.0.1'],
  ] as const) {
    const gateway = await startGateway({ sections: { listen: await ports(more) } });
    await gateway.ask('/none/x', { headers });
    expect((await gateway.receipts()).at(-1)?.request?.from).toBe(expected);
    await gateway.close();
  }
});

test('both ports speak TLS with the configured certificate: a purchase, a command, and no plain text', async () => {
  const shop = await shopOf();
  const tls = `, tls: { cert: { file: ${certificates.certFile} }, key: { file: ${certificates.keyFile} } }`;
  const gateway = await spawnGateway({ upstream: shop.url, sections: { listen: await ports(tls) } });
  expect([gateway.agents, gateway.operators].every((url) => url.startsWith('https://'))).toBe(true);
  const token = await gateway.token();
  const ask = (url: string, headers: Record<string, string>) =>
    new Promise<number>((resolve, reject) => {
      const sent = request(url, { ca: certificates.ca, headers }, (answer) => {
        answer.resume().on('end', () => resolve(answer.statusCode ?? 0));
      });
      sent.on('error', reject).end();
    });
  expect(await ask(`${gateway.agents}/shop/v1/x`, { 'purser-token': token })).toBe(200);
  expect(await ask(`${gateway.operators}/healthz`, {})).toBe(200);
  for (const url of [gateway.agents, gateway.operators]) {
    expect(await sendRaw(url, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', 500)).not.toContain('HTTP/1.1 200');
    const old = await new Promise((resolve) => {
      const socket = connect({
        port: Number(new URL(url).port),
        ca: certificates.ca,
        maxVersion: 'TLSv1.1',
        minVersion: 'TLSv1',
      });
      socket.once('secureConnect', () => resolve('connected')).once('error', () => resolve('refused'));
    });
    expect(old).toBe('refused');
  }
  const { stdout } = await run(process.execPath, [MAIN, 'budgets', '--json', '--config', gateway.configFile]);
  expect(JSON.parse(stdout).budgets[0].scopes[0].settled).toBe('0.020000');
  await gateway.close();
  await shop.close();
});

test('the folders of policies make one set, in their order, and a change in any of them is taken up', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'purser-folders-'));
  const [own, team] = [join(folder, 'own'), join(folder, 'team')];
  for (const one of [own, team]) mkdirSync(one);
  const rules = policy().replace('services: [shop]', 'services: [shop]\n    requests: ["GET /v1/**"]');
  writeFileSync(join(own, 'z.yaml'), rules);
  const first =
    'id: everybody-buys-more\n    agents: { id: "buyer-*" }\n    services: [shop]\n    assets: [usd.sandbox]';
  writeFileSync(
    join(team, 'a.yaml'),
    `entitlements:\n  - ${first}\n    payees: [acme]\n    ceiling: 9.00 USD\n    budgets: [purse]\n`,
  );
  const gateway = await startGateway({ sections: { policies: `[${own}, ${team}]` } });
  const view = () => gateway.api<{ entitlements: string[]; lastReloadSuccessful: boolean }>('policy');
  expect((await view()).entitlements).toEqual(['everybody-buys', 'everybody-buys-more']);
  writeFileSync(join(team, 'a.yaml'), 'entitlements: []\n');
  await vi.waitFor(async () => expect((await view()).entitlements).toEqual(['everybody-buys']), { timeout: 10_000 });
  writeFileSync(join(own, 'z.yaml'), 'agents: [');
  await vi.waitFor(async () => expect((await view()).lastReloadSuccessful).toBe(false), { timeout: 10_000 });
  expect((await view()).entitlements).toEqual(['everybody-buys']);
  await gateway.close();
  rmSync(folder, { recursive: true, force: true });
});
