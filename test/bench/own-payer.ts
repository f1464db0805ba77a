// The same purchase without a gateway: the published mppx client that holds a sandbox key and pays by itself.
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { Credential, Method, PaymentRequest, z } from 'mppx';
import { Mppx } from 'mppx/client';

const charge = Method.from({
  name: 'sandbox',
  intent: 'charge',
  schema: {
    credential: {
      payload: z.object({ key: z.string(), nonce: z.string(), until: z.int(), signature: z.string() }),
    },
    request: z.object({ amount: z.string(), currency: z.string(), recipient: z.string() }),
  },
});

const LIFETIME_S = 60;

/** A fetch that pays what it is asked to, whatever it is. */
export function ownPayer(): typeof fetch {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const key = publicKey.export({ format: 'jwk' }).x ?? '';
  const method = Method.toClient(charge, {
    async createCredential({ challenge }) {
      const nonce = randomBytes(16).toString('base64url');
      const until = Math.floor(Date.now() / 1_000) + LIFETIME_S;
      const request = PaymentRequest.serialize(challenge.request);
      const signed = JSON.stringify(['sandbox/charge', challenge.id, challenge.realm, request, nonce, until]);
      const signature = sign(null, Buffer.from(signed, 'utf8'), privateKey).toString('base64url');
      return Credential.serialize({ challenge, payload: { key, nonce, until, signature } });
    },
  });
  return Mppx.create({ polyfill: false, methods: [method] }).fetch as typeof fetch;
}
