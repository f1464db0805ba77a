// What following a request in a trace means to those who report it; how it reaches a collector stands elsewhere.

/** Ids and words of closed lists, never foreign text. */
export type SpanAttributes = Readonly<Record<string, string | number>>;

/** A trace as W3C Trace Context names it: 32 and 16 hex digits, and two for the flags. */
export interface TraceContext {
  readonly id: string;
  readonly parent: string;
  readonly flags: string;
}

/** A step of a request, or the request itself, under way. */
export interface TracedSpan {
  /** What goes to a service that is called within it. */
  readonly context: TraceContext;
  /** A step within it; `client` when a service is called in it. */
  step(name: string, kind: 'internal' | 'client', attributes: SpanAttributes): TracedSpan;
  end(attributes: SpanAttributes, end: { readonly name?: string; readonly failed: boolean }): void;
}

/** Where requests are traced to. */
export interface RequestTracer {
  /** A request begins, under the trace its agent named or one of its own. */
  begin(agents: TraceContext | null): TracedSpan;
  /** Hands over what is left, for a few seconds at most. */
  close(): Promise<void>;
}
