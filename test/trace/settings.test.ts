// What OpenTelemetry's variables ask for, and what is said of those that cannot be met.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readCollector } from '../../src/trace/settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'purser-trace-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const AT = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' };
const problemsOf = (env: Record<string, string>): readonly string[] => {
  const read = readCollector(env);
  if (read === null || !('problems' in read)) throw new Error(`no problem in ${JSON.stringify(env)}`);
  return read.problems;
};

test('nobody asks for traces', () => {
  for (const env of [
    {},
    { OTEL_SERVICE_NAME: 'x' },
    { OTEL_EXPORTER_OTLP_ENDPOINT: '' },
    { OTEL_EXPORTER_OTLP_ENDPOINT: ' ' },
    { ...AT, OTEL_SDK_DISABLED: 'true' },
    { ...AT, OTEL_TRACES_EXPORTER: 'none' },
  ]) {
    expect(readCollector(env)).toBeNull();
  }
});

test('the general endpoint is a base, that of traces is taken as it stands', () => {
  const url = (env: Record<string, string>) => readCollector(env);
  expect(url(AT)).toEqual({ url: 'http://127.0.0.1:4318/v1/traces', protocol: 'http/protobuf', ca: null });
  expect(url({ OTEL_EXPORTER_OTLP_ENDPOINT: 'https://c.example/otlp/' })).toMatchObject({
    url: 'https://c.example/otlp/v1/traces',
  });
  const own = { ...AT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://t.example/in' };
  expect(url(own)).toMatchObject({ url: 'https://t.example/in' });
  const json = { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json' };
  expect(url({ ...AT, ...json })).toMatchObject({ protocol: 'http/json' });
});

test('certificates are read from the file that is named', () => {
  const pem = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n';
  writeFileSync(join(folder, 'ca.pem'), pem);
  writeFileSync(join(folder, 'other.pem'), 'secret-words');
  const named = (file: string) => ({ ...AT, OTEL_EXPORTER_OTLP_CERTIFICATE: join(folder, file) });
  expect(readCollector(named('ca.pem'))).toMatchObject({ ca: pem });
  for (const file of ['other.pem', 'missing.pem']) {
    expect(problemsOf(named(file))).toEqual([
      'OTEL_EXPORTER_OTLP_CERTIFICATE must name a readable file of PEM certificates',
    ]);
  }
});

test.each([
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' }, /^OTEL_EXPORTER_OTLP_ENDPOINT must be an http or https URL/],
  [
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://h:1/?key=canary' },
    /^OTEL_EXPORTER_OTLP_ENDPOINT must be .* without a query/,
  ],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://u:canary@h:1' }, /must have no user .* OTEL_EXPORTER_OTLP_HEADERS$/],
  [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'x' }, /^OTEL_EXPORTER_OTLP_TRACES_ENDPOINT must be/],
  [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, /^OTEL_EXPORTER_OTLP_PROTOCOL must be .* grpc is not in this version$/],
  [{ OTEL_EXPORTER_OTLP_CLIENT_KEY: '/canary' }, /^OTEL_EXPORTER_OTLP_CLIENT_KEY is not in this version; /],
  [{ OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE: '/canary' }, /^OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE is not/],
  [{ OTEL_EXPORTER_OTLP_COMPRESSION: 'canary' }, /^OTEL_EXPORTER_OTLP_COMPRESSION must be gzip or none$/],
  [{ OTEL_TRACES_SAMPLER: 'canary' }, /^OTEL_TRACES_SAMPLER must be one of always_on, /],
  [{ OTEL_TRACES_SAMPLER: 'traceidratio' }, /^OTEL_TRACES_SAMPLER_ARG must be the share/],
  [{ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '1.5' }, /^OTEL_TRACES_SAMPLER_ARG must be/],
  [{ OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: 'x' }, /^OTEL_TRACES_SAMPLER_ARG must/],
] as const)('%o is one problem, and its value is not quoted', (env, told) => {
  const problems = problemsOf({ ...AT, ...env });
  expect(problems).toEqual([expect.stringMatching(told)]);
  expect(problems.join()).not.toContain('canary');
});
