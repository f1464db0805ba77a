// The sandbox payment method for the published `mppx` server, through its public extension point. It keeps the
// merchant's books and must never take one payment twice (mppx keeps no memory of a custom method's credentials).
import { Errors, Method, PaymentRequest, Receipt, z } from 'mppx';
import { judgePayload } from './sandbox-proof.ts';

/** One payment that a merchant took. */
export interface BookEntry {
  /** The payer's raw public key, base64url. */
  readonly payer: string;
  readonly nonce: string;
  /** Atoms. */
  readonly amount: string;
  readonly currency: string;
  readonly recipient: string;
  readonly challengeId: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

const charge = Method.from({
  name: 'sandbox',
  intent: 'charge',
  schema: {
    credential: {
      payload: z.object({ key: z.string(), nonce: z.string(), until: z.int(), signature: z.string() }),
    },
    request: z.object({
      amount: z.string().check(z.regex(/^[1-9][0-9]{0,77}$/)),
      currency: z.string(),
      recipient: z.string(),
    }),
  },
});

/** The method as `Mppx.create({ methods })` takes it; every payment it takes is pushed onto `books`. */
export function sandboxMethod(books: BookEntry[]) {
  const taken = new Set<string>();
  return Method.toServer(charge, {
    async verify({ credential }) {
      const { challenge, payload } = credential;
      const request = PaymentRequest.serialize(challenge.request);
      const judged = judgePayload(payload, { id: challenge.id, realm: challenge.realm, request }, Date.now());
      if (judged !== true) throw new Errors.VerificationFailedError({ reason: judged });
      const name = `${payload.key}:${payload.nonce}`;
      if (taken.has(name)) throw new Errors.VerificationFailedError({ reason: 'the payment was taken before' });
      taken.add(name);
      const entry = { payer: payload.key, nonce: payload.nonce, challengeId: challenge.id, at: Date.now() };
      books.push({ ...entry, ...challenge.request });
      return Receipt.from({
        method: 'sandbox',
        reference: payload.nonce,
        status: 'success',
        timestamp: new Date(entry.at).toISOString(),
      });
    },
  });
}
