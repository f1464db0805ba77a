// The README is true: its files are taken from it as they stand and its commands are run.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { sandboxMerchant } from '../src/demo/merchant.ts';
import { receiptEntry } from '../src/domain/receipt.ts';
import { freeAddresses, inLanguage, PREAMBLE, ROOT, readPage, runnable, shell } from './support/snippets.ts';

const run = promisify(execFile);
const README = readPage('README.md');
const PACKAGE = JSON.parse(readPage('package.json'));

const blocks = (language: string): string[] => inLanguage(README, language);

test('the two commands are the ones that continuous integration runs', () => {
  const ci = readPage('.ci/run');
  expect(blocks('sh').slice(0, 2)).toEqual(['npm ci && npm run demo -- --once\n', 'npm ci && npm test\n']);
  for (const command of ['npm ci', 'npm run demo -- --once', 'npm test']) expect(ci).toContain(command);
});

test('every npm script that is named exists', () => {
  const named = [...README.matchAll(/npm run ([\w:]+)/g)].map((match) => match[1] ?? '');
  expect(named.length).toBeGreaterThan(0);
  for (const script of named) expect(PACKAGE.scripts).toHaveProperty(script);
});

test('the demo ends as it should', { timeout: 60_000 }, async () => {
  const { stdout } = await run(process.execPath, ['src/main.ts', 'demo', '--once'], { cwd: ROOT });
  expect(stdout).toContain('is intact');
  expect(stdout).not.toContain('EXPECTED');
});

test('the files and commands of "For real" buy something', { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'purser-readme-'));
  const shop = await sandboxMerchant({
    routes: [{ method: 'GET', path: '/v1/forecast', price: '2', goods: { kind: 'json', body: { tomorrow: 'sunny' } } }],
  });
  const addresses = await freeAddresses();
  const { agents, operators } = addresses;
  const [config = '', policies = ''] = blocks('yaml');
  mkdirSync(join(folder, 'policies'));
  const listen = `listen: { agents: "${agents}", operators: "${operators}" }\n`;
  writeFileSync(join(folder, 'config.yaml'), listen + config.replace('http://127.0.0.1:8410', shop.url));
  writeFileSync(join(folder, 'policies', 'team.yaml'), policies);
  try {
    const { stdout, code } = await shell(folder, PREAMBLE + runnable(blocks('sh')[2] ?? '', addresses));
    expect(code, stdout).toBe(0);
    expect(stdout).toContain('"tomorrow":"sunny"');
    expect(stdout).toContain('state=settled;amount="0.020000"');
    expect(stdout).toMatch(/research-day +agent +day +\["research-1"\] +5\.000000 +0\.020000/);
    expect(stdout).toContain('is intact');
    expect(shop.books.length).toBe(1);
  } finally {
    await shop.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

test('the receipt that is shown has the shape of a receipt', () => {
  const shown = JSON.parse(blocks('json')[0] ?? '');
  const shape = receiptEntry.partial().toJSONSchema() as { properties: Record<string, { properties?: object }> };
  for (const [name, part] of Object.entries(shown)) {
    expect(shape.properties).toHaveProperty(name);
    if (typeof part !== 'object' || part === null) continue;
    for (const member of Object.keys(part)) expect(shape.properties[name]?.properties).toHaveProperty(member);
  }
});
