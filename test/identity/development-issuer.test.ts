import { chmod, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openDevelopmentIssuer } from '../../src/identity/development-issuer.ts';
import { createIdentifier } from '../../src/identity/identify.ts';
import { MovedClock } from './issuing.ts';

const clock = new MovedClock();
let folder: string;
let stateDir: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'purser-dev-'));
  stateDir = join(folder, 'deep', 'var');
});

afterEach(() => rm(folder, { recursive: true }));

const ask = (agent = 'research-1') => ({ agent, task: 'T-1', ttlSeconds: 900, nowMs: clock.now() });

test('its tokens are accepted by an identifier that has its options', async () => {
  const issuer = await openDevelopmentIssuer(stateDir);
  const identifier = createIdentifier({ issuers: [issuer.options], clock, report: () => {} });
  expect(await identifier.identify(await issuer.issue({ ...ask(), jti: 'j1' }))).toMatchObject({
    issuer: 'purser-development',
    subject: 'research-1',
    task: 'T-1',
    jti: 'j1',
    expiresAt: clock.seconds() + 900,
  });
  const { task: _, ...plain } = ask();
  const longest = await identifier.identify(await issuer.issue({ ...plain, ttlSeconds: 3_600 }));
  expect(longest).toMatchObject({ task: null, jti: expect.stringMatching(/^[0-9a-f-]{36}$/) });
});

test('folder and key are for their owner alone, also when somebody had opened the key to others', async () => {
  await openDevelopmentIssuer(stateDir);
  const [file = ''] = await readdir(stateDir);
  const path = join(stateDir, file);
  const mode = async (name: string) => (await stat(name)).mode & 0o777;
  expect([await mode(stateDir), await mode(path)]).toEqual([0o700, 0o600]);
  await chmod(path, 0o644);
  await openDevelopmentIssuer(stateDir);
  expect(await mode(path)).toBe(0o600);
});

test('the key is made once: processes that open the folder together or later share it', async () => {
  const opened = await Promise.all(Array.from({ length: 8 }, () => openDevelopmentIssuer(stateDir)));
  opened.push(await openDevelopmentIssuer(stateDir));
  expect(new Set(opened.map((issuer) => JSON.stringify(issuer.options.keys))).size).toBe(1);
  expect(await readdir(stateDir)).toHaveLength(1);
});

test('a key file that holds something else is an error and stays as it is', async () => {
  await openDevelopmentIssuer(stateDir);
  const [file = ''] = await readdir(stateDir);
  await writeFile(join(stateDir, file), 'not a key');
  await expect(openDevelopmentIssuer(stateDir)).rejects.toThrow();
  expect((await stat(join(stateDir, file))).size).toBe(9);
});

test('the public half it hands out holds no secret', async () => {
  const { options } = await openDevelopmentIssuer(stateDir);
  expect(JSON.stringify(options.keys)).not.toMatch(/"d":/);
});

test('it signs no token that lives longer than an hour or names nobody', async () => {
  const issuer = await openDevelopmentIssuer(stateDir);
  for (const ttlSeconds of [0, -1, 1.5, 3_601]) {
    await expect(issuer.issue({ ...ask(), ttlSeconds })).rejects.toThrow();
  }
  for (const agent of ['', 'a\nb', 'x'.repeat(257)]) await expect(issuer.issue(ask(agent))).rejects.toThrow();
});
