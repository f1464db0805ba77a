// What crosses between the gateway's thread and the state thread, and nothing else.

/** One operation asked for. */
export interface Call {
  readonly id: number;
  readonly operation: string;
  readonly argument: unknown;
}

/** What the gateway's thread sends. */
export type ToState = Call | 'close';

/** What became of one call. */
export type Reply =
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | { readonly id: number; readonly ok: false; readonly code: string; readonly message: string };

/** Whether the file is where it was opened, whether writes work, and whether there is more room than the reserve. */
export interface Health {
  readonly inPlace: boolean;
  readonly writable: boolean;
  readonly roomy: boolean;
}

/** What the state thread sends. */
export type FromState =
  /** `torn`: bytes of a write that did not reach its end, left out at the opening; 0 without one. */
  | { readonly kind: 'opened'; readonly health: Health; readonly torn: number }
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }
  | { readonly kind: 'health'; readonly health: Health }
  | { readonly kind: 'lost'; readonly message: string }
  | { readonly kind: 'replies'; readonly replies: readonly Reply[] };
