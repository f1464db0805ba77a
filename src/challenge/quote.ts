// How a service's text is shown in our own sentences: as plain ASCII, escaped and cut, so that it cannot pose as ours.
import { type Refusal, refuse } from '../domain/refusal.ts';

const SHOWN = 60;

/** The text in double quotes, everything but visible ASCII escaped, cut after 60 characters with its length. */
export function quote(text: string): string {
  const shown = text
    .slice(0, SHOWN)
    .replace(/[^ -~]|["\\]/g, (char) => (/["\\]/.test(char) ? `\\${char}` : `\\u{${char.charCodeAt(0).toString(16)}}`));
  return text.length > SHOWN ? `"${shown}"… (${text.length} characters)` : `"${shown}"`;
}

/** The demand breaks its own rules; `what` is a clause that says which part, and what was expected. */
export function malformed(what: string): Refusal {
  const detail = `The service's payment demand cannot be read: ${what}. Nothing was paid; tell the service's operator.`;
  return refuse('challenge_malformed', detail);
}

/** The demand may be fine, but nothing here answers it; `what` is a clause that says why. */
export function unsupported(what: string): Refusal {
  return refuse(
    'challenge_unsupported',
    `The service's payment demand cannot be met here: ${what}. Nothing was paid; ask the gateway's operator.`,
  );
}
