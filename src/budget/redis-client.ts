// The client to one Redis, to one that sentinels watch, or to a cluster: where it connects, as whom, and that it never
// sends anything twice by itself.
import { Cluster, Redis } from 'ioredis';

/** A host name or address, and a port. */
export interface RedisNode {
  readonly host: string;
  readonly port: number;
}

/** Where Redis is. One of `sentinels` and `cluster` at most; with either of them the host of `url` is not used. */
export interface RedisPlace {
  /** `redis://` or `rediss://`; may carry user, password and database. Never shown. */
  readonly url: string | null;
  /** TLS also without `rediss://`. */
  readonly tls?: boolean;
  /** PEM certificates to trust instead of the system's. */
  readonly ca?: string | null;
  readonly sentinels?: { readonly nodes: readonly RedisNode[]; readonly master: string } | null;
  readonly cluster?: readonly RedisNode[] | null;
}

/** A client that connects by itself, and again. */
export type RedisClient = Redis | Cluster;

const CONNECT_MS = 1_000;
const SILENT_MS = 2_000;
/** A cluster's slots are looked up so often, for the moves that no answer tells of. */
const SLOTS_EVERY_MS = 1_000;

const retryMs = (times: number): number => Math.min(50 * times, 500);

/** Starts to connect in the background; listens to no event. */
export function openRedisClient(place: RedisPlace): RedisClient {
  const { sentinels, cluster } = place;
  const read = place.url === null ? null : new URL(place.url);
  const secured = place.tls === true || read?.protocol === 'rediss:';
  const tls = secured ? { ...(place.ca ? { ca: place.ca } : {}), minVersion: 'TLSv1.2' as const } : null;
  const common = {
    ...{ autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0, connectionName: 'purser-budget' },
    ...{ connectTimeout: CONNECT_MS, socketTimeout: SILENT_MS },
    ...userOf(read),
    ...(tls ? { tls } : {}),
  };
  if (cluster) return openCluster(cluster, common);
  const single = {
    ...common,
    ...{ enableOfflineQueue: false, retryStrategy: retryMs, db: Number(read?.pathname.slice(1) ?? 0) },
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
  };
  if (!sentinels) return new Redis({ ...single, ...serverOf(read) });
  return new Redis({
    ...single,
    sentinels: sentinels.nodes.map((node) => ({ ...node })),
    name: sentinels.master,
    // No failoverDetector: what it hears while a connection is being made ends the client for good.
    ...{ sentinelRetryStrategy: retryMs, sentinelCommandTimeout: CONNECT_MS },
    ...(tls ? { sentinelTLS: tls, enableTLSForSentinelMode: true } : {}),
  });
}

/** What a node did not carry out is not sent again later: a step that is late may have been given up by then. */
function openCluster(nodes: readonly RedisNode[], redisOptions: object): Cluster {
  return new Cluster(
    nodes.map((node) => ({ ...node })),
    {
      redisOptions,
      enableOfflineQueue: false,
      clusterRetryStrategy: retryMs,
      ...{ retryDelayOnFailover: 0, retryDelayOnClusterDown: 0, retryDelayOnTryAgain: 0 },
      ...{ slotsRefreshInterval: SLOTS_EVERY_MS, slotsRefreshTimeout: CONNECT_MS },
    },
  );
}

function userOf(url: URL | null) {
  const [username, password] = [decodeURIComponent(url?.username ?? ''), decodeURIComponent(url?.password ?? '')];
  return { ...(username === '' ? {} : { username }), ...(password === '' ? {} : { password }) };
}

function serverOf(url: URL | null): RedisNode {
  return { host: url?.hostname.replace(/^\[|\]$/g, '') ?? '127.0.0.1', port: Number(url?.port || 6379) };
}
