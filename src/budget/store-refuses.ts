// Why a state folder must not be used with a store, told so that a person knows what to do.

/** The store must not be used with this state folder; the message is for the operator. */
export class StoreRefuses extends Error {}

/** The log ends earlier than the store was told. */
export function olderText(log: string, sealed: number, recorded: number): string {
  return (
    `the state folder is an older copy: its log ${log} ends at receipt ${sealed}, and the budget store was told of ` +
    `receipt ${recorded}. Put the newest copy of the folder back; if there is none, begin a new log with another ` +
    'state.dir and keep this one: what it spent stays counted, and what it has open can be resolved at any gateway'
  );
}

/** Another process of this log is alive. */
export function clonedText(log: string): string {
  return (
    `another gateway runs on a copy of this state folder: it goes by the same log, ${log}. ` +
    'Stop one of them, and give each gateway a state folder of its own'
  );
}
