// The shape of a witness: who cosigns the log's checkpoints, where, and by which key.
import { z } from 'zod';
import { readKey } from '../domain/note.ts';
import { plainHttpWrong, readHttpUrl } from './addresses.ts';
import { certificates, type Sources } from './secrets.ts';

export const witness = (sources: Sources) =>
  z
    .strictObject({
      url: z.string(),
      key: z.string().min(1).max(500),
      allowPrivateNetwork: z.boolean().default(false),
      tls: z.strictObject({ ca: certificates(sources).optional() }).optional(),
    })
    .transform(({ url, key, tls, allowPrivateNetwork }, context) => {
      const read = readHttpUrl(url);
      const allowed = { allowPrivateNetwork, allowPlainHttp: false };
      const wrong = 'wrong' in read ? read.wrong : plainHttpWrong(read.url, allowed);
      if (wrong !== undefined) context.addIssue({ code: 'custom', path: ['url'], message: wrong });
      const known = isWitnessKey(key);
      if (!known) {
        const message =
          'is not the key of a witness, such as witness.example/w1+0a1b2c3d+BHR5…: it prints it at its start';
        context.addIssue({ code: 'custom', path: ['key'], message });
      }
      if (wrong !== undefined || 'wrong' in read || !known) return z.NEVER;
      return {
        /** As C2SP writes it, its name with it. */
        key,
        origin: read.url.origin,
        /** What stands before its paths: empty, or `/base` without a slash at its end. */
        basePath: read.url.pathname.replace(/\/+$/, ''),
        allowPrivateNetwork,
        ca: tls?.ca ?? null,
      };
    });

function isWitnessKey(text: string): boolean {
  try {
    return readKey(text).kind === 'witness';
  } catch {
    return false;
  }
}
