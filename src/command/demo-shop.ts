// `purser demo --shop`: a shop of the demo alone, for a gateway that is configured and started by somebody else.
import { once } from 'node:events';
import { cannotListen, type HostPort } from '../config/addresses.ts';
import { openShop } from '../demo/market.ts';
import type { Io } from './io.ts';

/** Sells until SIGINT or SIGTERM; then says how many payments it took, and 0. */
export async function demoShop(place: HostPort, io: Io): Promise<number> {
  const ended = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  const shop = await openShop(place).catch((error: unknown): never => {
    throw new Error(cannotListen('--shop', place, error));
  });
  io.out(`A shop that sells for play money: GET ${shop.url}/v1/about (free), /v1/forecast, /v1/satellite\n`);
  io.out('/v1/radar takes the money and never answers; /v1/books (free) is what the shop took, as CSV.\n');
  await ended;
  await shop.close();
  io.out(`The shop took ${shop.books.length} payments.\n`);
  return 0;
}
