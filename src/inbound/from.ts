// From where a request came: the other end of the connection, or what proxies that are believed say of it. It is
// recorded, and decides nothing.
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Says from where; `forwardedFor` are the values of all X-Forwarded-For lines, in order. */
export type From = (peer: string | undefined, forwardedFor: readonly string[]) => string;

/**
 * `trusted`: networks as `address/prefix`. Read from the right, the first address that is not of a trusted proxy
 * counts; what cannot be read ends the search, and the last address that was believed counts.
 */
export function openFrom(trusted: readonly string[]): From {
  const networks = trusted.map((network) => ipaddr.parseCIDR(network));
  const isTrusted = (address: string): boolean => {
    const read = ipaddr.process(address);
    return networks.some(([first, bits]) => read.kind() === first.kind() && read.match(first, bits));
  };
  return (peer, forwardedFor) => {
    if (networks.length === 0 || peer === undefined || isIP(peer) === 0 || !isTrusted(peer)) return peer ?? 'unknown';
    let from = ipaddr.process(peer).toString();
    for (const said of forwardedFor.join(',').split(',').reverse()) {
      const address = addressOf(said.trim());
      if (address === undefined) break;
      from = address;
      if (!isTrusted(address)) break;
    }
    return from;
  };
}

/** Some proxies write the port too. */
function addressOf(text: string): string | undefined {
  const bare = /^\[([^\]]+)\](?::[0-9]{1,5})?$/.exec(text)?.[1] ?? /^([0-9.]+):[0-9]{1,5}$/.exec(text)?.[1] ?? text;
  return isIP(bare) === 0 || bare.includes('%') ? undefined : ipaddr.process(bare).toString();
}
