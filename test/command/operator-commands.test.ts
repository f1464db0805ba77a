// budgets, holds, stop and start, asked of a running operators' port.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { leaveUncertain, openPort, purchase, READER, type TestPort, WRITER } from '../operators/port.ts';
import { run } from './support.ts';

let port: TestPort;
let config: string;
beforeEach(async () => {
  port = await openPort();
  config = configFor(new URL(port.url).port);
});
afterEach(() => port.close());

function configFor(number: string): string {
  const file = join(mkdtempSync(join(tmpdir(), 'purser-command-')), 'config.yaml');
  const text = `
listen: { agents: "127.0.0.1:0", operators: "127.0.0.1:${number}" }
identity: { development: true }
services: [{ id: weather, upstream: "http://127.0.0.1:9", allowPrivateNetwork: true }]
`;
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}

const purser = (...args: string[]) => run([...args, '--config', config], { PURSER_OPERATOR_TOKEN: WRITER });

test('budgets are a table for people and JSON for programs, with the same numbers', async () => {
  await purchase(port, 'h1');
  const shown = await purser('budgets');
  expect([shown.code, shown.err]).toEqual([0, '']);
  const cells = shown.out.split('\n').map((line) => line.split(/ {2,}/));
  expect(cells[0]?.slice(0, 8)).toEqual(['BUDGET', 'PER', 'WINDOW', 'SCOPE', 'LIMIT', 'SETTLED', 'HELD', 'LEFT']);
  expect(cells[1]?.slice(0, 8)).toEqual([
    'day',
    'agent',
    'day',
    '["research-1"]',
    '5.000000',
    '0.000000',
    '1.250000',
    '3.750000',
  ]);
  const { budgets } = JSON.parse((await purser('budgets', '--json')).out);
  expect(budgets[0].scopes[0]).toMatchObject({ scope: '["research-1"]', held: '1.250000', left: '3.750000' });
});

test('a budget that nobody used is shown whole', async () => {
  expect((await purser('budgets')).out).toMatch(/day +agent +day +nothing spent +5\.000000 +5\.000000/);
});

test('stop, stop list and start work by the shell alone, and a mistyped id is warned of', async () => {
  expect((await purser('stop', 'list')).out).toBe('Nothing is stopped.\n');
  const stopped = await purser('stop', '--service', 'weather', '--because', 'price jumped');
  expect([stopped.code, stopped.err]).toEqual([0, '']);
  expect(stopped.out).toMatch(/^Stopped: service weather\. Receipt .+\.\n$/);
  const mistyped = await purser('stop', '--agent', 'reserch-1', '--because', 'x', '--json');
  expect(mistyped.code).toBe(0);
  expect(mistyped.err).toContain('reserch-1');
  expect(await port.budget.stops()).toHaveLength(2);
  expect((await purser('stop', 'list')).out).toMatch(/service +weather +dana +\S+ +price jumped/);
  expect((await purser('start', '--service', 'weather')).code).toBe(0);
  const again = await purser('start', '--service', 'weather');
  expect([again.code, again.out]).toEqual([1, '']);
  expect(again.err).toContain('Nothing to start');
  expect((await purser('stop', '--all', '--because', 'incident')).out).toContain('every payment');
});

test('holds are listed with their evidence and resolved one by one or many at once', async () => {
  expect((await purser('holds', 'list')).out).toBe('No hold is open.\n');
  const [one, two, running] = [await purchase(port, 'h1'), await purchase(port, 'h2'), await purchase(port, 'h3')];
  await leaveUncertain(port, one);
  await leaveUncertain(port, two);
  const listed = (await purser('holds', 'list')).out;
  expect(listed).toContain('payment_uncertain, no answer, receipt');
  expect(listed).toContain('its request is under way');
  const early = await purser('holds', 'resolve', one, '--as', 'voided', '--because', 'x');
  expect(early.code).toBe(1);
  expect(early.out).toContain('can be redeemed until');
  const resolve = ['holds', 'resolve', '--as', 'settled', '--because', 'in the books', '--service'];
  expect((await purser(...resolve, 'news', '--before', '2100-01-01T00:00:00Z')).code).toBe(1);
  expect((await purser(...resolve, 'weather', '--before', '2020-01-01T00:00:00Z')).code).toBe(1);
  const many = await purser(...resolve, 'weather', '--before', '2100-01-01T00:00:00Z', '--json');
  expect(many.code).toBe(0);
  expect(
    JSON.parse(many.out)
      .results.map(({ hold }: { hold: string }) => hold)
      .sort(),
  ).toEqual([one, two].sort());
  expect((await port.budget.openHolds()).map(({ id }) => id)).toEqual([running]);
});

test('ADMIN-10 control, colour and direction characters are shown escaped, in tables and in JSON', async () => {
  const wild = '=HYPERLINK("http://x")\u001b[31m\u202egnp\r\n\u0007';
  await port.budget.stop({ kind: 'agent', id: wild, because: wild, by: wild });
  for (const extra of [[], ['--json']]) {
    const { out } = await purser('stop', 'list', ...extra);
    expect(out).toContain('HYPERLINK');
    expect(out.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  }
  const { stops } = JSON.parse((await purser('stop', 'list', '--json')).out);
  expect(stops[0].because).toBe(wild);
});

test('without a token, with one that may only look, and with a wrong one nothing is ordered', async () => {
  const stop = ['stop', '--all', '--because', 'x', '--config', config];
  const without = await run(stop);
  expect(without.code).toBe(1);
  expect(without.err).toContain('PURSER_OPERATOR_TOKEN');
  const reader = await run(stop, { PURSER_OPERATOR_TOKEN: READER });
  expect([reader.code, reader.out]).toEqual([1, '']);
  expect(reader.err).toContain('may only look');
  const wrong = await run(stop, { PURSER_OPERATOR_TOKEN: 'canary-token-value' });
  expect(wrong.code).toBe(1);
  expect(wrong.err).not.toContain('canary-token-value');
  expect(await port.budget.stops()).toEqual([]);
});

test('a port that something else answers, or nobody at all, is never taken for a stopped gateway', async () => {
  const sockets: { destroy(): void }[] = [];
  const other = createServer((socket) => {
    sockets.push(socket);
    socket
      .on('error', () => undefined)
      .once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi'));
  });
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const address = other.address();
  const file = configFor(String(typeof address === 'object' ? address?.port : 0));
  const answer = await run(['budgets', '--config', file], { PURSER_OPERATOR_TOKEN: WRITER });
  expect(answer.code).toBe(1);
  expect(answer.err).toContain('no Purser gateway');
  for (const socket of sockets) socket.destroy();
  other.close();
});
