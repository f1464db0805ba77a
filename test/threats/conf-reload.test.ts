// Policies that change while the gateway runs: half-written files, symlinks that are swapped as Kubernetes does it, and
// sets that must not be taken up. What was in force is read from the sealed receipts.
import {
  appendFileSync,
  closeSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type HostileMerchant, hostileMerchant } from '../fakes/hostile-merchant.ts';
import { type GatewayProcess, policy, spawnGateway } from '../support/gateway.ts';
import { purser, until } from './observables.ts';

const DENY = 'guardrails:\n  deny:\n    - { services: [shop], requests: ["* /admin/**"], because: "not for agents" }\n';
const GOOD = policy({ more: DENY });

let shop: HostileMerchant;
const OLDER_SET =
  /an older set \([0-9a-f]{12}\) is in force: the one in the folder was rejected at policy\.yaml:\d+:\d+; /;
const folders: string[] = [];
const running: GatewayProcess[] = [];

beforeAll(async () => {
  shop = await hostileMerchant();
});

afterEach(async () => {
  for (const gateway of running.splice(0)) await gateway.close();
});

afterAll(async () => {
  await shop.close();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

async function start(setup: Parameters<typeof spawnGateway>[0] = {}): Promise<GatewayProcess> {
  const gateway = await spawnGateway({ upstream: shop.url, policies: GOOD, ...setup });
  running.push(gateway);
  return gateway;
}

const fileOf = (gateway: GatewayProcess) => join(gateway.folder, 'policies', 'policy.yaml');
const inForce = async (gateway: GatewayProcess) =>
  gateway.api<{ version: string; lastReloadSuccessful: boolean; problems: string[] }>('policy');

/** The version that `purser check` finds for what lies on disk. */
async function versionOnDisk(gateway: GatewayProcess): Promise<string> {
  const { out } = await purser(['check', '--json', '--config', gateway.configFile]);
  return JSON.parse(out).policy as string;
}

async function statusOf(gateway: GatewayProcess, path: string): Promise<number> {
  const answer = await gateway.ask(path);
  await answer.text();
  return answer.status;
}

test('CONF-08: a file that is truncated and written in pieces is never taken up half', async () => {
  const gateway = await start();
  const first = await versionOnDisk(gateway);
  const next = GOOD.replace('10.00 USD', '9.00 USD');
  const half = next.indexOf('guardrails:');
  // Whole YAML and a valid policy as far as it goes, but without the guardrail.
  let longestMs = 0;
  for (let n = 0; n < 40; n += 1) {
    const file = openSync(fileOf(gateway), 'r+');
    ftruncateSync(file);
    const began = performance.now();
    writeSync(file, next.slice(0, half));
    rest(35);
    writeSync(file, next.slice(half));
    longestMs = Math.max(longestMs, performance.now() - began);
    closeSync(file);
    rest(5 + (n % 7));
  }
  const last = await versionOnDisk(gateway);
  await until(async () => (await inForce(gateway)).version === last);
  expect(await statusOf(gateway, '/shop/admin/users')).toBe(403);
  const policies = (await gateway.receipts()).filter(({ kind }) => kind === 'policy');
  // What this machine let lie about for long cannot be told from a file that somebody has finished.
  if (longestMs > 100) return;
  expect(policies.map(({ change }) => [change?.outcome, change?.version])).toEqual([
    ['applied', first],
    ['applied', last],
  ]);
});

/** Holds this process up, so that nothing of it runs between two writes. */
const rest = (ms: number) => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

test('CONF-08: a file that stays cut leaves the last good set in force, until its rest arrives', async () => {
  const gateway = await start();
  const { version } = await inForce(gateway);
  const next = GOOD.replace('10.00 USD', '8.00 USD');
  const cut = next.indexOf('ceiling:') + 3;
  writeFileSync(fileOf(gateway), next.slice(0, cut));
  await until(async () => !(await inForce(gateway)).lastReloadSuccessful);
  expect((await inForce(gateway)).version).toBe(version);
  expect(await statusOf(gateway, '/shop/admin/users')).toBe(403);
  expect(await statusOf(gateway, '/shop/v1/x')).toBe(200);
  appendFileSync(fileOf(gateway), next.slice(cut));
  await until(async () => (await inForce(gateway)).lastReloadSuccessful);
  expect((await inForce(gateway)).version).toBe(await versionOnDisk(gateway));
});

test('CONF-08: a mount whose ..data link is swapped is taken up whole, all files or none', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'purser-mount-'));
  folders.push(folder);
  const mount = join(folder, 'mount');
  const [agents = '', rest = ''] = GOOD.split(/(?=^budgets:)/m);
  const version = (name: string, limit: string, seat: string) => {
    mkdirSync(join(mount, name), { recursive: true });
    writeFileSync(join(mount, name, 'agents.yaml'), agents.replaceAll('dana@', `${seat}@`));
    writeFileSync(join(mount, name, 'spending.yaml'), rest.replace('10.00 USD', limit));
  };
  version('..2026_1', '10.00 USD', 'dana');
  symlinkSync('..2026_1', join(mount, '..data'));
  for (const name of ['agents.yaml', 'spending.yaml']) symlinkSync(join('..data', name), join(mount, name));
  const gateway = await start({ folder, sections: { policies: './mount' } });
  const before = await inForce(gateway);
  version('..2026_2', '7.00 USD', 'kim');
  symlinkSync('..2026_2', join(mount, '..data_tmp'));
  renameSync(join(mount, '..data_tmp'), join(mount, '..data'));
  rmSync(join(mount, '..2026_1'), { recursive: true });
  const after = await until(async () => {
    const now = await inForce(gateway);
    return now.version !== before.version && now;
  });
  expect(after).toMatchObject({ version: await versionOnDisk(gateway), lastReloadSuccessful: true, problems: [] });
  const applied = (await gateway.receipts())
    .filter(({ kind }) => kind === 'policy')
    .map(({ change }) => change?.version);
  expect(applied).toEqual([before.version, after.version]);
});

test('an invalid set is reported where it stands, sealed and counted, and the last good one stays', async () => {
  const gateway = await start();
  const before = await inForce(gateway);
  expect(await statusOf(gateway, '/shop/v1/x')).toBe(200);
  writeFileSync(fileOf(gateway), GOOD.replace('ceiling: 1.00 USD', 'ceilling: 500 USD'));
  const rejected = await until(async () => {
    const now = await inForce(gateway);
    return !now.lastReloadSuccessful && now;
  });
  expect(rejected.version).toBe(before.version);
  expect(rejected.problems.join('\n')).toMatch(
    /policy\.yaml:\d+:\d+ {2}entitlements\[0\].*ceilling.*did you mean `ceiling`/,
  );
  expect(await statusOf(gateway, '/shop/v1/x')).toBe(200);
  expect(await statusOf(gateway, '/shop/admin/users')).toBe(403);
  const metrics = await (await fetch(`${gateway.operators}/metrics`)).text();
  expect(metrics).toMatch(/^purser_policy_last_reload_successful 0$/m);
  const receipt = (await gateway.receipts()).filter(({ kind }) => kind === 'policy').at(-1);
  expect(receipt?.change).toMatchObject({ outcome: 'rejected', version: before.version });
  expect(receipt?.change?.because).toMatch(/policy\.yaml:\d+:\d+ {2}entitlements\[0\]/);
  await until(() => gateway.output().includes('policy set rejected'));
  const ready = await fetch(`${gateway.operators}/readyz`);
  expect(ready.status).toBe(200);
  expect(await ready.json()).toMatchObject({ ready: true, policy: expect.stringMatching(OLDER_SET) });
  const refused = (await gateway.receipts()).find(({ kind }) => kind === 'refused');
  const story = await purser(['explain', refused?.id ?? '', '--config', gateway.configFile]);
  expect(story.out).toMatch(
    /the folder cannot be read as policies now: .+\n +\S+policy\.yaml:\d+:\d+ {2}entitlements\[0\]/,
  );
  const question = ['--agent', refused?.agent?.id ?? '', '--service', 'shop', '--request', 'GET /v1/x'];
  expect((await purser(['explain', ...question, '--config', gateway.configFile])).out).toMatch(OLDER_SET);

  writeFileSync(fileOf(gateway), GOOD);
  await until(async () => (await inForce(gateway)).lastReloadSuccessful);
  expect((await inForce(gateway)).version).toBe(before.version);
});

test('SIGHUP looks at once, and a folder that is emptied or gone leaves the last good set in force', async () => {
  const gateway = await start();
  const before = await inForce(gateway);
  renameSync(fileOf(gateway), `${fileOf(gateway)}.away`);
  gateway.child.kill('SIGHUP');
  await until(async () => !(await inForce(gateway)).lastReloadSuccessful);
  rmSync(join(gateway.folder, 'policies'), { recursive: true });
  gateway.child.kill('SIGHUP');
  await until(async () => (await inForce(gateway)).problems.some((problem) => problem.includes('ENOENT')));
  expect((await inForce(gateway)).version).toBe(before.version);
  expect(await statusOf(gateway, '/shop/v1/x')).toBe(200);
  mkdirSync(join(gateway.folder, 'policies'));
  writeFileSync(fileOf(gateway), GOOD.replace('10.00 USD', '6.00 USD'));
  gateway.child.kill('SIGHUP');
  await until(async () => (await inForce(gateway)).version === (await versionOnDisk(gateway)));
});

test('a budget that counts in another way under the same id is not taken up', async () => {
  const gateway = await start();
  expect(await statusOf(gateway, '/shop/v1/x')).toBe(200);
  const before = await inForce(gateway);
  writeFileSync(fileOf(gateway), GOOD.replace('window: day', 'window: month'));
  const rejected = await until(async () => {
    const now = await inForce(gateway);
    return !now.lastReloadSuccessful && now;
  });
  expect(rejected.version).toBe(before.version);
  expect(rejected.problems.join()).toContain('purse');
  expect(await statusOf(gateway, '/shop/v1/x')).toBe(200);
  await gateway.close();
  const again = await purser(['serve', '--config', gateway.configFile]);
  expect([again.code, again.err.includes('purse')]).toEqual([1, true]);
});
