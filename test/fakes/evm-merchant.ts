// A merchant that is the published `mppx` evm server, settling EIP-3009 authorisations on a local chain.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { Errors } from 'mppx';
import { evm, Mppx } from 'mppx/server';
import { type Address, generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import type { Authorisation, Chain } from './chain.ts';

/** A running one. */
export interface EvmMerchant {
  /** `http://127.0.0.1:<port>`; every path costs the price. */
  readonly url: string;
  /** Where it is paid. */
  readonly recipient: Address;
  /** The transactions it settled, in order. */
  readonly settled: readonly string[];
  /** The targets for which a payment credential came, in order. */
  readonly paid: readonly string[];
  /** The authorisations it kept to itself, in order. */
  readonly kept: readonly Authorisation[];
  close(): Promise<void>;
}

/** What it asks for. */
export interface EvmMerchantOptions {
  /** In whole units of the token, such as `0.25`. */
  readonly price: string;
  readonly realm?: string;
  /** It takes good authorisations, and neither settles them nor answers; default false. */
  readonly keeps?: () => boolean;
  /** RFC 3339; default five minutes from each request. */
  readonly expires?: () => string;
}

/** Starts one on a free loopback port. */
export async function evmMerchant(chain: Chain, options: EvmMerchantOptions): Promise<EvmMerchant> {
  const { price, realm = 'evm.test', expires, keeps = () => false } = options;
  const recipient = privateKeyToAccount(generatePrivateKey()).address;
  const settled: string[] = [];
  const paid: string[] = [];
  const kept: Authorisation[] = [];
  const till = Mppx.create({
    methods: [
      evm.charge({
        currency: chain.token,
        chainId: chain.chainId,
        decimals: 6,
        authorization: chain.eip712,
        recipient,
        async settle({ payload }) {
          if (keeps()) {
            kept.push(payload);
            return new Promise<never>(() => {});
          }
          const reference = await chain.settle(payload).catch(() => {
            throw new Errors.VerificationFailedError({ reason: 'the chain refused the authorisation' });
          });
          settled.push(reference);
          return { reference };
        },
      }),
    ],
    secretKey: randomBytes(32).toString('base64'),
    realm,
  });
  const server = createServer(async (request, response) => {
    request.resume();
    const { authorization } = request.headers;
    if (/^Payment /i.test(authorization ?? '')) paid.push(request.url ?? '');
    const asked = new Request(`http://${realm}/`, { headers: authorization === undefined ? {} : { authorization } });
    const outcome = await till.charge({ amount: price, ...(expires && { expires: expires() }) })(asked);
    const answer = outcome.status === 402 ? outcome.challenge : outcome.withReceipt(Response.json({ goods: true }));
    response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('it listens on a port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    recipient,
    settled,
    paid,
    kept,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
