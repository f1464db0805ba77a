// What a running gateway writes to standard output: JSON for machines, lines for people at a terminal.
import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Merchant, sandboxMerchant } from '../../src/demo/merchant.ts';
import type { Receipt } from '../../src/domain/receipt.ts';
import { prettyLine } from '../../src/observe/pretty.ts';
import { spawnGateway } from '../support/gateway.ts';

const CANARY = 'canary-51c7';
let shop: Merchant;
let lines: Record<string, unknown>[];
let text: string;
let receipts: Receipt[];

beforeAll(async () => {
  shop = await sandboxMerchant({
    routes: [
      { method: 'GET', path: '/free', price: null, goods: { kind: 'json', body: {} } },
      { method: 'GET', path: '/x', price: '2', goods: { kind: 'json', body: { x: 1 } } },
    ],
  });
  const gateway = await spawnGateway({ upstream: shop.url });
  try {
    const headers = { 'x-header': CANARY, 'purser-purpose': CANARY };
    for (const path of [`/shop/free?q=${CANARY}`, '/shop/x', '/nowhere/x']) {
      await (await gateway.ask(path, { headers })).text();
    }
    await (await fetch(`${gateway.agents}/shop/x`)).text();
    while (!(await gateway.receipts()).some(({ kind }) => kind === 'delivered')) await sleep(20);
    receipts = await gateway.receipts();
  } finally {
    await gateway.close();
  }
  text = gateway.output();
  lines = text.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []));
}, 30_000);
afterAll(() => shop.close());

test('each request is one access line, with how it ended', () => {
  const access = lines.filter(({ msg }) => msg === 'access');
  // A purchase ends, and is told, once its delivery is sealed: after the answer.
  const told = access.map(({ service, status, code, agent }) => [service, status, code ?? null, agent]);
  expect(told.sort()).toEqual([
    [null, 401, 'token_missing', null],
    [null, 404, 'service_unknown', 'buyer-1'],
    ['shop', 200, null, 'buyer-1'],
    ['shop', 200, null, 'buyer-1'],
  ]);
  expect(new Set(access.map(({ exchange }) => exchange)).size).toBe(4);
});

test('each sealed receipt is one line, in the order of the log', () => {
  const told = lines.filter(({ msg }) => msg === 'receipt').map(({ id, kind }) => [id, kind]);
  // The refusal without a token is summed up when the gateway ends.
  const sealed = receipts.filter(({ kind }) => kind !== 'summary').map(({ id, kind }) => [id, kind]);
  expect(told).toEqual([...sealed, [expect.any(String), 'summary']]);
  expect(told.map(([, kind]) => kind)).toEqual(expect.arrayContaining(['intended', 'settled', 'refused', 'policy']));
});

test('no query, header, purpose or path is in any line', () => {
  expect(text).not.toContain(CANARY);
  expect(text).not.toContain('/free');
});

test('a line for people has what the JSON has, and nothing that moves a cursor', () => {
  const time = '2026-11-23T10:00:00.123Z';
  const json = { level: 'warn', time, msg: 'a\u001b[2J', agent: null, problems: ['x\n', '\u202ey'], ms: 1.5, on: true };
  const plain = prettyLine(`${JSON.stringify(json)}\n`, 'plain');
  expect(plain).toBe('10:00:00.123 warn  a\\u{1b}[2J problems=x\\u{a},\\u{202e}y ms=1.5 on=true\n');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are made of them.
  expect(prettyLine(JSON.stringify(json), 'coloured').replace(/\u001b\[[0-9]+m/g, '')).toBe(plain);
});

const python = spawnSync('python3', ['--version']).status === 0;

test.runIf(python)('at a terminal the lines are for people; NO_COLOR takes the colours out', () => {
  // One process writes to a terminal of its own; what it wrote comes back.
  const program = `
    import { openLog } from '${new URL('../../src/observe/log.ts', import.meta.url).pathname}';
    import { prettyFor } from '${new URL('../../src/command/serve.ts', import.meta.url).pathname}';
    const log = openLog({ fd: 1, pretty: prettyFor(process.env) });
    log.event('info', 'listening', { agents: 'here' });
    log.flush();`;
  const run = (env: NodeJS.ProcessEnv) => {
    const command = `import pty,sys; sys.exit(pty.spawn(sys.argv[1:]))`;
    const node = [process.execPath, '--input-type=module', '-e', program];
    return spawnSync('python3', ['-c', command, ...node], { env: { ...process.env, TERM: 'xterm', ...env } }).stdout;
  };
  expect(String(run({ NO_COLOR: '1' }))).toMatch(/^\d\d:\d\d:\d\d\.\d{3} info {2}listening agents=here\r\n$/);
  expect(String(run({ NO_COLOR: '' }))).toContain('\u001b[32minfo \u001b[0m listening');
});
