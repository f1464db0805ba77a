// What the command line says: every command and flag is used wrongly in every way, and every command is run where
// something that it needs is missing, damaged, locked or of somebody else.
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addOperators } from '../../src/command/add-operators.ts';
import { addReading } from '../../src/command/add-reading.ts';
import { addRunning } from '../../src/command/add-running.ts';
import { addReferences } from '../../src/command/references.ts';
import { run } from '../command/support.ts';
import { folderWith } from '../config/folder.ts';
import { hostileMerchant } from '../fakes/hostile-merchant.ts';
import { freePort, startGateway, type TestGateway } from '../support/gateway.ts';
import { expectGood, type Told } from './told.ts';

const told: Told[] = [];

/** What went wrong; of the usage that follows it where a command was used wrongly, the first line. */
async function wrong(...args: string[]): Promise<void> {
  const { code, err, out } = await run(args);
  if (code === 0) return;
  const [text = '', usage] = err.split(/\n+(?=Usage: )/);
  const said = usage === undefined ? text : `${text}\n${usage.split('\n')[0]}`;
  told.push({ by: `purser ${args.join(' ')}`.slice(0, 120), text: (said || out).trimEnd() });
}

function program(): Command {
  const root = new Command('purser');
  const io = { out() {}, err() {}, env: {} };
  addRunning(root, io, () => {});
  addReading(root, io, () => {});
  addOperators(root, io, () => {});
  addReferences(root, io);
  return root;
}

function* leaves(command: Command, path: readonly string[] = []): Generator<{ path: string[]; command: Command }> {
  for (const below of command.commands) {
    const at = [...path, below.name()];
    yield { path: at, command: below };
    yield* leaves(below, at);
  }
}

test('wrong usage: the flag or argument is named, and what it takes', async () => {
  await wrong('budgest');
  await wrong('--nothing');
  for (const { path, command } of leaves(program())) {
    await wrong(...path, '--nothing');
    await wrong(...path, 'one', 'two', 'three');
    for (const option of command.options) {
      const flag = option.long ?? '';
      await wrong(...path, `${flag}x`);
      if (option.required) {
        await wrong(...path, flag);
        for (const value of ['', 'x', '0', '?', 'ftp://x', 'http://10.0.0.1:1', '2026-02-30']) {
          if (path[0] !== 'serve' && path[0] !== 'demo') await wrong(...path, flag, value);
        }
      }
    }
  }
  for (const args of [
    ...[['stop'], ['stop', '--because', 'x'], ['stop', '--all', '--agent', 'a', '--because', 'x'], ['start']],
    ...[['explain'], ['explain', 'a.1', '--agent', 'a'], ['explain', '--agent', 'a', '--service', 's']],
    ...[
      ['holds', 'resolve', '--as', 'settled', '--because', 'x'],
      ['holds', 'resolve', 'h'],
      ['token', '--check', 'f', '--agent', 'a'],
    ],
    ...[
      ['demo', '--shop', 'x'],
      ['demo', '--shop', '127.0.0.1:1', '--once'],
      ['schema', 'x'],
      ['completion', 'x'],
      ['schema'],
    ],
    ...[
      ['token'],
      ['token', '--agent', 'a', '--operator', 'b'],
      ['holds', 'resolve', 'h', '--as', 'x', '--because', 'y'],
    ],
  ]) {
    await wrong(...args);
  }
});

let gateway: TestGateway;
let closeShop: () => Promise<void>;

beforeAll(async () => {
  const shop = await hostileMerchant({});
  closeShop = () => shop.close();
  gateway = await startGateway({ upstream: shop.url });
  await (await gateway.ask('/shop/x')).text();
  await (await gateway.ask('/nowhere')).text();
});
afterAll(async () => {
  await gateway.close();
  await closeShop();
});

/** Every command with what it needs at least; `id` names something to look for. */
const every = (id: string): string[][] => [
  ...[['check'], ['token', '--agent', 'buyer-1'], ['token', '--operator', 'dana'], ['receipts', 'list']],
  ...[
    ['receipts', 'show', id],
    ['receipts', 'export'],
    ['receipts', 'verify'],
    ['report', '--month', '2026-11'],
    ['budgets'],
  ],
  ...[
    ['explain', id],
    ['explain', '--agent', 'buyer-1', '--service', 'shop', '--request', 'GET /x'],
    ['holds', 'list'],
  ],
  ...[
    ['holds', 'resolve', id, '--as', 'settled', '--because', 'x'],
    ['stop', '--all', '--because', 'x'],
    ['stop', 'list'],
  ],
  ...[
    ['start', '--all'],
    ['token', '--check', 'none'],
    ['audit', '--month', '2026-11'],
    ['keys', 'list'],
    ['keys', 'rotate', '--because', 'x'],
    ['receipts', 'checkpoint'],
    ['receipts', 'prove', id],
  ],
];

const SMALL = `identity: { development: true }
services: [{ id: shop, upstream: "http://127.0.0.1:9", allowPrivateNetwork: true }]
assets: [{ id: usd.sandbox, network: sandbox, token: usd, decimals: 2, value: "1 USD" }]
wallets: [{ id: play, rail: sandbox, key: { file: sandbox.pem } }]
`;
const PEOPLE = 'agents: [{ id: buyer-1, owner: dana@example.com }]\n';

test('without a configuration, with a wrong one, without state, and with a damaged one', async () => {
  const ports = `listen: { agents: "127.0.0.1:${await freePort()}", operators: "127.0.0.1:${await freePort()}" }\n`;
  const folder = folderWith({
    'good.yaml': SMALL + ports,
    'bad.yaml': 'servces: []\n',
    'issuers.yaml': `${ports}identity: { issuers: [{ issuer: i, audience: a, keys: { file: k.json } }] }\n`,
    'policies/p.yaml': PEOPLE,
    'damaged/purser.sqlite': 'this is no database, and long enough to be looked at as one, if only by mistake',
  });
  chmodSync(join(folder, 'damaged'), 0o700);
  writeFileSync(join(folder, 'damaged.yaml'), `${SMALL}${ports}state: { dir: damaged }\n`, { mode: 0o600 });
  for (const config of ['none', 'bad', 'good', 'issuers', 'damaged']) {
    for (const args of every('pxxxxxx.1')) await wrong(...args, '--config', join(folder, `${config}.yaml`));
  }
});

test('what is asked of a running gateway is not there, or may not be done', async () => {
  const { folder, configFile, operators } = gateway;
  const at = ['--config', configFile];
  for (const id of ['pxxxxxx.1', 'nothing', '\u001b[31m', `${'x'.repeat(300)}`]) {
    for (const args of every(id)) await wrong(...args, ...at);
  }
  const files = { token: 'token.txt', open: 'open.txt', empty: 'empty.txt', large: 'large.txt' };
  const path = (name: keyof typeof files) => join(folder, files[name]);
  for (const name of Object.keys(files) as (keyof typeof files)[])
    writeFileSync(path(name), 'x'.repeat(40), { mode: 0o600 });
  writeFileSync(path('empty'), '');
  writeFileSync(path('large'), 'x'.repeat(100_000));
  chmodSync(path('open'), 0o644);
  for (const file of [
    ...Object.keys(files).map((name) => path(name as keyof typeof files)),
    join(folder, 'none'),
    folder,
  ]) {
    await wrong('budgets', '--gateway', operators, '--token-file', file, ...at);
    await wrong('token', '--check', file, ...at);
    await wrong('receipts', 'verify', file, ...at);
    await wrong('receipts', 'verify', '--keys', file, ...at);
    await wrong('receipts', 'verify', '--head', file, ...at);
    await wrong('report', '--from', file, ...at);
    await wrong('report', '--from', file, '--keys', file, ...at);
  }
  await wrong('budgets', '--gateway', operators, ...at);
  await wrong('budgets', '--gateway', 'http://127.0.0.1:1', ...at);
  await wrong('check', '--gateway', operators, '--token-file', path('token'), ...at);
  await wrong('receipts', 'export', '--out', join(folder, 'none', 'x'), ...at);
  await wrong('receipts', 'export', '--out', folder, ...at);
  await wrong('stop', '--agent', 'nobody', '--because', 'x', ...at);
  await wrong('stop', '--service', 'nothing', '--because', 'x', ...at);
  await wrong('stop', '--all', '--because', '', ...at);
  await wrong('stop', '--all', '--because', 'x'.repeat(2_000), ...at);
  await wrong('start', '--agent', 'nobody', ...at);
  await wrong('token', '--agent', 'nobody', ...at);
  await wrong('token', '--agent', 'buyer-1', '--ttl', '99d', ...at);
  await wrong('token', '--operator', '', ...at);
  await wrong('receipts', 'list', '--since', '2027-01-01', '--until', '2026-01-01', ...at);
  await wrong('receipts', 'list', '--kind', 'sold', ...at);
  await wrong('report', '--month', '2026-13', ...at);
  await wrong('report', '--month', '2026-11', '--since', '2026-11-01', ...at);
  await wrong('report', '--by', 'colour', ...at);
  await wrong('report', '--csv', '--focus', ...at);
  await wrong('report', '--time-zone', 'Mars', ...at);
  await wrong('explain', '--agent', 'nobody', '--service', 'shop', '--request', 'GET /x', ...at);
  await wrong('explain', '--agent', 'buyer-1', '--service', 'none', '--request', 'GET /x', ...at);
  await wrong('explain', '--agent', 'buyer-1', '--service', 'shop', '--request', 'x', ...at);
  await wrong('explain', '--agent', 'buyer-1', '--service', 'shop', '--request', 'GET /x', '--price', 'x', ...at);
  await wrong('explain', '--agent', 'buyer-1', '--service', 'shop', '--request', 'GET /x', '--asset', 'x', ...at);
  await wrong('serve', ...at);
  await wrong('demo', '--shop', new URL(operators).host);
});

test('an export that was changed, cut or is of another log', async () => {
  const { folder, configFile } = gateway;
  const at = ['--config', configFile];
  const whole = join(folder, 'whole.jsonl');
  expect((await run(['receipts', 'export', '--out', whole, ...at])).code).toBe(0);
  const text = readFileSync(whole, 'utf8');
  const lines = text.trimEnd().split('\n');
  const changed: readonly string[] = [
    ...[
      text.slice(0, -1),
      text.slice(0, -40),
      lines.slice(0, -1).join('\n'),
      lines.slice(1).join('\n'),
      `${text}${text}`,
    ],
    ...[
      text.replace('"kind":"', '"kind":"x'),
      text.replace('buyer-1', 'buyer-9'),
      text.replace(/"prev":"./, '"prev":"f'),
    ],
    ...[
      text.replace(/"signature":"[^"]*"/, '"signature":"x.y.z"'),
      text.replace(/"hash":"./, '"hash":"z'),
      `${text}x\n`,
    ],
    ...[
      [lines[1], lines[0], ...lines.slice(2)].join('\n'),
      text.replace('{', '{ '),
      text.replace('"seq":1,', '"seq":7,'),
    ],
    ...['\n', '{}\n', '[]\n', 'null\n', '{"receipt":1}\n', `${'x'.repeat(2_000_000)}\n`],
  ];
  for (const [index, content] of changed.entries()) {
    const file = join(folder, `changed-${index}.jsonl`);
    writeFileSync(file, content.endsWith('\n') || index < 4 ? content : `${content}\n`);
    await wrong('receipts', 'verify', file, ...at);
    await wrong('report', '--from', file, ...at);
    await wrong('receipts', 'verify', whole, '--head', file, ...at);
    await wrong('receipts', 'verify', whole, '--keys', file, ...at);
  }
  const other = folderWith({ 'c.yaml': readFileSync(configFile, 'utf8').replace(/^listen.*\n/m, '') });
  mkdirSync(join(other, 'policies'));
  copyFileSync(join(folder, 'policies/policy.yaml'), join(other, 'policies/policy.yaml'));
  await wrong('receipts', 'verify', whole, '--config', join(other, 'c.yaml'));
});

test('an audit whose books, exports or period are wrong', async () => {
  const { folder, configFile } = gateway;
  const at = ['--month', '2026-11', '--config', configFile];
  const first = 'payment,amount,asset,payee,at';
  const noon = '2026-11-23T12:00:00Z';
  const rows = [
    ...['n,1', 'n,1.5,usd.sandbox,acme,now', `n,-1,usd.sandbox,acme,${noon}`, `,1,usd.sandbox,acme,${noon}`],
    ...[`n,1,usd.sandbox,,${noon}`, 'n,1,usd.sandbox,acme,yesterday', '"open', 'a,b"c,d,e,f'],
    ...[`n,${'9'.repeat(90)},usd.sandbox,acme,${noon}`],
  ];
  const books = [
    '',
    '\n',
    'payment,amount\n',
    `${first},${first}\n`,
    '\u0000\n',
    ...rows.map((row) => `${first}\n${row}\n`),
  ];
  for (const [index, content] of books.entries()) {
    const file = join(folder, `books-${index}.csv`);
    writeFileSync(file, content);
    await wrong('audit', '--books', file, ...at);
  }
  for (const file of [folder, join(folder, 'none')]) {
    await wrong('audit', '--books', file, ...at);
    await wrong('audit', '--from', file, ...at);
    await wrong('audit', '--from', file, '--keys', file, ...at);
  }
  await wrong('audit', '--keys', join(folder, 'none'), ...at);
  await wrong('audit', '--csv', '--json', ...at);
  await wrong('audit', '--without-budgets', ...at);
  await wrong('audit', '--payee', 'acme', ...at);
  await wrong('audit', '--time-zone', 'Mars', ...at);
  await wrong('audit', '--chain', ...at);
});

test('a key that is rotated without a reason, or where it cannot be', async () => {
  const at = ['--config', gateway.configFile];
  for (const reason of ['', ' ', 'x'.repeat(2_000), 'a\nb']) await wrong('keys', 'rotate', '--because', reason, ...at);
  await wrong('keys', 'rotate', ...at);
  await wrong('keys', 'rotate', '--because', 'x', '--gateway', 'http://127.0.0.1:1', ...at);
  await wrong('keys', 'rotate', '--because', 'x', '--gateway', gateway.operators, ...at);
});

test('a witness that has no name, no logs it knows, no place, or no port', async () => {
  const { folder, configFile, operators } = gateway;
  const named = ['--name', 'witness.example/w1'];
  await wrong('witness');
  await wrong('witness', ...named);
  for (const path of ['none', '.']) await wrong('witness', ...named, '--logs', join(folder, path));
  const { out } = await run(['keys', 'list', '--config', configFile]);
  const key = /\S+\+\S+$/m.exec(out)?.[0] ?? '';
  for (const [index, content] of ['x\n', `${key.slice(0, -4)}\n`, `${key} more\n`, '{"keys":[]}\n'].entries()) {
    const file = join(folder, `logs-${index}.txt`);
    writeFileSync(file, content);
    await wrong('witness', ...named, '--logs', file, '--state', join(folder, 'w'));
  }
  const known = join(folder, 'logs.txt');
  writeFileSync(known, `${key}\n`);
  const state = ['--state', join(folder, 'w'), '--logs', known];
  for (const name of ['', 'a b', 'a+b', 'x'.repeat(300)]) await wrong('witness', '--name', name, ...state);
  for (const listen of ['x', '127.0.0.1', '127.0.0.1:99999', new URL(operators).host]) {
    await wrong('witness', ...named, ...state, '--listen', listen);
  }
  await wrong('witness', ...named, '--logs', known, '--state', known);
});

test('an operators’ port that is none of ours', async () => {
  const answers = ['{}', 'hello', '{"kind":"problem"}', 'x'.repeat(1_000)];
  for (const status of [200, 302, 401, 403, 404, 500]) {
    for (const answer of answers) {
      const server = createServer((_, response) => response.writeHead(status).end(answer));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as { port: number };
      const token = join(gateway.folder, 'token.txt');
      writeFileSync(token, 'x'.repeat(40), { mode: 0o600 });
      const there = ['--gateway', `http://127.0.0.1:${port}`, '--token-file', token, '--config', gateway.configFile];
      await wrong('budgets', ...there);
      await wrong('stop', '--all', '--because', 'x', ...there);
      await wrong('check', ...there);
      server.close();
    }
  }
});

test('all of it reads well', () => {
  expect(told.length).toBeGreaterThan(300);
  const hidden = told.map(({ by, text }) => ({
    by: by.replaceAll(gateway.folder, '…'),
    text: text.replaceAll(/\/tmp\/purser-test-\w+/g, '…').replaceAll(/127\.0\.0\.1:\d{4,5}/g, '127.0.0.1:…'),
  }));
  expectGood('command', hidden, /./, []);
});
