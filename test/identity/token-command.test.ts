import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type TokenOptions, token } from '../../src/command/token.ts';
import { openDevelopmentIssuer } from '../../src/identity/development-issuer.ts';
import { createIdentifier } from '../../src/identity/identify.ts';

let folder: string;
let configPath: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'purser-token-'));
  configPath = join(folder, 'config.yaml');
  await configure('identity: { development: true }');
});

afterEach(() => rm(folder, { recursive: true }));

const configure = (identity: string) => writeFile(configPath, `state: { dir: ./var }\n${identity}\n`);

async function run(options: Omit<TokenOptions, 'configPath'>) {
  let out = '';
  let err = '';
  const io = {
    out: (text: string) => {
      out += text;
    },
    err: (text: string) => {
      err += text;
    },
    env: {},
  };
  const code = await token({ configPath, ...options }, io);
  return { code, out, err };
}

test('a token for an agent stands alone on standard output, and the gateway of that folder accepts it', async () => {
  const { code, out, err } = await run({ agent: 'research-1', task: 'T-1', ttl: '30s' });
  expect([code, err]).toEqual([0, '']);
  const issuer = await openDevelopmentIssuer(join(folder, 'var'));
  const clock = { now: () => Date.now(), monotonic: () => performance.now() };
  const identifier = createIdentifier({ issuers: [issuer.options], clock, report: () => {} });
  const identity = await identifier.identify(out.trimEnd());
  expect(identity).toMatchObject({ subject: 'research-1', task: 'T-1' });
  expect('kind' in identity ? 0 : identity.expiresAt - identity.issuedAt).toBe(30);
});

test('a token lives 15 minutes unless told otherwise', async () => {
  const { exp = 0, iat = 0 } = decodeJwt((await run({ agent: 'a' })).out.trimEnd());
  expect(exp - iat).toBe(900);
});

test('without a development issuer it says so, with the next step', async () => {
  const keys = '{ url: "https://idp.example.com/jwks.json" }';
  await configure(`identity: { issuers: [{ issuer: "https://idp.example.com", audience: purser, keys: ${keys} }] }`);
  const { code, out, err } = await run({ agent: 'research-1' });
  expect([code, out]).toEqual([1, '']);
  expect(err).toContain('identity.development: true');
});

test('a configuration with a mistake gives its problems and no token', async () => {
  await configure('identity: { develpoment: true }');
  const { code, out, err } = await run({ agent: 'research-1' });
  expect([code, out]).toEqual([1, '']);
  expect(err).toMatch(/config\.yaml:2:\d+ {2}identity/);
});

test('bad usage is exit code 2, with a word on what to write', async () => {
  const wrong: Omit<TokenOptions, 'configPath'>[] = [
    {},
    { agent: 'a', operator: 'b' },
    { operator: 'b', ttl: '1h' },
    { agent: '' },
    { agent: 'a\u001b[0m' },
    { agent: 'a', task: 'x'.repeat(257) },
    { operator: 'x'.repeat(101) },
    ...['61m', '0s', '500ms', '1500ms', '15', 'soon', '-1m'].map((ttl) => ({ agent: 'a', ttl })),
  ];
  for (const options of wrong) {
    const { code, out, err } = await run(options);
    expect([code, out], JSON.stringify(options)).toEqual([2, '']);
    expect(err).toMatch(/^[\x20-\x7e]+\n$/);
  }
  expect((await run({ check: 'file', agent: 'a' })).err).toContain('--check stands alone');
});

test('an operator gets a token of 32 random bytes and the configuration line with its hash', async () => {
  for (const name of ['dana', 'null', 'Dana "D" {x}: #1']) {
    const { code, out } = await run({ operator: name });
    const [secret = '', line = ''] = out.split('\n');
    expect(code).toBe(0);
    expect(Buffer.from(secret, 'base64url')).toHaveLength(32);
    expect(parse(line)).toEqual([{ name, sha256: createHash('sha256').update(secret).digest('hex') }]);
  }
  expect((await run({ operator: 'dana' })).out).not.toBe((await run({ operator: 'dana' })).out);
});
