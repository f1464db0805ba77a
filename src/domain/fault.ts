// The one exception class: what went wrong in the world, and where the money is because of it.

/** Where the money of the purchase under way stands when a fault is thrown. */
export type MoneyState = 'untouched' | 'held' | 'exposed' | 'settled';

/** A foreign failure, wrapped once at the edge where it happened. Agents are shown our own detail, never the cause. */
export class GatewayFault extends Error {
  readonly code: FaultCode;
  readonly money: MoneyState;

  constructor(code: FaultCode, money: MoneyState, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'GatewayFault';
    this.code = code;
    this.money = money;
  }
}

/** The faults a spoke may throw; each has a row in the table of refusals, so that every fault has an answer. */
export type FaultCode =
  | 'store_unavailable'
  | 'ledger_unavailable'
  | 'upstream_unreachable'
  | 'upstream_timeout'
  | 'rail_unavailable';
