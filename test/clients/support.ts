// What the tests of real clients share: a shop of models behind a gateway, an agent of its own for each test, and what
// must hold by the shop's books. Clients get a base URL and the agent's token as their key, nothing else.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, expect } from 'vitest';
import { type After, type ModelShop, modelShop } from '../fakes/model-shop.ts';
import { policy, startGateway, type TestGateway } from '../support/gateway.ts';

/** How long clients wait for an answer; the gateway waits longer for its service. */
export const PATIENCE_MS = 1_000;
const PAYMENT_SETTLE = '1800ms';
const AGENTS = 30;

/** A shop that took the money and then failed, and the words of the reason that its buyer must see. */
export const FAILURES: readonly { readonly after: After; readonly title: RegExp; readonly detail: RegExp }[] = [
  {
    after: 500,
    title: /Service failed after the payment proof/,
    detail: /The service failed after it was sent a payment proof/,
  },
  {
    after: 429,
    title: /Service failed after the payment proof/,
    detail: /The service failed after it was sent a payment proof/,
  },
  { after: 'reset', title: /Payment outcome unknown/, detail: /Whether it took the money is unknown/ },
];

/** The reason while the purchase of an impatient client still runs, and once the gateway gave up on the service too. */
export const HANGS = {
  title: /The same purchase is still running|Payment outcome unknown/,
  detail: /This purchase is still running|Whether it took the money is unknown/,
} as const;

/** An agent that buys for the first time. */
export interface Buyer {
  readonly token: string;
  /** `http://127.0.0.1:<port>/shop` */
  readonly base: string;
  /** What the shop took, how many proofs it was sent, and what this agent spent by the gateway's budgets. */
  spent(): Promise<{ taken: number; proofs: number; budget: string }>;
}

/** Shop and gateway of one file. */
export interface Stand {
  readonly shop: ModelShop;
  readonly gateway: TestGateway;
  /** An agent of its own, and from now on the shop does this once it was paid. */
  buyer(after: After): Promise<Buyer>;
  close(): Promise<void>;
}

/** By the shop's books and the gateway's: exactly one purchase of 0.02 USD. */
export const ONCE = { taken: 1, proofs: 1, budget: '0.020000' } as const;

/** The stand of a test file, there from its first test to its last. */
export function standOfFile(): Stand {
  let opened: Stand | undefined;
  beforeAll(async () => {
    opened = await openStand();
  });
  afterAll(() => opened?.close());
  const stand = (): Stand => {
    if (!opened) throw new Error('a stand is there only while a test runs');
    return opened;
  };
  return {
    get shop() {
      return stand().shop;
    },
    get gateway() {
      return stand().gateway;
    },
    buyer: (after) => stand().buyer(after),
    close: () => stand().close(),
  };
}

/** Opens shop and gateway. */
export async function openStand(): Promise<Stand> {
  const shop = await modelShop();
  const agents = Array.from({ length: AGENTS }, (_, n) => `  - { id: buyer-${n}, owner: dana@example.com }`);
  const gateway = await startGateway({
    upstream: shop.url,
    policies: policy({ agents: agents.join('\n') }),
    sections: { limits: `{ paymentSettle: ${PAYMENT_SETTLE}, diskReserve: 0B }` },
  });
  let next = 0;
  return {
    shop,
    gateway,
    buyer: async (after) => {
      shop.behave(after);
      const agent = `buyer-${next}`;
      next += 1;
      const [taken, proofs] = [shop.books.length, proofsSent(shop)];
      return {
        token: await gateway.token(agent),
        base: `${gateway.agents}/shop`,
        spent: async () => ({
          taken: shop.books.length - taken,
          proofs: proofsSent(shop) - proofs,
          budget: await used(gateway, agent),
        }),
      };
    },
    close: async () => {
      await gateway.close();
      await shop.close();
    },
  };
}

const proofsSent = (shop: ModelShop): number => shop.requests.filter(({ paid }) => paid).length;

async function used(gateway: TestGateway, agent: string): Promise<string> {
  const answer = await gateway.ask('/.purser/budgets', { agent });
  const { budgets } = (await answer.json()) as { budgets: { settled: string; held: string }[] };
  const micros = budgets.reduce((sum, { settled, held }) => sum + millionths(settled) + millionths(held), 0);
  return (micros / 1_000_000).toFixed(6);
}

const millionths = (amount: string): number => Number(amount.replace('.', ''));

/** No request that the shop read carries the agent's token. */
export function expectNoToken({ shop }: Stand, { token }: Buyer): void {
  expect(JSON.stringify(shop.requests)).not.toContain(token);
}

/** Reads a stream of text; calls `goOn` once the first words are there, and answers all of them. */
export async function readWhile(texts: AsyncIterable<string>, goOn: () => void): Promise<string> {
  let seen = '';
  for await (const text of texts) {
    seen += text;
    if (text !== '') goOn();
  }
  return seen;
}

/** What a promise was rejected with, as its user reads it. */
export async function complaint(promise: PromiseLike<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  throw new Error('nothing went wrong');
}

/** A finished program. */
export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end; `seen` is called with everything it wrote so far, whenever it writes. */
export async function run(
  command: string,
  args: readonly string[],
  options: { readonly input?: string; seen?(stdout: string): void } = {},
): Promise<Finished> {
  const child = spawn(command, args);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (bytes) => {
    stdout += bytes;
    options.seen?.(stdout);
  });
  child.stderr.on('data', (bytes) => {
    stderr += bytes;
  });
  child.stdin.end(options.input ?? '');
  await once(child, 'close');
  return { code: child.exitCode, stdout, stderr };
}

/** Is this program there? */
export async function installed(command: string): Promise<boolean> {
  try {
    return (await run(command, ['--version'])).code === 0;
  } catch {
    return false;
  }
}
