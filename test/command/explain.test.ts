// `purser explain` on the log of a real gateway: what happened, and what would happen, held against what does.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Merchant, type Route, sandboxMerchant } from '../../src/demo/merchant.ts';
import { policy, startGateway, type TestGateway } from '../support/gateway.ts';
import { run } from './support.ts';

let acme: Merchant;
let gateway: TestGateway;
let policyFile: string;

const route = (path: string, price: string | null): Route => ({
  method: 'GET',
  path,
  price,
  goods: { kind: 'json', body: { x: 1 } },
});

beforeAll(async () => {
  acme = await sandboxMerchant({ routes: [route('/v1/x', '2'), route('/v1/dear', '150'), route('/v1/free', null)] });
  gateway = await startGateway({ upstream: acme.url, policies: policy({ limit: '0.05 USD' }) });
  policyFile = join(gateway.folder, 'policies', 'policy.yaml');
});

afterAll(async () => {
  await gateway.close();
  await acme.close();
});

const explain = (...args: string[]) => run(['explain', '--config', gateway.configFile, ...args]);

const hypothetical = (over: Readonly<Record<string, string>> = {}, ...more: string[]) => {
  const asked = { agent: 'buyer-1', service: 'shop', request: 'GET /v1/x', ...over };
  return explain(...Object.entries(asked).flatMap(([name, value]) => [`--${name}`, value]), ...more);
};

const idIn = (answer: Response): string => /^"([^"]+)"/.exec(answer.headers.get('purser-receipt') ?? '')?.[1] ?? '';

test('a refusal is told whole: who, claimed task, rule with its line, checks with numbers, demand, log', async () => {
  const headers = { 'purser-task': 'T-claimed', 'purser-purpose': 'planning', traceparent: TRACEPARENT };
  const answer = await gateway.ask('/shop/v1/dear', { headers });
  const problem = (await answer.json()) as { code: string; detail: string };
  expect(problem.code).toBe('over_ceiling');
  const { code, out } = await explain(idIn(answer));
  expect(code).toBe(0);
  for (const part of [
    'Refused: over_ceiling (Price over the ceiling). Nothing was paid.',
    `The agent was told: ${problem.detail}`,
    'agent buyer-1 of team research, owner dana@example.com',
    'issued by purser-development',
    'from 127.0.0.1',
    '"T-claimed", claimed by the agent and not verified',
    'purpose "planning", claimed by the agent and not verified',
    'GET /v1/dear at service shop',
    `entitlement everybody-buys (${policyFile}:7)`,
    'which is the one in the folder now',
    'failed  ceiling: asked 1.500000, limit 1.000000',
    '150 atoms of usd.sandbox on sandbox to acme, worth 1.500000 USD',
    'none: nothing was held and no proof was made',
    'verified from their bytes',
    `in ${policyFile}:12, entitlement everybody-buys: ceiling: 1.50 USD`,
  ]) {
    expect(out).toContain(part);
  }
  const json = JSON.parse((await explain(idIn(answer), '--json')).out);
  expect(json).toMatchObject({
    end: 'refused',
    code: 'over_ceiling',
    findings: { policy: { same: true }, afterwards: 'allowed', log: { intact: true } },
  });
  expect(json.findings.amendments).toHaveLength(1);
});

const TRACEPARENT = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;

test('what an agent is told has no file, no line and no rule in it', async () => {
  for (const path of ['/shop/v1/dear', '/nowhere/x']) {
    const text = await (await gateway.ask(path)).text();
    for (const hidden of ['.yaml', 'everybody-buys', 'entitlements']) expect(text).not.toContain(hidden);
  }
});

test('a purchase is told by its receipt, its exchange and its hold, with what became of it', async () => {
  const answer = await gateway.ask('/shop/v1/x');
  expect(answer.status).toBe(200);
  await answer.arrayBuffer();
  await new Promise((resolve) => setTimeout(resolve, 100));
  const { end, exchange, hold, id, steps } = JSON.parse((await explain(idIn(answer), '--json')).out);
  expect(end).toBe('settled');
  expect(steps.map(({ kind }: { kind: string }) => kind)).toEqual(['intended', 'settled', 'delivered']);
  const texts = await Promise.all([id, exchange, hold.id].map(async (name) => (await explain(name)).out));
  for (const text of texts) {
    expect(text).toContain('Paid: 0.020000 USD.');
    expect(text).toContain(`hold ${hold.id}: 0.020000 USD of wallet play`);
    expect(text).toContain('passed  budget purse: asked 0.020000, limit 0.050000');
    expect(text).toContain('the store has no open hold of it');
  }
});

test('an id that is not in the log is exit 1, and one of another log says so', async () => {
  const none = await explain('nothing\u001b[2J');
  expect([none.code, none.out]).toEqual([1, '']);
  expect(none.err).not.toContain('\u001b');
  expect((await explain('pother00.12')).err).toContain('of the log pother00, which another gateway keeps');
});

test('what would be decided is what is decided, with the counters of the running gateway', async () => {
  const fits = await hypothetical({ price: '0.02 USD', payee: 'acme' }, '--json');
  expect(fits.code).toBe(0);
  const told = JSON.parse(fits.out);
  expect(told).toMatchObject({ outcome: 'allowed', counters: { known: true, source: 'the running gateway' } });
  expect(told.checks.at(-1)).toMatchObject({ check: 'budget purse', limit: '0.050000', asked: '0.020000' });
  const before = acme.books.length;
  const over = await hypothetical({ price: '0.05 USD', payee: 'acme' });
  expect(over.code).toBe(1);
  expect(over.out).toContain('Would be refused: budget_exceeded');
  expect(over.out).toMatch(/failed {2}budget purse: asked 0\.050000, limit 0\.050000, settled 0\.0[24]0000/);
  expect(acme.books.length).toBe(before);
});

test('what is left of a budget fits to the last micro-unit, and one more does not', async () => {
  const { checks } = JSON.parse((await hypothetical({ price: '0.01 USD' }, '--json')).out);
  const { limit, settled, held } = checks.at(-1);
  const micros = (text: string) => Math.round(Number(text) * 1e6);
  const left = micros(limit) - micros(settled) - micros(held);
  expect((await hypothetical({ price: `${(left / 1e6).toFixed(6)} USD` })).code).toBe(0);
  expect((await hypothetical({ price: `${((left + 1) / 1e6).toFixed(6)} USD` })).code).toBe(1);
});

test('a stop is foretold with its reason for what it names, and for nothing else', async () => {
  const order = (method: 'POST' | 'DELETE', kind: string, id: string) =>
    gateway.api(method === 'POST' ? 'stops' : `stops?${new URLSearchParams({ kind, id })}`, {
      method,
      ...(method === 'POST' ? { body: JSON.stringify({ kind, id, because: 'key leaked' }) } : {}),
    });
  const foretold = () => hypothetical({ agent: 'buyer-2', price: '0.01 USD' });
  for (const kind of ['agent', 'service', 'wallet']) await order('POST', kind, 'another');
  expect((await foretold()).code).toBe(0);
  for (const [kind, id] of [
    ['agent', 'buyer-2'],
    ['service', 'shop'],
    ['wallet', 'play'],
    ['all', '*'],
  ] as const) {
    await order('POST', kind, id);
    const { code, out } = await foretold();
    await order('DELETE', kind, id);
    expect([kind, code]).toEqual([kind, 1]);
    expect(out).toContain('Would be refused: stopped');
    expect(out).toContain('key leaked');
  }
  expect((await foretold()).code).toBe(0);
});

test.each([
  [{ request: 'v1/x' }, 'a method and a path'],
  [{ price: '0.02 EUR' }, 'an amount above 0 in USD'],
  [{ price: '0 USD' }, 'an amount above 0'],
  [{ price: '1e3 USD' }, 'an amount above 0'],
  [{ payee: 'acme' }, 'belong to a price'],
  [{ agent: '' }, '1 to 256 visible characters'],
  [{ agent: 'a\u001b' }, '1 to 256 visible characters'],
])('a question without sense is exit 2: %j', async (over, says) => {
  const { code, out, err } = await hypothetical(over);
  expect([code, out]).toEqual([2, '']);
  expect(err).toContain(says);
});

test('targets and services that no request would reach are refused in the same words', async () => {
  expect((await hypothetical({ request: 'GET /a/../b' })).out).toContain('target_forbidden');
  expect((await hypothetical({ service: 'casino' })).out).toContain('service_unknown');
  expect((await hypothetical({ agent: 'агент', request: 'GET /v1/x' })).out).toContain('agent_unknown');
});

test('after a change of the policies the story says so, and what they would decide today', async () => {
  const refused = idIn(await gateway.ask('/shop/v1/dear'));
  const written = readFileSync(policyFile, 'utf8');
  writeFileSync(policyFile, written.replace('ceiling: 1.00 USD', 'ceiling: 2.00 USD'));
  const { out } = await explain(refused);
  writeFileSync(policyFile, written);
  expect(out).toContain('the folder has changed since');
  expect(out).toContain('the policies in the folder now: allowed');
  expect(out).not.toContain('To allow it');
});

test('a receipt whose bytes were changed, or that of a neighbour, is told as not intact, exit 1', async () => {
  const refused = idIn(await gateway.ask('/shop/v1/dear'));
  const seq = Number(refused.split('.')[1]);
  const db = new DatabaseSync(join(gateway.folder, 'var', 'purser.sqlite'));
  const row = db.prepare('SELECT bytes FROM receipts WHERE seq = ?');
  const put = db.prepare('UPDATE receipts SET bytes = ? WHERE seq = ?');
  for (const changed of [seq, seq - 1]) {
    const bytes = String(row.get(changed)?.bytes);
    put.run(bytes.replace('"at":"2', '"at":"3'), changed);
    const { code, out } = await explain(refused);
    put.run(bytes, changed);
    expect([code, out.includes(`NOT INTACT: at seq ${changed}`)]).toEqual([1, true]);
  }
  db.close();
  expect((await explain(refused)).code).toBe(0);
});

test('without a gateway the state answers; without a state the counters are not known, and none is made', async () => {
  const state = await startGateway({ upstream: acme.url, policies: policy({ limit: '0.05 USD' }) });
  expect((await state.ask('/shop/v1/x')).status).toBe(200);
  const copy = readFileSync(state.configFile, 'utf8');
  await state.close();
  const folder = gateway.folder;
  const lonely = join(folder, 'lonely.yaml');
  writeFileSync(lonely, `${copy}state: { dir: ./no-state }\npolicies: ./policies\n`, { mode: 0o600 });
  const asked = ['--agent', 'buyer-1', '--service', 'shop', '--request', 'GET /v1/x', '--price', '0.02 USD'];
  const { code, out } = await run(['explain', '--config', lonely, ...asked]);
  expect(code).toBe(0);
  expect(out).toMatch(/Counters +not known \(no gateway runs/);
  expect(() => readFileSync(join(folder, 'no-state', 'purser.sqlite'))).toThrow();
});
