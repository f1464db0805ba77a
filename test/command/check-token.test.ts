// `purser token --check` beside the 401 of a gateway with the same configuration: both say the same of a genuine token,
// and the gateway says less of one that is not.
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Idp, startIdp, type TokenParts } from '../fakes/idp.ts';
import { policy, startGateway, type TestGateway } from '../support/gateway.ts';
import { agentsOf, issuerEntry } from '../threats/observables.ts';
import { run } from './support.ts';

let idp: Idp;
let gateway: TestGateway;
let folder: string;

const REVOKED = 'revoked:\n  - { jti: lost, because: "laptop lost" }\n';

beforeAll(async () => {
  idp = await startIdp();
  folder = mkdtempSync(join(tmpdir(), 'purser-check-'));
  gateway = await startGateway({
    folder,
    sections: { identity: `\n  development: true\n  issuers:\n    - ${issuerEntry(idp, '')}` },
    policies: `${policy({ agents: agentsOf(idp.issuer, ['buyer-1', 'buyer-2']) })}${REVOKED}`,
  });
});

afterAll(async () => {
  await gateway.close();
  await idp.close();
  rmSync(folder, { recursive: true });
});

interface Checked {
  accepted: boolean;
  code: string | null;
  checks: { check: string; outcome: string; detail: string; path: string | null }[];
}

async function check(token: string): Promise<Checked & { exit: number; shown: string }> {
  const file = join(folder, 'token');
  writeFileSync(file, `${token}\n`);
  const args = ['token', '--config', gateway.configFile, '--check', file];
  const { code, out } = await run([...args, '--json']);
  const shown = (await run(args)).out;
  expect(shown + out).not.toContain(token.slice(-40));
  return { ...JSON.parse(out), exit: code, shown };
}

async function refusal(token: string): Promise<{ code: string; detail: string }> {
  const answer = await gateway.ask('/shop/v1/x', { headers: { 'purser-token': token } });
  return (await answer.json()) as { code: string; detail: string };
}

const failed = ({ checks }: Checked) => checks.filter(({ outcome }) => outcome === 'failed');
const now = () => Math.floor(Date.now() / 1_000);

test('a good token passes every check, each with what decides it', async () => {
  const { exit, accepted, checks, shown } = await check(await idp.token({ claims: { sub: 'buyer-1' } }));
  expect([exit, accepted]).toEqual([0, true]);
  expect(checks.map(({ outcome }) => outcome)).toEqual(checks.map(() => 'passed'));
  expect(Object.fromEntries(checks.map((one) => [one.check, one.path]))).toMatchObject({
    issuer: 'identity.issuers[0].issuer',
    algorithm: 'identity.issuers[0].algorithms',
    signature: 'identity.issuers[0].keys',
    type: 'identity.issuers[0].types',
    audience: 'identity.issuers[0].audience',
    times: 'identity.issuers[0].maxAge',
    subject: 'identity.issuers[0].claims.agent',
    agent: join(folder, 'policies', 'policy.yaml:2'),
  });
  expect(shown).toContain('The token would be accepted now.');
});

test.each<[string, string, TokenParts]>([
  ['type', 'token_invalid', { header: { typ: 'JWT' } }],
  ['audience', 'token_invalid', { claims: { aud: 'another' } }],
  ['audience', 'token_invalid', { claims: { aud: ['purser', 'another'] } }],
  ['times', 'token_expired', { claims: { iat: now() - 900, exp: now() - 60 } }],
  ['times', 'token_invalid', { claims: { iat: now() + 600, exp: now() + 900 } }],
  ['times', 'token_invalid', { claims: { nbf: now() + 600 } }],
  ['times', 'token_invalid', { claims: { exp: now() + 90_000 } }],
  ['times', 'token_expired', { claims: { iat: now() - 7_200, exp: now() + 60 } }],
  ['subject', 'token_invalid', { claims: { sub: '' } }],
  ['revocation', 'token_revoked', { claims: { jti: 'lost' } }],
])('a genuine token that fails by its %s: the 401 says what the check says (%s)', async (step, code, parts) => {
  const token = await idp.token({ ...parts, claims: { sub: 'buyer-1', ...parts.claims } });
  const checked = await check(token);
  const said = await refusal(token);
  expect(said.code).toBe(code);
  expect([checked.exit, checked.accepted, checked.code]).toEqual([1, false, code]);
  const [first] = failed(checked);
  expect([first?.check, first?.detail]).toEqual([step, said.detail]);
  expect(first?.path).toBeTruthy();
  if (step !== 'revocation') expect(said.detail).toContain(`(${first?.path})`);
  expect(checked.checks.find(({ check: name }) => name === 'signature')?.outcome).toBe('passed');
});

test('every check of a genuine token is judged, not only the first that fails', async () => {
  const claims = { sub: 'buyer-1', aud: 'another', iat: now() - 900, exp: now() - 60 };
  const checked = await check(await idp.token({ header: { typ: 'JWT' }, claims }));
  expect(failed(checked).map(({ check: name }) => name)).toEqual(['type', 'audience', 'times']);
});

test('of a token that is not genuine nobody learns what this gateway wants of one', async () => {
  const honest = await idp.token({ header: { typ: 'JWT' }, claims: { sub: 'buyer-1', aud: 'another', jti: 'lost' } });
  const [header, payload, signature = ''] = honest.split('.');
  const forged = `${header}.${payload}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
  const none = `${Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url')}.${payload}.${signature}`;
  for (const [token, step] of [
    [forged, 'signature'],
    [none, 'algorithm'],
  ] as const) {
    const { detail } = await refusal(token);
    for (const hidden of ['identity.', 'jwt', 'audience', 'revoked', 'EdDSA', 'ES256']) {
      expect(detail).not.toContain(hidden);
    }
    const checked = await check(token);
    expect(failed(checked).map(({ check: name }) => name)).toEqual([step]);
    const after = checked.checks.slice(checked.checks.findIndex(({ check: name }) => name === step) + 1);
    expect(after.map(({ outcome }) => outcome)).toEqual(after.map(() => 'not judged'));
  }
});

test('a good token of nobody in the register fails by its agent alone', async () => {
  const checked = await check(await idp.token({ claims: { sub: 'stranger' } }));
  expect([checked.exit, checked.code]).toEqual([1, 'agent_unknown']);
  expect(failed(checked).map(({ check: name }) => name)).toEqual(['agent']);
});

test('a file that holds no token is exit 2, with its reason', async () => {
  const file = join(folder, 'bad');
  const ask = () => run(['token', '--config', gateway.configFile, '--check', file]);
  expect(await ask()).toMatchObject({ code: 2, out: '', err: expect.stringContaining('cannot be read') });
  writeFileSync(file, ' \n');
  expect(await ask()).toMatchObject({ code: 2, out: '', err: expect.stringContaining('is empty') });
  writeFileSync(file, 'x'.repeat(100_000));
  expect(await ask()).toMatchObject({ code: 2, out: '', err: expect.stringContaining('more than 65536 bytes') });
  const there = await run(['token', '--config', gateway.configFile, '--check', folder]);
  expect(there).toMatchObject({ code: 2, err: expect.stringContaining('is a folder') });
});

test('a token is made for an agent that is not registered yet, with one line of warning', async () => {
  const place = mkdtempSync(join(tmpdir(), 'purser-check-'));
  cpSync('config.example.yaml', join(place, 'config.yaml'));
  cpSync('policies', join(place, 'policies'), { recursive: true });
  const tokenOf = (agent: string) => run(['token', '--agent', agent, '--config', join(place, 'config.yaml')]);
  expect(await tokenOf('research-1')).toMatchObject({ code: 0, err: '', out: expect.stringMatching(/^\S+\n$/) });
  const early = await tokenOf('reserch-1');
  expect(early).toMatchObject({ code: 0, out: expect.stringMatching(/^\S+\n$/) });
  expect(early.err).toMatch(/^Warning: no agent of \S+policies has the subject reserch-1, .+; register it .+\n$/);
  rmSync(place, { recursive: true });
});
