// The merchants of the crash tests, whose books are the judge: which purchase was paid how often, and how much in all.
import { hostileMerchant } from '../fakes/hostile-merchant.ts';
import { sandboxChallenge } from '../fakes/sandbox-challenge.ts';
import { demand, goods, resetAfter } from '../fakes/script.ts';
import { type GatewaySetup, policy, type TestGateway } from '../support/gateway.ts';

/** A merchant with a book for each thing it sells; what is sold is told by the request's target. */
export interface Till {
  readonly url: string;
  /** What a gateway needs to buy here, with a budget that has room for so many purchases. */
  setup(room: number): GatewaySetup;
  /** A token for a buyer at that gateway. */
  token(gateway: TestGateway): Promise<string>;
  /** How many proofs came for this target. */
  paidFor(target: string): number;
  /** Everything it took, in micro-units. */
  taken(): Promise<bigint>;
  /** What is wrong with the proofs it was handed: worthless or repeated ones. */
  faults(): string[];
  /** Does it tell what became of a payment? Not at first. */
  tells: boolean;
  /** Called when a proof is in its hands, before it answers. */
  onPaid: ((target: string) => void) | null;
  close(): Promise<void>;
}

/** What one purchase costs, in micro-units. */
export const PRICE = 20_000n;

/** The shelf whose goods are paid for and never come, and the one where the payment is not even taken. */
export const UNANSWERED = '/unanswered';
export const UNTAKEN = '/untaken';

const LIMITS = '{ paymentSettle: 5s, holdLease: 2s, diskReserve: 0B, unsettled: 100000 }';

/** Proofs that die soon, so that what was never paid comes back within a test. */
const WALLETS = '\n  - { id: play, rail: sandbox, key: { file: sandbox.pem }, proofLifetime: 5s }';

/** Sells everything for {@link PRICE} in play money. */
export async function sandboxTill(): Promise<Till> {
  const merchant = await hostileMerchant({
    unpaid: () => demand(sandboxChallenge({ request: { amount: '2' } })),
    paid: (_, { target }) => {
      till.onPaid?.(target);
      if (target.startsWith(UNTAKEN)) merchant.books.taken.pop();
      return target.startsWith(UNANSWERED) || target.startsWith(UNTAKEN) ? resetAfter() : goods;
    },
    told: (nonce, { taken }) =>
      till.tells ? JSON.stringify({ redeemed: taken.some((one) => one.nonce === nonce) }) : undefined,
  });
  const till: Till = {
    url: merchant.url,
    setup: (room) => ({
      upstream: merchant.url,
      policies: policy({ limit: limitFor(room), per: 'all', window: 'window: total' }),
      sections: { limits: LIMITS, wallets: WALLETS },
    }),
    token: (gateway) => gateway.token(),
    paidFor: (target) => merchant.requests.filter((request) => request.paid && request.target === target).length,
    taken: async () => BigInt(merchant.books.taken.length) * PRICE,
    faults: () => [...merchant.books.worthless, ...Array.from({ length: merchant.books.replays }, () => 'a repeat')],
    tells: false,
    onPaid: null,
    close: () => merchant.close(),
  };
  return till;
}

/** `0.10 USD` for five. */
const limitFor = (room: number): string => `${((Number(PRICE) * room) / 1_000_000).toFixed(2)} USD`;
