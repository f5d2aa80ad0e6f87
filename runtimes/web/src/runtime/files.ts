/** The files of the bundle beside the page: fetched once, compared with the hashes of the manifest, cached. */

import type { FileInfo } from "./manifest.ts";

const CACHE = "groupvit";

export type Progress = (what: string, loaded: number, total: number) => void;

export class TamperedFile extends Error {}

/** The contents of a file of the bundle; a copy in the browser's cache is used where its hash is right, too. */
export async function verified(root: URL, file: FileInfo, progress: Progress): Promise<Uint8Array<ArrayBuffer>> {
  const url = new URL(file.path, root);
  const cache = await openCache();
  const kept = await cache?.match(url);
  if (kept !== undefined) {
    const data = new Uint8Array(await kept.arrayBuffer());
    if ((await sha256(data)) === file.sha256) {
      progress(file.path, file.bytes, file.bytes);
      return data;
    }
    await cache?.delete(url);
  }
  const data = await fetched(url, file, progress);
  const found = await sha256(data);
  if (found !== file.sha256) {
    throw new TamperedFile(
      `${file.path} is not the file that was exported: its SHA-256 is ${found.slice(0, 16)}… and should be ` +
        `${file.sha256.slice(0, 16)}…. Copy the folder again from where it was exported.`,
    );
  }
  try {
    await cache?.put(url, new Response(data));
  } catch {
    // A full disk costs the next visit its speed, and this one nothing.
  }
  return data;
}

async function fetched(url: URL, file: FileInfo, progress: Progress): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(url);
  if (!response.ok || response.body === null) {
    throw new Error(`${file.path} could not be read: ${response.status} ${response.statusText}`);
  }
  const data = new Uint8Array(file.bytes);
  let loaded = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (loaded + value.length > file.bytes) throw new TamperedFile(`${file.path} is longer than it was exported`);
    data.set(value, loaded);
    loaded += value.length;
    progress(file.path, loaded, file.bytes);
  }
  if (loaded !== file.bytes) throw new TamperedFile(`${file.path} is shorter than it was exported`);
  return data;
}

async function openCache(): Promise<Cache | null> {
  try {
    return await caches.open(CACHE);
  } catch {
    // Private windows and plain http have none.
    return null;
  }
}

/** Hexadecimal. */
export async function sha256(data: Uint8Array<ArrayBuffer>): Promise<string> {
  if (globalThis.crypto?.subtle === undefined) {
    throw new Error("the browser checks files on https and on localhost only: open the page from one of these");
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
