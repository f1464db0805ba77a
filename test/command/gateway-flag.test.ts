// Commands that are told which gateway to ask, and with which token.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { freePort } from '../fakes/port.ts';
import { openPort, purchase, READER, type TestPort, WRITER } from '../operators/port.ts';
import { run } from './support.ts';

let port: TestPort;
let folder: string;
beforeEach(async () => {
  port = await openPort();
  folder = mkdtempSync(join(tmpdir(), 'purser-gateway-flag-'));
});
afterEach(async () => {
  await port.close();
  rmSync(folder, { recursive: true, force: true });
});

const tokenFile = (token: string, mode = 0o600) => {
  const file = join(folder, `token-${Math.random()}`);
  writeFileSync(file, token, { mode });
  return file;
};
/** There is no configuration here: the gateway and the token are all that is needed. */
const asked = (args: string[], file: string, gateway = port.url) =>
  run([...args, '--gateway', gateway, '--token-file', file, '--config', join(folder, 'none.yaml')]);

test('every operator’s command works with --gateway and --token-file, without any configuration', async () => {
  await purchase(port, 'h1');
  const writer = tokenFile(`${WRITER}\n`);
  expect((await asked(['budgets'], writer)).out).toContain('1.250000');
  expect((await asked(['holds', 'list'], writer)).out).toContain('its request is under way');
  expect((await asked(['stop', '--all', '--because', 'x'], writer, `${port.url}/`)).code).toBe(0);
  expect((await asked(['stop', 'list'], writer)).out).toContain('dana');
  expect((await asked(['start', '--all'], writer)).code).toBe(0);
  const resolved = await asked(['holds', 'resolve', 'none', '--as', 'voided', '--because', 'x'], writer);
  expect([resolved.code, resolved.out.includes('refused')]).toEqual([1, true]);
});

test('the file’s token counts, not the environment’s; one that may only look looks and orders nothing', async () => {
  const reader = tokenFile(READER);
  const args = ['--gateway', port.url, '--token-file', reader];
  expect((await run(['budgets', ...args], { PURSER_OPERATOR_TOKEN: 'other' })).code).toBe(0);
  const order = await run(['stop', '--all', '--because', 'x', ...args], { PURSER_OPERATOR_TOKEN: WRITER });
  expect([order.code, order.out]).toEqual([1, '']);
  expect(order.err).toContain('may only look');
  expect(await port.budget.stops()).toEqual([]);
});

test('a token file that is missing, empty, too long, no text, or open to others is refused by name alone', async () => {
  const files = [
    [join(folder, 'nowhere'), 'cannot be read (ENOENT)'],
    [folder, 'is no file'],
    [tokenFile(''), 'holds no operator token'],
    [tokenFile('canary canary'), 'holds no operator token'],
    [tokenFile('c'.repeat(5_000)), 'is no file'],
    [tokenFile('canary-token', 0o604), 'not safe'],
  ] as const;
  for (const [file, says] of files) {
    const answer = await asked(['budgets'], file);
    expect([answer.code, answer.out]).toEqual([1, '']);
    expect(answer.err).toContain(says);
    expect(answer.err).not.toContain('canary');
  }
});

test('a named gateway that is not there is never replaced by the state of this machine', async () => {
  const nobody = `http://127.0.0.1:${await freePort()}`;
  const answer = await asked(['stop', '--all', '--because', 'x'], tokenFile(WRITER), nobody);
  expect([answer.code, answer.out]).toEqual([1, '']);
  expect(answer.err).toContain(`Nothing listens at ${nobody}`);
  const without = await run(['budgets', '--gateway', port.url]);
  expect(without.code).toBe(1);
  expect(without.err).toContain('--token-file');
});
