// Secrets planted in every place where one can stand, every text that a gateway gave out, and the search for the first
// in the second.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** The secrets and the texts of one test. */
export interface Sweep {
  /** Remembers a secret, whatever it is encoded as. */
  plant(name: string, secret: string | Buffer): void;
  /** Remembers a text that somebody could read. */
  text(name: string, text: string): void;
  /** Remembers the whole of an answer and hands its body back. */
  answer(name: string, answer: Response): Promise<string>;
  /** Remembers all files below a folder but those named. */
  files(folder: string, except: readonly string[]): void;
  /** Which secret stands in which text. */
  found(): string[];
  /** Are all of these words in that text? So that an empty search is not taken for a clean one. */
  has(name: string, ...words: readonly string[]): boolean;
}

/** An empty one. */
export function openSweep(): Sweep {
  const secrets = new Map<string, Set<string>>();
  const texts = new Map<string, string>();
  const text = (name: string, more: string) => void texts.set(name, `${texts.get(name) ?? ''}\n${more}`);
  return {
    has: (name, ...words) => words.every((word) => texts.get(name)?.includes(word)),
    text,
    plant(name, secret) {
      const bytes = Buffer.from(secret);
      const forms = ['latin1', 'base64', 'base64url', 'hex'] as const;
      const written = forms.map((form) => bytes.toString(form).replace(/=+$/, ''));
      const known = secrets.get(name) ?? new Set();
      for (const one of [...written, encodeURIComponent(bytes.toString('latin1'))]) known.add(one);
      secrets.set(name, known);
    },
    async answer(name, answer) {
      const body = await answer.text();
      const head = [...answer.headers].map(([header, value]) => `${header}: ${value}`).join('\n');
      text(name, `${answer.status} ${answer.statusText}\n${head}\n${body}`);
      return body;
    },
    files(folder, except) {
      for (const file of readdirSync(folder)) {
        const path = join(folder, file);
        if (except.includes(file) || !statSync(path).isFile()) continue;
        text(`the file ${file}`, readFileSync(path, 'latin1'));
      }
    },
    found: () =>
      [...secrets].flatMap(([name, forms]) =>
        [...texts]
          .filter(([, all]) => [...forms].some((form) => all.toLowerCase().includes(form.toLowerCase())))
          .map(([where]) => `${name} in ${where}`),
      ),
  };
}
