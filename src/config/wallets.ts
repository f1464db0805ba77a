// The shapes of what is paid with: assets, wallets, and the networks where payments are looked up. Token addresses are
// canonical from here on.
import { z } from 'zod';
import { readEvmAddress, ZERO_ADDRESS } from '../domain/evm-address.ts';
import { readMoney } from '../domain/money.ts';
import { NOT_YET } from '../yaml/section.ts';
import { duration, MONEY_FACTS, money, refuseText } from '../yaml/units.ts';
import { isLoopback, readNodeUrl } from './addresses.ts';
import {
  certificates,
  ed25519Key,
  evmKey,
  type Judge,
  REFERENCE_FACTS,
  type Sources,
  secret,
  secretOrPlace,
} from './secrets.ts';

const id = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$/,
    'must be 1 to 100 letters, digits, dots, colons, hyphens or underscores',
  );

const EVM = /^eip155:[1-9][0-9]{0,15}$/;

const chain = z.string().regex(EVM, 'must be a chain such as "eip155:8453"');

/** `sandbox`, or CAIP-2 of an EVM chain. */
const anyNetwork = z.string().transform((text, context) => {
  if (text === 'sandbox' || EVM.test(text)) return text;
  if (/^(solana|bip122|cosmos|stellar|hedera|lightning|stripe|tempo|aptos|sui)(:|$)/.test(text)) {
    return refuseText(context, NOT_YET);
  }
  return refuseText(context, 'must be sandbox or a chain such as "eip155:8453"');
});

/** The worth of one whole unit: an exact decimal above 0 and a currency. */
const worth = z
  .unknown()
  .transform((written, context) => {
    if (written === undefined) return refuseText(context, 'is required');
    const read = typeof written === 'string' ? readMoney(written) : undefined;
    if (!read) return refuseText(context, 'must be an amount and a currency such as "1 USD"');
    if (read.amount.digits === 0n) return refuseText(context, 'must be more than 0');
    return read;
  })
  .meta(MONEY_FACTS);

export const asset = z
  .strictObject({
    id,
    network: anyNetwork,
    token: z.string().min(1),
    /** One whole unit is 10^decimals atoms. */
    decimals: z.int().min(0).max(36),
    value: worth,
    eip712: z.strictObject({ name: z.string().min(1).max(200), version: z.string().min(1).max(50) }).optional(),
  })
  .transform((written, context) => {
    const token = readToken(written.network, written.token);
    if ('wrong' in token) context.addIssue({ code: 'custom', path: ['token'], message: token.wrong });
    if (written.network !== 'sandbox' && written.eip712 === undefined) {
      const message = 'is required: without the token’s signing domain { name, version } nothing can be paid with it';
      context.addIssue({ code: 'custom', path: ['eip712'], message });
    }
    if (written.network === 'sandbox' && written.eip712 !== undefined) {
      context.addIssue({ code: 'custom', path: ['eip712'], message: 'is for evm assets alone; take it out' });
    }
    const { value, eip712, ...rest } = written;
    return {
      ...rest,
      token: 'token' in token ? token.token : written.token,
      /** The worth of one whole unit in the accounting currency. */
      value: value.amount,
      currency: value.currency,
      eip712: eip712 ?? null,
    };
  });

function readToken(onNetwork: string, text: string): { readonly token: string } | { readonly wrong: string } {
  if (onNetwork === 'sandbox') {
    if (/^[a-z]{3,8}$/.test(text)) return { token: text };
    return { wrong: 'must be a code of 3 to 8 lower-case letters such as usd' };
  }
  const address = readEvmAddress(text);
  if (address === undefined) {
    return { wrong: 'must be an address: 0x and 40 hex digits in quotes, mixed case with a right checksum (EIP-55)' };
  }
  return address === ZERO_ADDRESS
    ? { wrong: 'is the zero address, which is no token; write the address of its contract' }
    : { token: address };
}

const nodeUrl: Judge = (text) => {
  const read = readNodeUrl(text);
  return 'wrong' in read ? read : { text };
};

/** One address, or two that must agree. */
const rpc = (sources: Sources) =>
  z
    .unknown()
    .transform((written) => (Array.isArray(written) ? written : [written]))
    .pipe(z.array(secret(sources, nodeUrl)).min(1).max(2))
    .meta({ anyOf: [REFERENCE_FACTS, { type: 'array', items: REFERENCE_FACTS, minItems: 1, maxItems: 2 }] });

/** A chain, and the nodes that are asked what became of a payment on it. */
export const network = (sources: Sources) =>
  z
    .strictObject({
      id: chain,
      rpc: rpc(sources),
      allowPrivateNetwork: z.boolean().default(false),
      tls: z.strictObject({ ca: certificates(sources).optional() }).optional(),
    })
    .transform(({ tls, ...written }, context) => {
      const urls = sources.secrets === 'read' ? written.rpc.map((url) => new URL(url.reveal())) : [];
      urls.forEach((url, index) => {
        const wrong = plainNodeWrong(url, written.allowPrivateNetwork);
        if (wrong !== undefined) context.addIssue({ code: 'custom', path: ['rpc', index], message: wrong });
      });
      if (urls.length === 2 && urls[0]?.href === urls[1]?.href) {
        const message = 'is the same as the first; a second node is one that can contradict it';
        context.addIssue({ code: 'custom', path: ['rpc', 1], message });
      }
      return { ...written, ca: tls?.ca ?? null };
    });

function plainNodeWrong(url: URL, allowPrivateNetwork: boolean): string | undefined {
  if (url.protocol === 'https:') return undefined;
  if (!isLoopback(url.hostname)) return 'must be https: plain http is for loopback alone';
  return allowPrivateNetwork ? undefined : 'is on loopback, which needs allowPrivateNetwork: true';
}

const proofLifetime = duration('1s', '1h').prefault('5m');
const maxFee = money.prefault('0 XXX').transform((fee, context) => {
  return fee.micros === 0n ? fee.currency : refuseText(context, NOT_YET);
});

/** A wallet of the sandbox rail; `key` is null when its file is still to be made at `keyFile`. */
const sandboxWallet = (sources: Sources) =>
  z
    .strictObject({ id, rail: z.literal('sandbox'), key: secretOrPlace(sources, ed25519Key), proofLifetime, maxFee })
    .transform(({ key, proofLifetime: lifetime, maxFee: feeCurrency, ...rest }) => ({
      ...rest,
      key: key.key,
      keyFile: key.file,
      networks: ['sandbox'],
      proofLifetimeMs: lifetime,
      feeCurrency,
    }));

const evmWallet = (sources: Sources) =>
  z
    .strictObject({
      id,
      rail: z.literal('evm'),
      key: secret(sources, evmKey),
      networks: z.array(chain).min(1),
      proofLifetime,
      maxFee,
    })
    .transform(({ proofLifetime: lifetime, maxFee: feeCurrency, ...rest }) => ({
      ...rest,
      proofLifetimeMs: lifetime,
      feeCurrency,
    }));

const laterRails = ['tempo', 'stripe', 'lightning', 'card', 'solana'] as const;
const laterWallet = z
  .looseObject({ rail: z.enum(laterRails) })
  .transform((_, context): never => {
    context.addIssue({ code: 'custom', path: ['rail'], message: NOT_YET });
    return z.NEVER;
  })
  .meta({ not: {} });

export const wallet = (sources: Sources) =>
  z.discriminatedUnion('rail', [sandboxWallet(sources), evmWallet(sources), laterWallet], {
    error: 'must be sandbox or evm',
  });
