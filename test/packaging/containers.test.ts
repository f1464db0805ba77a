// What the Dockerfile and the files of deploy/ promise, acted out: no engine runs where these tests do, so the image is
// built step by step into folders and run with an engine's mounts, user, process ids and signals.
import { chmodSync, chownSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { redisAvailable, startRedis } from '../fakes/redis.ts';
import { freePort } from '../support/gateway.ts';
import { composeFile, configText, named, type PodSpec } from './deployment.ts';
import { buildImage, type Container, canMount, type Image, runContainer, until } from './image.ts';
import { onPorts, openTown, type Replica } from './town.ts';
import { newFolder, ROOT } from './tree.ts';

const PURSER = ['node', '/app/bin/purser.js'];
const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const part of open.splice(0).reverse()) await part.close();
});

describe.runIf(canMount && redisAvailable)('in a container', { timeout: 120_000 }, () => {
  let image: Image;
  beforeAll(async () => {
    image = await buildImage();
  }, 300_000);

  const start = (options: Parameters<typeof runContainer>[1]): Container => {
    const container = runContainer(image, options);
    open.push({ close: async () => container.supervisor.exitCode ?? container.stop('SIGKILL') });
    return container;
  };

  test('the image holds node, the program and its runtime packages, and no shell', () => {
    const app = ['bin', 'node_modules', 'package-lock.json', 'package.json', 'src'];
    expect(readdirSync(join(image.root, 'app')).sort()).toEqual(app);
    for (const name of ['vitest', 'typescript', '@biomejs', 'node'])
      expect(existsSync(join(image.root, 'app/node_modules', name))).toBe(false);
    for (const name of ['bin/sh', 'usr/bin/env', 'usr/local/bin/npm'])
      expect(existsSync(join(image.root, name))).toBe(false);
    const { uid, gid, mode } = statSync(join(image.root, 'var/lib/purser'));
    expect([uid, gid, mode & 0o7777]).toEqual([65_532, 65_532, 0o700]);
  });

  test('a configuration that is not mounted is one clear line, and exit code 1', async () => {
    const container = start({ mounts: [] });
    expect(await container.ended, container.output()).toBe(1);
    expect(container.output()).toMatch(/^config\.yaml:1:1 {2}does not exist; start from config\.example\.yaml.*\n$/);
  });

  test('compose.yaml: its gateway sells to the host, works as it says, and ends on SIGTERM', async () => {
    const ports = { agents: await freePort(), operators: await freePort(), probes: await freePort() };
    const [redis, shopPort] = [await startRedis(), await freePort()];
    open.push({ close: () => redis.stop() });
    const { shop: shopService, gateway: service } = composeFile().services;
    const shop = start({ args: onPort(shopService?.command, shopPort), mounts: [] });
    const text = readFileSync(join(ROOT, 'deploy/compose.config.yaml'), 'utf8')
      .replace('redis://redis:6379', redis.url)
      .replace('http://shop:8410', `http://127.0.0.1:${shopPort}`);
    const config = join(newFolder('config'), 'config.yaml');
    writeFileSync(config, onPorts(text, ports), { mode: 0o644 });
    const gateway = start({
      env: { PURSER_SHARED_KEY: /:-(\w+)\}/.exec(service?.environment?.PURSER_SHARED_KEY ?? '')?.[1] ?? '' },
      mounts: [
        { from: config, to: '/etc/purser/config.yaml', readOnly: true },
        { from: join(ROOT, 'policies'), to: '/etc/purser/policies', readOnly: true },
        { from: newVolume(image), to: '/var/lib/purser', readOnly: false },
      ],
    });
    await until(async () => (await fetch(`http://127.0.0.1:${shopPort}/v1/about`)).ok, shop);
    await until(async () => (await fetch(`http://127.0.0.1:${ports.probes}/readyz`)).ok, gateway);
    const health = image.file.healthCheck.map((word) => word.replace(':8404/', `:${ports.probes}/`));
    expect(await gateway.exec(health)).toEqual({ code: 0, output: '' });

    const { output: token } = await gateway.exec([...PURSER, 'token', '--agent', 'research-1']);
    const headers = { 'purser-token': token.trim() };
    const answer = await fetch(`http://127.0.0.1:${ports.agents}/shop/v1/forecast`, { headers });
    expect([answer.status, await answer.json()]).toEqual([200, { tomorrow: 'sunny' }]);
    expect((await gateway.exec([...PURSER, 'budgets'])).output).toMatch(/research-day.* 5\.000000 +0\.020000/);
    expect((await gateway.exec([...PURSER, 'receipts', 'verify'])).output).toContain('is intact');

    const write = "require('node:fs').writeFileSync('/app/x', '')";
    expect((await gateway.exec(['node', '-e', write])).output).toContain('EROFS');
    expect(gateway.status()).toMatch(/^Uid:\t65532\t65532\t65532\t65532$/m);
    expect(gateway.status()).toMatch(/^CapEff:\t0+$/m);
    expect(gateway.status()).toMatch(/^NSpid:\t\d+\t1$/m);
    expect(await gateway.stop('SIGTERM'), gateway.output()).toBe(0);
    expect(await shop.stop('SIGTERM'), shop.output()).toBe(0);
    expect(shop.output()).toContain('The shop took 1 payments.');
  });

  const pod = named('StatefulSet', 'purser').spec?.template?.spec as PodSpec;
  const startReplica = async ({ mounts, ports }: Replica): Promise<Container> => {
    const [{ args = [], workingDir = '' } = {}] = pod.containers;
    const container = start({ mounts, args, workdir: workingDir });
    await until(async () => (await fetch(`http://127.0.0.1:${ports.probes}/readyz`)).ok, container);
    return container;
  };

  test('kubernetes.yaml: two replicas on its mounts pay from one budget, and take a swapped ConfigMap up', async () => {
    const town = await openTown();
    open.push(town);
    const [first, second] = [await town.replica(), await town.replica()];
    const [one, other] = [await startReplica(first), await startReplica(second)];
    const token = await town.token();
    for (const replica of [first, second]) expect(await town.ask(replica, '/weather/v1/forecast', token)).toBe(200);
    expect((await one.exec([...PURSER, 'budgets'])).output).toMatch(/research-day.* 5\.000000 +0\.040000/);

    const before = await policyOf(first);
    expect(await policyOf(second)).toBe(before);
    town.policies.update({ 'team.yaml': configText('purser-policies', 'team.yaml').replace('5.00 USD', '0.05 USD') });
    await until(async () => (await policyOf(first)) !== before && (await policyOf(second)) !== before, one);
    expect(await policyOf(second)).toBe(await policyOf(first));
    for (const replica of [first, second]) expect(await town.ask(replica, '/weather/v1/forecast', token)).toBe(403);
    expect(town.shop.books.length).toBe(2);
    for (const container of [one, other]) expect(await container.stop('SIGTERM'), container.output()).toBe(0);
  });

  test('kubernetes.yaml: a replica goes on with its claim after the kubelet gave its files to the group', async () => {
    const town = await openTown();
    open.push(town);
    const replica = await town.replica();
    const token = await town.token();
    const before = await startReplica(replica);
    expect(await town.ask(replica, '/weather/v1/forecast', token)).toBe(200);
    expect(await before.stop('SIGTERM'), before.output()).toBe(0);
    for (const name of readdirSync(replica.claim)) {
      const path = join(replica.claim, name);
      chmodSync(path, (statSync(path).mode & 0o7777) | 0o660);
      chownSync(path, statSync(path).uid, 65_532);
    }
    const after = await startReplica(replica);
    expect(await town.ask(replica, '/weather/v1/forecast', token)).toBe(200);
    expect((await after.exec([...PURSER, 'receipts', 'verify'])).output).toContain('is intact');
    expect(await after.stop('SIGTERM'), after.output()).toBe(0);
    expect(town.shop.books.length).toBe(2);
  });
});

/** As an engine fills a new named volume: with the owner and mode of the image's folder. */
function newVolume(image: Image): string {
  const folder = newFolder('volume');
  const { uid, gid, mode } = statSync(join(image.root, 'var/lib/purser'));
  chownSync(folder, uid, gid);
  chmodSync(folder, mode & 0o7777);
  return folder;
}

const onPort = (command: readonly string[] = [], port: number): string[] =>
  command.map((word) => word.replace(/^0\.0\.0\.0:\d+$/, `127.0.0.1:${port}`));

/** The policy that a replica says is in force. */
async function policyOf({ ports }: Replica): Promise<string> {
  const metrics = await (await fetch(`http://127.0.0.1:${ports.probes}/metrics`)).text();
  return /^purser_policy_info\{version="(\w+)"\} 1$/m.exec(metrics)?.[1] ?? metrics;
}
