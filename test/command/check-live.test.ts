// `purser check --gateway`: what changed policies would mean for a gateway that runs and has spent.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Merchant, sandboxMerchant } from '../../src/demo/merchant.ts';
import { policy, startGateway, type TestGateway } from '../support/gateway.ts';
import { run } from './support.ts';

let shop: Merchant;
let gateway: TestGateway;
beforeAll(async () => {
  shop = await sandboxMerchant({
    routes: [{ method: 'GET', path: '/v1/a', price: '75', goods: { kind: 'json', body: {} } }],
  });
  gateway = await startGateway({ upstream: shop.url });
  for (const _ of [1, 2]) expect((await gateway.ask('/shop/v1/a')).status).toBe(200);
});
afterAll(async () => {
  await gateway?.close();
  await shop?.close();
});

/** Checks this policy beside the gateway's configuration, as a pipeline would before it is rolled out. */
async function check(policies: string, ...more: string[]) {
  const config = join(gateway.folder, 'next.yaml');
  const folder = join(gateway.folder, 'next');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'policy.yaml'), policies);
  writeFileSync(config, `${readFileSync(gateway.configFile, 'utf8')}policies: ./next\n`);
  const token = ['--token-file', join(gateway.folder, 'var', 'operator-token')];
  return run(['check', '--config', config, '--gateway', gateway.operators, ...token, ...more]);
}

test('the policies in force are compared and found to change nothing', async () => {
  const { code, out } = await check(policy());
  expect([code, out]).toEqual([0, expect.stringContaining(`Compared with the budgets of ${gateway.operators}.`)]);
  expect(out).toContain('(0 errors, 0 warnings)');
});

test('a limit below what is spent is a warning at its line, with the numbers and whose they are', async () => {
  const { code, out } = await check(policy({ limit: '1.00 USD', ceiling: '0.50 USD' }));
  expect(code).toBe(0);
  expect(out).toMatch(
    /next\/policy\.yaml:5:1 {2}budgets purse: limit {2}warning: 1\.000000 is below.*1\.500000 settled.*\["buyer-1"\]/,
  );
});

test('a count below the payments made is a warning, one that just holds them is none', async () => {
  expect((await check(policy({ payments: 1 }))).out).toMatch(
    /budgets purse: payments {2}warning: 1 is below.*2 payments/,
  );
  expect((await check(policy({ payments: 2, limit: '1.50 USD' }))).out).toContain('0 warnings');
});

test('another window or scope under the same id is an error, since counters would change their meaning', async () => {
  for (const [key, other] of [
    ['window', policy({ window: 'window: week' })],
    ['rolling', policy({ window: 'rolling: 24h' })],
    ['per', policy({ per: 'team' })],
  ] as const) {
    const { code, out } = await check(other);
    expect([key, code]).toEqual([key, 1]);
    expect(out).toMatch(new RegExp(`next/policy\\.yaml:5:1 {2}budgets purse: ${key} {2}is .* at the gateway`));
  }
  const { code, out } = await check(policy({ per: 'team' }), '--json');
  expect([code, JSON.parse(out).notCompared]).toEqual([1, []]);
});

test('a gateway that does not answer, or does not know the token, is one line and exit code 1', async () => {
  const own = ['check', '--config', gateway.configFile, '--gateway'];
  const silent = await run([...own, 'http://127.0.0.1:1']);
  expect(silent).toMatchObject({ code: 1, out: '', err: expect.stringContaining('http://127.0.0.1:1') });
  // Beside its own state folder the gateway's own token is at hand; another gateway is never shown it.
  const beside = (state: string) => {
    const file = join(gateway.folder, 'beside.yaml');
    const { port } = new URL(gateway.operators);
    const listen = `listen: { operators: "127.0.0.1:${state === 'own' ? port : '1'}" }`;
    writeFileSync(file, readFileSync(gateway.configFile, 'utf8').replace(/^listen:.*$/m, listen));
    return run(['check', '--config', file, '--gateway', gateway.operators]);
  };
  expect((await beside('own')).out).toContain('Compared with the budgets of');
  expect(await beside('another')).toMatchObject({ code: 1, err: expect.stringContaining('PURSER_OPERATOR_TOKEN') });
  const stranger = await run([...own, gateway.operators], { PURSER_OPERATOR_TOKEN: 'x'.repeat(43) });
  expect(stranger).toMatchObject({ code: 1, out: '', err: expect.stringMatching(/^purser: .*token/) });
  expect((await run([...own, 'ftp://x'])).code).toBe(2);
});
