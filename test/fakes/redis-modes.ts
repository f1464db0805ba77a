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

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let waited = 0; waited < 15_000; waited += 50) {
    if (await holds()) return;
    await sleep(50);
  }
  throw new Error('Redis did not get ready within 15 s');
}
