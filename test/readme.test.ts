// The README is true: its files are taken from it as they stand and its commands are run.
import { execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { sandboxMerchant } from '../src/demo/merchant.ts';
import { receiptEntry } from '../src/domain/receipt.ts';
import { freePort } from './support/gateway.ts';

const run = promisify(execFile);
const ROOT = new URL('..', import.meta.url).pathname;
const README = readFileSync(join(ROOT, 'README.md'), 'utf8');
const PACKAGE = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

const blocks = (language: string): string[] =>
  [...README.matchAll(new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``, 'g'))].map((match) => match[1] ?? '');

test('the two commands are the ones that continuous integration runs', () => {
  const ci = readFileSync(join(ROOT, '.ci/run'), 'utf8');
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
  const [agents, operators] = [await freePort(), await freePort()];
  const [config = '', policies = ''] = blocks('yaml');
  mkdirSync(join(folder, 'policies'));
  const listen = `listen: { agents: "127.0.0.1:${agents}", operators: "127.0.0.1:${operators}" }\n`;
  writeFileSync(join(folder, 'config.yaml'), listen + config.replace('http://127.0.0.1:8410', shop.url));
  writeFileSync(join(folder, 'policies', 'team.yaml'), policies);
  try {
    const { stdout, code } = await shell(folder, script(blocks('sh')[2] ?? '', agents));
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

/** The snippet with `npx purser` as this checkout's, the test's port, and a wait until the gateway listens. */
function script(snippet: string, port: number): string {
  const purser = `'${process.execPath}' '${join(ROOT, 'src/main.ts')}'`;
  const ready = `for _ in $(seq 100); do curl -s -o /dev/null http://127.0.0.1:${port}/ && break; sleep 0.1; done`;
  const lines = snippet
    .replaceAll('npx purser', purser)
    .replaceAll('127.0.0.1:8402', `127.0.0.1:${port}`)
    .replace('serve &', `serve 2>&1 & gateway=$!; ${ready}`);
  return `set -e; trap 'kill $gateway; wait' EXIT\n${lines}`;
}

function shell(cwd: string, text: string): Promise<{ stdout: string; code: number | null }> {
  return new Promise((resolve) => {
    const child = spawn('bash', ['-c', text], { cwd });
    let stdout = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stdout += chunk;
    });
    child.on('close', (code) => resolve({ stdout, code }));
  });
}
