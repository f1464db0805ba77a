// Acts out the Dockerfile where no engine can: each stage is a folder, RUN happens in a root of its own made of this
// machine's programs, and the last stage is run as an engine would, with its root read-only and its user, and node as
// process 1. Needs root, and a kernel that lets it mount.
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Dockerfile, type Instruction, readDockerfile } from './deployment.ts';
import { copyTree, newFolder } from './tree.ts';

/** Can this process make mounts of its own? */
export const canMount = (() => {
  try {
    execFileSync('unshare', ['--mount', 'true'], { stdio: 'ignore' });
    return process.getuid?.() === 0;
  } catch {
    return false;
  }
})();

/** An image: a root folder and how to run what is in it. */
export interface Image {
  readonly root: string;
  readonly file: Dockerfile;
}

/** Carries out every instruction of the Dockerfile. */
export async function buildImage(): Promise<Image> {
  const file = readDockerfile();
  const context = copyTree('context', 'none');
  const roots = new Map<string, string>();
  let root = '';
  for (const stage of file.stages) {
    root = newFolder('stage');
    // mkdtemp makes 0700; a root is open to all.
    chmodSync(root, 0o755);
    if (stage.base.startsWith('node:')) layNode(root);
    else if (stage.base.startsWith('gcr.io/distroless/cc-')) layLibraries(root);
    else throw new Error(`no stand-in for the base ${stage.base}`);
    await carryOut(stage.steps, { root, context, roots });
    roots.set(stage.name, root);
  }
  return { root, file };
}

interface Place {
  readonly root: string;
  readonly context: string;
  readonly roots: ReadonlyMap<string, string>;
}

async function carryOut(steps: readonly Instruction[], place: Place): Promise<void> {
  let workdir = '/';
  for (const { name, text } of steps) {
    if (name === 'WORKDIR') {
      workdir = text;
      mkdirSync(join(place.root, workdir), { recursive: true });
    } else if (name === 'COPY') copy(text, workdir, place);
    else if (name === 'RUN') await runStep(text, workdir, place.root);
    else if (!['USER', 'EXPOSE', 'HEALTHCHECK', 'ENTRYPOINT', 'CMD'].includes(name))
      throw new Error(`what is ${name}?`);
  }
}

function copy(text: string, workdir: string, { root, context, roots }: Place): void {
  const words = text.split(' ');
  const flags = new Map(words.filter((word) => word.startsWith('--')).map((word) => split(word.slice(2))));
  const paths = words.filter((word) => !word.startsWith('--'));
  const to = paths.at(-1) ?? '';
  const from = flags.get('from');
  const origin = from === undefined ? context : (roots.get(from) ?? '');
  for (const path of paths.slice(0, -1)) {
    const target = join(root, resolve(workdir, to), to.endsWith('./') || to === './' ? path : '');
    mkdirSync(dirname(target), { recursive: true });
    cpSync(join(origin, path), target, { recursive: true, verbatimSymlinks: true });
    const [uid = 0, gid = 0] = (flags.get('chown') ?? '0:0').split(':').map(Number);
    chownSync(target, uid, gid);
    const mode = flags.get('chmod');
    if (mode !== undefined) chmodSync(target, Number.parseInt(mode, 8));
  }
}

const split = (flag: string): [string, string] => [flag.split('=')[0] ?? '', flag.split('=')[1] ?? ''];

/** The base of the build: node where its image has it. Programs come from this machine while a step runs. */
function layNode(root: string): void {
  mkdirSync(join(root, 'usr/local/bin'), { recursive: true });
  copyFileSync(realpathSync(process.execPath), join(root, 'usr/local/bin/node'));
}

/** The base of the result: the libraries of C and C++ that node is linked to, a /tmp, and nothing else. */
function layLibraries(root: string): void {
  const linked = execFileSync('ldd', [realpathSync(process.execPath)], { encoding: 'utf8' });
  for (const [path] of linked.matchAll(/\/[^ )\n]+/g)) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    copyFileSync(path, join(root, path));
  }
  for (const folder of ['tmp', 'proc', 'dev']) mkdirSync(join(root, folder));
}

const run = promisify(execFile);

async function runStep(text: string, workdir: string, root: string): Promise<void> {
  const borrowed = ['usr', 'bin', 'lib', 'lib64', 'etc', 'dev', 'proc', 'root'].filter((name) =>
    existsSync(`/${name}`),
  );
  const script = [
    'set -e',
    'cp "$0/usr/local/bin/node" "$0/.node-of-the-base"',
    ...borrowed.map((name) => `mkdir -p "$0/${name}"; mount --rbind /${name} "$0/${name}"`),
    'mount --bind "$0/.node-of-the-base" "$0$(realpath "$(command -v node)")"',
    'mkdir -p "$0/tmp"; exec chroot "$0" sh -c "$1"',
  ].join('\n');
  const args = ['--mount', 'sh', '-c', script, root, `cd ${workdir} && ${text}`];
  await run('unshare', args, { env: { ...process.env, PATH: '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin' } });
}

/** Inside the container as engines set it. */
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** A folder or file of the machine in the container. */
export interface Mount {
  readonly from: string;
  readonly to: string;
  readonly readOnly: boolean;
}

/** How a container is run. */
export interface ContainerOptions {
  readonly mounts: readonly Mount[];
  readonly args?: readonly string[];
  readonly workdir?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A running container. */
export interface Container {
  readonly supervisor: ChildProcess;
  /** Resolves with the exit code of process 1. */
  readonly ended: Promise<number | null>;
  output(): string;
  /** What the kernel says of process 1. */
  status(): string;
  /** Another program in it, with the same root, user and working folder; resolves with its exit code and output. */
  exec(program: readonly string[]): Promise<{ code: number; output: string }>;
  /** Sends the signal to process 1 and resolves with its exit code. */
  stop(signal: NodeJS.Signals): Promise<number | null>;
}

/** Runs the image: read-only root, a /tmp in memory, the image's user without any capability, node as process 1. */
export function runContainer(image: Image, options: ContainerOptions): Container {
  const { entrypoint, command, workdir } = image.file;
  const program = [...entrypoint, ...(options.args ?? command)];
  const inside = insideScript(image, options.workdir ?? workdir);
  const script = [
    'set -e; cd /',
    'mount --make-rprivate /; mount --bind "$0" "$0"; mount -o remount,bind,ro "$0"',
    'mount -t tmpfs tmpfs "$0/tmp"; mount -t proc proc "$0/proc"; mount --bind /dev "$0/dev"',
    ...options.mounts.map(({ from, to, readOnly }) => mountLine(from, to, readOnly)),
    inside,
  ].join('\n');
  // The mount points are made as engines make them: before the root becomes read-only.
  for (const { from, to } of options.mounts) layMountPoint(from, join(image.root, to));
  const args = ['--mount', '--pid', '--fork', '--kill-child', 'sh', '-c', script, image.root, ...program];
  const supervisor = spawn('unshare', args, { env: { PATH, ...options.env } });
  let output = '';
  for (const stream of [supervisor.stdout, supervisor.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk;
    });
  }
  const ended = new Promise<number | null>((done) => supervisor.once('close', done));
  return {
    supervisor,
    ended,
    output: () => output,
    status: () => readFileSync(`/proc/${processOne(supervisor)}/status`, 'utf8'),
    exec: (words) => execInside(processOne(supervisor), words),
    async stop(signal) {
      process.kill(processOne(supervisor), signal);
      return ended;
    },
  };
}

function layMountPoint(from: string, at: string): void {
  if (existsSync(at)) return;
  mkdirSync(statSync(from).isDirectory() ? at : dirname(at), { recursive: true });
  if (!existsSync(at)) writeFileSync(at, '');
}

function mountLine(from: string, to: string, readOnly: boolean): string {
  const bind = `mount --bind '${from}' "$0${to}"`;
  return readOnly ? `${bind}; mount -o remount,bind,ro "$0${to}"` : bind;
}

/** The last step into the container: root, working folder, user, and no way back to privileges. */
function insideScript(image: Image, workdir: string): string {
  const [uid, gid] = image.file.user.split(':');
  return `exec setpriv --no-new-privs unshare --root="$0" --wd='${workdir}' --setgid=${gid} --setuid=${uid} "$@"`;
}

function processOne(supervisor: ChildProcess): number {
  const { pid } = supervisor;
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim());
}

async function execInside(pid: number, program: readonly string[]): Promise<{ code: number; output: string }> {
  const own = readFileSync(`/proc/${pid}/status`, 'utf8');
  const id = (name: string): string => new RegExp(`^${name}:\\t(\\d+)`, 'm').exec(own)?.[1] ?? '';
  const user = ['--setuid', id('Uid'), '--setgid', id('Gid')];
  const args = ['--target', String(pid), '--mount', '--pid', '--root', '--wd', ...user, ...program];
  return new Promise((done) => {
    execFile('nsenter', args, { env: { PATH } }, (error, stdout, stderr) => {
      done({ code: error ? Number(error.code) : 0, output: `${stdout}${stderr}` });
    });
  });
}

/** Asks until the answer is `wanted`; throws with what the container said when it never is. */
export async function until(what: () => Promise<boolean>, container: Container): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    if (await what().catch(() => false)) return;
    if (container.supervisor.exitCode !== null) break;
    await sleep(50);
  }
  throw new Error(`it did not come to be; the container said:\n${container.output()}`);
}
