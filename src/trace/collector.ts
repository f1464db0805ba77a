// Hands traces to a collector with OpenTelemetry's own SDK; loaded only where traces are asked for, since the SDK is
// large. A collector that is down, slow or full costs spans and nothing else: no request ever waits for it.
import type { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, TraceFlags, type Tracer, trace } from '@opentelemetry/api';
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  type ReadableSpan,
  type SpanExporter,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import type { CollectorSettings } from './settings.ts';
import type { RequestTracer, SpanAttributes, TraceContext, TracedSpan } from './span.ts';

/** What the tracer is made of beside where it sends to. */
export interface TracerParts {
  readonly version: string;
  /** Makes every connection to the collector. */
  readonly agent: Agent;
  /** Spans that no collector will see, and why: our queue was full, or the export ended with this error. */
  lost(spans: number, error: unknown): void;
}

/** Spans that wait at most, about 2 KiB each; later ones are lost. */
const MOST_WAITING = 2_048;
const CLOSE_WITHIN_MS = 3_000;

/** Requests as spans at a collector. Sampling, headers, batches and the resource are as the environment says. */
export function openCollector(
  { url, protocol }: CollectorSettings,
  { version, agent, lost }: TracerParts,
): RequestTracer {
  const Exporter = protocol === 'http/json' ? JsonExporter : ProtobufExporter;
  const queue = new BoundedQueue(new Exporter({ url, httpAgentOptions: () => agent }), lost);
  const provider = new BasicTracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes({ 'service.name': 'purser', 'service.version': version }))
      .merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [queue],
  });
  const tracer = provider.getTracer('purser', version);
  return {
    begin: (agents) => new SdkSpan(tracer, tracer.startSpan('HTTP', { kind: SpanKind.SERVER }, contextOf(agents))),
    close: async () => {
      const handedOver = provider.shutdown().catch(() => undefined);
      await Promise.race([handedOver, sleep(CLOSE_WITHIN_MS, undefined, { ref: false })]);
      agent.destroy();
    },
  };
}

function contextOf(agents: TraceContext | null) {
  if (agents === null) return ROOT_CONTEXT;
  const traceFlags = Number.parseInt(agents.flags, 16) & TraceFlags.SAMPLED;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId: agents.id, spanId: agents.parent, traceFlags, isRemote: true });
}

class SdkSpan implements TracedSpan {
  readonly context: TraceContext;
  readonly #tracer: Tracer;
  readonly #span: Span;

  constructor(tracer: Tracer, span: Span) {
    const { traceId, spanId, traceFlags } = span.spanContext();
    this.context = { id: traceId, parent: spanId, flags: traceFlags & TraceFlags.SAMPLED ? '01' : '00' };
    this.#tracer = tracer;
    this.#span = span;
  }

  step(name: string, kind: 'internal' | 'client', attributes: SpanAttributes): TracedSpan {
    const options = { kind: kind === 'client' ? SpanKind.CLIENT : SpanKind.INTERNAL, attributes };
    return new SdkSpan(this.#tracer, this.#tracer.startSpan(name, options, trace.setSpan(ROOT_CONTEXT, this.#span)));
  }

  end(attributes: SpanAttributes, { name, failed }: { readonly name?: string; readonly failed: boolean }): void {
    this.#span.setAttributes(attributes);
    if (name !== undefined) this.#span.updateName(name);
    if (failed) this.#span.setStatus({ code: SpanStatusCode.ERROR });
    this.#span.end();
  }
}

/** The SDK's batches behind a bound of ours, which counts what it drops; the SDK drops in silence. */
class BoundedQueue implements SpanProcessor {
  readonly #batches: BatchSpanProcessor;
  readonly #lost: TracerParts['lost'];
  #waiting = 0;

  constructor(exporter: SpanExporter, lost: TracerParts['lost']) {
    this.#lost = lost;
    const counted: SpanExporter = {
      export: (spans, done) => {
        this.#waiting -= spans.length;
        exporter.export(spans, (result) => {
          // 0 is the SDK's "success".
          if (result.code !== 0) lost(spans.length, result.error);
          done(result);
        });
      },
      shutdown: () => exporter.shutdown(),
    };
    this.#batches = new BatchSpanProcessor(counted, { maxQueueSize: MOST_WAITING });
  }

  onStart(): void {}

  onEnd(span: ReadableSpan): void {
    if (!(span.spanContext().traceFlags & TraceFlags.SAMPLED)) return;
    if (this.#waiting < MOST_WAITING) {
      this.#waiting += 1;
      this.#batches.onEnd(span);
    } else {
      this.#lost(1, new QueueFull());
    }
  }

  forceFlush(): Promise<void> {
    return this.#batches.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#batches.shutdown();
  }
}

/** The collector takes spans more slowly than requests make them. */
class QueueFull extends Error {
  override readonly name = 'QueueFull';
}
