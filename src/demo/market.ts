// The demo's counterparties: two shops whose payment side is the published `mppx` server. They know nothing of the
// gateway.
import { type Merchant, sandboxMerchant } from './merchant.ts';

/** A shop that an operator's own gateway can buy from; `acme` is paid, in cents of play money. */
export function openShop(place: { readonly host: string; readonly port: number }): Promise<Merchant> {
  return sandboxMerchant({
    ...place,
    realm: 'shop.demo',
    routes: [
      { method: 'GET', path: '/v1/about', price: null, goods: { kind: 'json', body: { shop: 'Demo Shop' } } },
      { method: 'GET', path: '/v1/books', price: null, goods: { kind: 'books' } },
      { method: 'GET', path: '/v1/forecast', price: '2', goods: { kind: 'json', body: { tomorrow: 'sunny' } } },
      { method: 'GET', path: '/v1/satellite', price: '75', goods: { kind: 'json', body: { image: '…' } } },
      { method: 'GET', path: '/v1/radar', price: '3', goods: { kind: 'hang' } },
    ],
  });
}

/** Both shops, open on loopback. */
export interface Market {
  readonly weather: Merchant;
  readonly writer: Merchant;
  close(): Promise<void>;
}

/** Opens both shops. Prices are in cents of play money. */
export async function openMarket(): Promise<Market> {
  const weather = await sandboxMerchant({
    account: 'acme-weather',
    realm: 'weather.demo',
    tells: true,
    routes: [
      { method: 'GET', path: '/v1/about', price: null, goods: { kind: 'json', body: { shop: 'Acme Weather' } } },
      { method: 'GET', path: '/v1/forecast', price: '2', goods: { kind: 'json', body: { tomorrow: 'sunny' } } },
      { method: 'GET', path: '/v1/satellite', price: '75', goods: { kind: 'json', body: { image: '…' } } },
      { method: 'GET', path: '/v1/mirror', price: '2', payee: 'mallory', goods: { kind: 'json', body: {} } },
      { method: 'GET', path: '/v1/radar', price: '3', goods: { kind: 'hang' } },
      { method: 'GET', path: '/v1/altered', price: '2', goods: { kind: 'json', body: {} }, tamper: dearer },
    ],
  });
  const writer = await sandboxMerchant({
    account: 'wordsmith',
    realm: 'writer.demo',
    routes: [
      {
        method: 'POST',
        path: '/v1/complete',
        price: '5',
        goods: { kind: 'stream', events: ['Once', 'upon', 'a', 'time', '[DONE]'], everyMs: 20 },
      },
    ],
  });
  return {
    weather,
    writer,
    close: async () => {
      await Promise.all([weather.close(), writer.close()]);
    },
  };
}

/** Somebody between shop and buyer adds a second, dearer price to the demand. */
function dearer(challenge: string): string {
  return challenge.replace(/request="([^"]*)"/, (_whole, request: string) => {
    const json = Buffer.from(request, 'base64url').toString('utf8');
    const altered = json.replace('"amount":"2"', '"amount":"2","amount":"2000"');
    return `request="${Buffer.from(altered).toString('base64url')}"`;
  });
}
