// Everything around the gateways of kubernetes.yaml: Redis with a password, an identity provider, a shop, and the
// manifest's ConfigMaps and Secrets as volumes on disk. Only addresses differ from the manifest.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { request } from 'node:https';
import { Redis } from 'ioredis';
import { type Merchant, sandboxMerchant } from '../../src/demo/merchant.ts';
import { makeCertificates } from '../fakes/certificates.ts';
import { startIdp } from '../fakes/idp.ts';
import { startRedis } from '../fakes/redis.ts';
import { freePort } from '../support/gateway.ts';
import { configText, named, type PodSpec } from './deployment.ts';
import type { Mount } from './image.ts';
import { claimedVolume, type ProjectedVolume, projectedVolume } from './volumes.ts';

/** Free ports of one gateway. */
export interface Ports {
  readonly agents: number;
  readonly operators: number;
  readonly probes: number;
}

/** One replica: its ports, its claim, and what is mounted where. */
export interface Replica {
  readonly ports: Ports;
  readonly claim: string;
  readonly mounts: readonly Mount[];
}

/** The surroundings of the replicas. */
export interface Town {
  readonly shop: Merchant;
  readonly policies: ProjectedVolume;
  token(): Promise<string>;
  replica(): Promise<Replica>;
  /** Asks a replica over TLS as an agent; the status of the answer. */
  ask(replica: Replica, path: string, token: string): Promise<number>;
  close(): Promise<void>;
}

const ISSUER = 'https://idp.example.com';
const POD = named('StatefulSet', 'purser').spec?.template?.spec as PodSpec;
const GROUP = Number(POD.securityContext.fsGroup);

export async function openTown(): Promise<Town> {
  const [redis, idp] = [await startRedis(), await startIdp({ issuer: ISSUER })];
  const shop = await sandboxMerchant({
    routes: [
      { method: 'GET', path: '/v1/about', price: null, goods: { kind: 'json', body: {} } },
      { method: 'GET', path: '/v1/forecast', price: '2', goods: { kind: 'json', body: {} } },
    ],
  });
  const certificates = makeCertificates();
  const password = randomBytes(24).toString('hex');
  const client = new Redis(redis.url);
  await client.config('SET', 'requirepass', password);
  client.disconnect();
  const shared = objects(`redis://:${password}@127.0.0.1:${redis.port}`, certificates);
  return {
    shop,
    policies: shared.policies,
    token: () => idp.token(),
    async replica() {
      const ports = { agents: await freePort(), operators: await freePort(), probes: await freePort() };
      const text = configText('purser-config', 'config.yaml')
        .replace(`"${ISSUER}/.well-known/jwks.json" }`, `"${idp.keysUrl}" }\n      allowPrivateNetwork: true`)
        .replace('"https://api.weather.example"', `"${shop.url}", allowPrivateNetwork: true`);
      const config = projectedVolume({ 'config.yaml': onPorts(text, ports) }, { mode: 0o644, group: GROUP });
      const claim = claimedVolume(GROUP);
      const folders = { ...shared, config, state: { folder: claim } };
      return { ports, claim, mounts: mountsOf(folders) };
    },
    ask: ({ ports }, path, token) => askOverTls({ ca: certificates.ca, port: ports.agents, path, token }),
    async close() {
      certificates.remove();
      await Promise.all([redis.stop(), idp.close(), shop.close()]);
    },
  };
}

function objects(redisUrl: string, { cert, key }: { readonly cert: string; readonly key: string }) {
  const modeOf = (name: string): number => POD.volumes.find((volume) => volume.name === name)?.secret?.defaultMode ?? 0;
  const secrets = {
    'redis-url': redisUrl,
    'shared-key': randomBytes(32).toString('hex'),
    'sandbox.pem': generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
  const team = { 'team.yaml': configText('purser-policies', 'team.yaml') };
  return {
    policies: projectedVolume(team, { mode: 0o644, group: GROUP }),
    secrets: projectedVolume(secrets, { mode: modeOf('secrets'), group: GROUP }),
    tls: projectedVolume({ 'tls.crt': cert, 'tls.key': key }, { mode: modeOf('tls'), group: GROUP }),
  };
}

/** The container's mounts but for /tmp, each with its folder. */
function mountsOf(folders: Readonly<Record<string, { readonly folder: string }>>): Mount[] {
  const mounts = POD.containers[0]?.volumeMounts.filter(({ name }) => name !== 'tmp') ?? [];
  return mounts.map(({ name, mountPath, readOnly = false }) => {
    const from = folders[name]?.folder;
    if (from === undefined) throw new Error(`nothing is mounted as ${name}`);
    return { from, to: mountPath, readOnly };
  });
}

/** A configuration with other ports, so that many can run on one machine. */
export function onPorts(text: string, ports: Ports): string {
  return text
    .replace('agents: 0.0.0.0:8402', `agents: 0.0.0.0:${ports.agents}`)
    .replace('operators: 127.0.0.1:8403', `operators: 127.0.0.1:${ports.operators}`)
    .replace('probes: 0.0.0.0:8404', `probes: 0.0.0.0:${ports.probes}`);
}

function askOverTls(ask: { ca: string; port: number; path: string; token: string }): Promise<number> {
  return new Promise((done, failed) => {
    const { ca, port, path, token } = ask;
    const headers = { 'purser-token': token };
    const sent = request({ host: '127.0.0.1', port, path, ca, headers, agent: false }, (answer) => {
      answer.resume().on('end', () => done(answer.statusCode ?? 0));
    });
    sent.on('error', failed).end();
  });
}
