// The Dockerfile and the files of deploy/ as data, read once, for tests that judge them and tests that act them out.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { ROOT } from './tree.ts';

/** One instruction: `COPY`, and all that follows it. */
export interface Instruction {
  readonly name: string;
  readonly text: string;
}

/** The Dockerfile, stage by stage, and what the last one says about running it. */
export interface Dockerfile {
  readonly stages: readonly { readonly base: string; readonly name: string; readonly steps: readonly Instruction[] }[];
  readonly user: string;
  readonly workdir: string;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly healthCheck: readonly string[];
}

/** Reads the Dockerfile; what must be in exec form (no shell between the engine and node) throws when it is not. */
export function readDockerfile(): Dockerfile {
  const lines = readFileSync(join(ROOT, 'Dockerfile'), 'utf8')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n');
  const all = lines.flatMap((line) => {
    const [, name = '', text = ''] = /^([A-Z]+) (.*)$/.exec(line) ?? [];
    return name === '' ? [] : [{ name, text }];
  });
  const starts = all.flatMap(({ name }, index) => (name === 'FROM' ? [index] : []));
  const stages = starts.map((start, index) => {
    const [, base = '', name = ''] = /^(\S+)(?: AS (\S+))?$/.exec(all[start]?.text ?? '') ?? [];
    return { base, name, steps: all.slice(start + 1, starts[index + 1]) };
  });
  const last = (name: string): string => stages.at(-1)?.steps.findLast((step) => step.name === name)?.text ?? '';
  return {
    stages,
    user: last('USER'),
    workdir: last('WORKDIR'),
    entrypoint: JSON.parse(last('ENTRYPOINT')),
    command: JSON.parse(last('CMD')),
    healthCheck: JSON.parse(/ CMD (.*)$/.exec(last('HEALTHCHECK'))?.[1] ?? ''),
  };
}

/** What tests ask of a pod. */
export interface PodSpec {
  readonly terminationGracePeriodSeconds: number;
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly containers: readonly {
    readonly args: readonly string[];
    readonly workingDir: string;
    readonly ports: readonly object[];
    readonly lifecycle?: { readonly preStop: { readonly sleep: { readonly seconds: number } } };
    readonly securityContext: object;
    readonly readinessProbe: { readonly httpGet: object };
    readonly livenessProbe: { readonly httpGet: object };
    readonly volumeMounts: readonly {
      readonly name: string;
      readonly mountPath: string;
      readonly readOnly?: boolean;
    }[];
  }[];
  readonly volumes: readonly {
    readonly name: string;
    readonly configMap?: { readonly name: string };
    readonly secret?: { readonly secretName: string; readonly defaultMode: number };
  }[];
}

/** One object of the manifest, as far as tests look into it. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: {
    readonly template?: { readonly spec: PodSpec };
    readonly volumeClaimTemplates?: readonly { readonly metadata: { readonly name: string } }[];
    readonly ingress?: readonly { readonly ports: readonly object[] }[];
  };
}

/** Every object of kubernetes.yaml. */
export function manifest(): KubernetesObject[] {
  const text = readFileSync(join(ROOT, 'deploy/kubernetes.yaml'), 'utf8');
  return parseAllDocuments(text).map((document) => document.toJS());
}

/** The object of this kind and name. */
export function named(kind: string, name: string): KubernetesObject {
  const found = manifest().find((object) => object.kind === kind && object.metadata.name === name);
  if (!found) throw new Error(`kubernetes.yaml has no ${kind} ${name}`);
  return found;
}

/** A file of a ConfigMap. */
export function configText(map: string, file: string): string {
  const text = named('ConfigMap', map).data?.[file];
  if (text === undefined) throw new Error(`the ConfigMap ${map} has no ${file}`);
  return text;
}

/** What tests ask of compose.yaml. */
export interface ComposeFile {
  readonly name: string;
  readonly services: Readonly<
    Record<
      string,
      {
        readonly read_only?: boolean;
        readonly ports?: readonly string[];
        readonly stop_grace_period?: string;
        readonly environment?: Readonly<Record<string, string>>;
        readonly command?: readonly string[];
      }
    >
  >;
}

/** compose.yaml with its anchors resolved. */
export function composeFile(): ComposeFile {
  return parse(readFileSync(join(ROOT, 'deploy/compose.yaml'), 'utf8'), { merge: true });
}
