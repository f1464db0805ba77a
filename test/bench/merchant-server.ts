// The demo's shop in a process of its own: one thing on offer, for 0.02 of play money.
import { sandboxMerchant } from '../../src/demo/merchant.ts';
import { announce } from './children.ts';

const body = { forecast: 'x'.repeat(480) };
const merchant = await sandboxMerchant({
  routes: [{ method: 'GET', path: '/v1/forecast', price: '2', goods: { kind: 'json', body } }],
});
announce(merchant.url);
