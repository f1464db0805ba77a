// Network addresses as people write them, read strictly: what could mean two things is refused.
import { isIPv4, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import { refuseText } from '../yaml/units.ts';

/** Where to listen. */
export interface HostPort {
  /** An IP address (IPv6 without brackets) or a host name. */
  readonly host: string;
  /** 0 lets the system choose one. */
  readonly port: number;
}

/** Reads `127.0.0.1:8402`, `[::1]:8402` or `localhost:8402`; undefined when it is anything else. */
export function readHostPort(text: string): HostPort | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([A-Za-z0-9.-]+)):(0|[1-9][0-9]{0,4})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535) return undefined;
  const good = match?.[1] === undefined ? isIPv4(host) || isHostName(host) : isIPv6(host);
  return good ? { host, port } : undefined;
}

function isHostName(host: string): boolean {
  const labels = host.split('.');
  const last = labels.at(-1) ?? '';
  // A last label of digits is how addresses such as 127.1 or 0x7f.1 are written.
  if (host.length > 253 || /^([0-9]+|0x[0-9a-f]*)$/i.test(last)) return false;
  return labels.every((label) => /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(label));
}

/** Why nothing can listen there, for the person who asked for it; `key` is where that is said. */
export function cannotListen(key: string, { host, port }: HostPort, error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : 'unknown';
  const place = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  if (code === 'EADDRINUSE') return `${key}: ${place} is in use; stop what listens there, or choose another port`;
  if (code === 'EACCES') return `${key}: ${place} is not allowed to this user; choose a port from 1024 up`;
  return `${key}: this machine cannot listen at ${place} (${code}); name an address of its own`;
}

/** Is this host this machine alone? */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase();
  return bare === 'localhost' || bare === '::1' || (isIPv4(bare) && bare.startsWith('127.'));
}

/** A listening address. */
export const hostPort: z.ZodType<HostPort, string> = z
  .string()
  .transform(
    (text, context) =>
      readHostPort(text) ?? refuseText(context, 'must be host:port such as 127.0.0.1:8402 or [::1]:8402'),
  );

/** Where something listens that is called from here: any port but 0. */
export const peer: z.ZodType<HostPort, string> = z.string().transform((text, context) => {
  const read = readHostPort(text);
  return read && read.port !== 0 ? read : refuseText(context, 'must be host:port such as 10.0.0.5:6379');
});

/** An address, or a network as its first address and prefix: `10.0.0.0/8`; given out with its prefix. */
export const network: z.ZodType<string, string> = z.string().transform((text, context) => {
  const [address = '', prefix, ...more] = text.split('/');
  const bits = isIPv4(address) ? 32 : isIPv6(address) && !address.includes('%') ? 128 : 0;
  const size = prefix === undefined ? bits : Number(prefix);
  const readable = bits > 0 && more.length === 0 && /^(0|[1-9][0-9]{0,2})$/.test(prefix ?? '0') && size <= bits;
  if (!readable) return refuseText(context, 'must be an address or a network such as 10.0.0.0/8 or fd00::/8');
  const written = `${address}/${size}`;
  const first = bits === 32 ? ipaddr.IPv4.networkAddressFromCIDR(written) : ipaddr.IPv6.networkAddressFromCIDR(written);
  if (first.toString() === ipaddr.parse(address).toString()) return written;
  return refuseText(context, `names an address inside its network; write ${first.toString()}/${size}`);
});

/** Reads an http(s) address strictly; says what is wrong when it could mean two things. */
export function readHttpUrl(text: string): { readonly url: URL } | { readonly wrong: string } {
  const match = /^(https?):\/\/([^/?#]*)(\/[^?#]*)?(.*)$/.exec(text);
  if (!match || !URL.canParse(text)) return { wrong: 'must be an address such as https://api.example.com' };
  if (match[4] !== '') return { wrong: 'cannot have a query or a fragment; take it out' };
  const authority = match[2] ?? '';
  if (authority.includes('@')) return { wrong: 'cannot have a user or password; take it out' };
  const url = new URL(text);
  const port = /:([0-9]+)$/.exec(authority)?.[1];
  const host = port === undefined ? authority : authority.slice(0, -port.length - 1);
  if (host.endsWith('.')) return { wrong: 'ends its host with a dot; take it out' };
  if (host !== url.hostname) return { wrong: `names its host in a way that could be misread; write ${url.hostname}` };
  if ((match[3] ?? '/') !== url.pathname) return { wrong: `has a path that could be misread; write ${url.pathname}` };
  return { url };
}

/** Reads the address of a node: its path or query may be a secret, so nothing of it is ever said again. */
export function readNodeUrl(text: string): { readonly url: URL } | { readonly wrong: string } {
  const [address = '', ...query] = text.split('?');
  const read = readHttpUrl(address);
  if (!('wrong' in read) && query.length < 2 && !text.includes('#') && URL.canParse(text))
    return { url: new URL(text) };
  return { wrong: 'must be the address of a node such as https://rpc.example.com/v1/KEY, without user or password' };
}

/** May this address be spoken to without TLS? */
export function plainHttpWrong(
  url: URL,
  allowed: { readonly allowPrivateNetwork: boolean; readonly allowPlainHttp: boolean },
): string | undefined {
  if (url.protocol === 'https:' || allowed.allowPlainHttp) return undefined;
  if (!isLoopback(url.hostname))
    return 'must be https: plain http is for loopback alone, or needs allowPlainHttp: true';
  return allowed.allowPrivateNetwork ? undefined : 'is on loopback, which needs allowPrivateNetwork: true';
}
