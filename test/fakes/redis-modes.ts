// Real Redis processes in the set-ups that people run: TLS with a password, a pair that sentinels watch, a cluster.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { Certificates } from './certificates.ts';
import { freePort } from './port.ts';
import { launch, type RedisServer, startRedis } from './redis.ts';

/** A server with TLS on a port of its own; `port` is the plain one. */
export async function startTlsRedis(
  certificates: Certificates,
  args: readonly string[] = [],
): Promise<RedisServer & { readonly tlsPort: number }> {
  const tlsPort = await freePort();
  const { certFile, keyFile, caFile } = certificates;
  const tls = ['--tls-cert-file', certFile, '--tls-key-file', keyFile, '--tls-ca-cert-file', caFile];
  const server = await startRedis({
    args: ['--tls-port', `${tlsPort}`, ...tls, '--tls-auth-clients', 'no', ...args],
  });
  return { ...server, tlsPort };
}

/** A server, its replica, and a sentinel that knows them as `main` and promotes after half a second. */
export interface SentinelPair {
  readonly server: RedisServer;
  readonly replica: RedisServer;
  readonly sentinelPort: number;
  stop(): Promise<void>;
}

/** Starts all three with a password, and waits until the sentinel knows the replica. */
export async function startSentinelPair(password: string): Promise<SentinelPair> {
  const auth = ['--requirepass', password, '--masterauth', password, '--repl-diskless-sync-delay', '0'];
  const server = await startRedis({ args: auth });
  const replica = await startRedis({ args: [...auth, '--replicaof', '127.0.0.1', `${server.port}`] });
  const sentinelPort = await freePort();
  const dir = mkdtempSync(join(tmpdir(), 'purser-sentinel-'));
  const file = join(dir, 'sentinel.conf');
  const lines = [
    ...[`port ${sentinelPort}`, 'bind 127.0.0.1', `dir ${dir}`, 'loglevel warning'],
    `sentinel monitor main 127.0.0.1 ${server.port} 1`,
    ...[`sentinel auth-pass main ${password}`, 'sentinel down-after-milliseconds main 500'],
    ...['sentinel failover-timeout main 2000', 'sentinel parallel-syncs main 1'],
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  const sentinel = await launch([file, '--sentinel'], sentinelPort, dir);
  const admin = new Redis(sentinelPort, '127.0.0.1');
  await until(async () => ((await admin.call('SENTINEL', 'REPLICAS', 'main')) as unknown[]).length === 1);
  admin.disconnect();
  const stop = async () => void (await Promise.all([sentinel.stop(), replica.stop(), server.stop()]));
  return { server, replica, sentinelPort, stop };
}

/** A cluster of three masters, each with a third of the slots; ready when all three say so. */
export async function startCluster(): Promise<{ readonly nodes: readonly RedisServer[]; stop(): Promise<void> }> {
  const nodes: RedisServer[] = [];
  const buses: number[] = [];
  for (let n = 0; n < 3; n += 1) {
    const bus = await freePort();
    const quick = ['--cluster-node-timeout', '2000', '--cluster-announce-ip', '127.0.0.1'];
    nodes.push(await startRedis({ args: ['--cluster-enabled', 'yes', '--cluster-port', `${bus}`, ...quick] }));
    buses.push(bus);
  }
  const admins = nodes.map(({ port }) => new Redis(port, '127.0.0.1'));
  const bounds = [0, 5_461, 10_922, 16_384];
  for (const [n, admin] of admins.entries()) {
    await admin.call('CLUSTER', 'ADDSLOTSRANGE', `${bounds[n]}`, `${(bounds[n + 1] ?? 0) - 1}`);
    await admin.call('CLUSTER', 'SET-CONFIG-EPOCH', `${n + 1}`);
    if (n > 0) await admins[0]?.call('CLUSTER', 'MEET', '127.0.0.1', `${nodes[n]?.port}`, `${buses[n]}`);
  }
  for (const admin of admins) {
    await until(async () =>
      /cluster_state:ok[\s\S]*cluster_known_nodes:3/.test(`${await admin.call('CLUSTER', 'INFO')}`),
    );
    admin.disconnect();
  }
  return { nodes, stop: async () => void (await Promise.all(nodes.map((node) => node.stop()))) };
}

/** The node of a cluster that has a key, and a replica of it. */
export interface Replicated {
  readonly home: RedisServer;
  readonly replica: RedisServer;
  /** Makes the replica the master, also where its master does not answer. */
  promote(): Promise<void>;
  stop(): Promise<void>;
}

/** Gives the node that has this key a replica, and waits until it has all that the node has. */
export async function replicate(nodes: readonly RedisServer[], key: string): Promise<Replicated> {
  const admin = new Redis(nodes[0]?.port ?? 0, '127.0.0.1');
  const slot = Number(await admin.call('CLUSTER', 'KEYSLOT', key));
  const home = nodes[Math.min(2, Math.floor(slot / 5_461))];
  const lines = `${await admin.call('CLUSTER', 'NODES')}`.split('\n');
  admin.disconnect();
  const row = lines.find((line) => line.includes(`127.0.0.1:${home?.port}@`));
  const [, id, bus] = /^(\S+) \S+@(\d+)/.exec(row ?? '') ?? [];
  if (!home || !id || !bus) throw new Error('the node that has the key is not in the cluster');
  // It stays with that node, also where others have none.
  const faithful = ['--cluster-allow-replica-migration', 'no', '--cluster-announce-ip', '127.0.0.1'];
  const replica = await startRedis({ args: ['--cluster-enabled', 'yes', ...faithful] });
  const joining = new Redis(replica.port, '127.0.0.1');
  const said = async (...command: [string, ...string[]]) => `${await joining.call(...command).catch(String)}`;
  await joining.call('CLUSTER', 'MEET', '127.0.0.1', `${home.port}`, bus);
  await until(async () => (await said('CLUSTER', 'REPLICATE', id)) === 'OK');
  await until(async () => (await said('INFO', 'replication')).includes('master_link_status:up'));
  return {
    ...{ home, replica },
    promote: async () => void (await joining.call('CLUSTER', 'FAILOVER', 'TAKEOVER')),
    stop: async () => {
      joining.disconnect();
      await replica.stop();
    },
  };
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let waited = 0; waited < 15_000; waited += 50) {
    if (await holds()) return;
    await sleep(50);
  }
  throw new Error('Redis did not get ready within 15 s');
}
