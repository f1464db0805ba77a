// Volumes as Kubernetes makes them on disk: files behind a `..data` link that is swapped, root's, readable for the
// pod's group; and a claim that the group may write.
import { randomUUID } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newFolder } from './tree.ts';

/** A mounted ConfigMap or Secret. */
export interface ProjectedVolume {
  readonly folder: string;
  /** What the kubelet does when the object has changed: everything at once, by one rename. */
  update(files: Readonly<Record<string, string>>): void;
}

/** Files of this mode, root's and of this group. */
export function projectedVolume(
  files: Readonly<Record<string, string>>,
  options: { readonly mode: number; readonly group: number },
): ProjectedVolume {
  const folder = newFolder('volume');
  chownSync(folder, 0, options.group);
  chmodSync(folder, 0o3777);
  const lay = (content: Readonly<Record<string, string>>): string => {
    const stamp = `..2026_${randomUUID()}`;
    mkdirSync(join(folder, stamp));
    chownSync(join(folder, stamp), 0, options.group);
    chmodSync(join(folder, stamp), 0o2755);
    for (const [name, text] of Object.entries(content)) {
      const path = join(folder, stamp, name);
      writeFileSync(path, text);
      chownSync(path, 0, options.group);
      chmodSync(path, options.mode);
    }
    return stamp;
  };
  symlinkSync(lay(files), join(folder, '..data'));
  for (const name of Object.keys(files)) symlinkSync(`..data/${name}`, join(folder, name));
  return {
    folder,
    update(content) {
      const old = readlinkSync(join(folder, '..data'));
      symlinkSync(lay(content), join(folder, '..data_tmp'));
      renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
      rmSync(join(folder, old), { recursive: true });
    },
  };
}

/** An empty claim of a pod with this `fsGroup`: root's, and the group may do everything in it. */
export function claimedVolume(group: number): string {
  const folder = newFolder('claim');
  chownSync(folder, 0, group);
  chmodSync(folder, 0o2770);
  return folder;
}
