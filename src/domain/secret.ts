// A value that must not show: not in JSON, not in inspect, not in a template string. Only reveal() gives it out.
import { inspect } from 'node:util';

/** A secret; call {@link reveal} only where it is used. */
export class Secret {
  readonly #value: string | undefined;

  /** `undefined`: the secret was not read (`check --without-secrets`). */
  constructor(value: string | undefined) {
    this.#value = value;
    Object.freeze(this);
  }

  /** The value itself. Throws when it was not read. */
  reveal(): string {
    if (this.#value === undefined) throw new Error('this secret was not read');
    return this.#value;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return '[secret]';
  }
}
