/**
 * Builds `dist/`, which `npm pack` packs: each file as JavaScript, with its types beside it.
 *
 * Each file stays a file of its own, so that "use client" stays at its beginning.
 */

import { execFileSync } from "node:child_process";
import { copyFileSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = join(root, "dist");

rmSync(dist, { recursive: true, force: true });
execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "--project", join(root, "npm")], {
  stdio: "inherit",
});
for (const name of readdirSync(dist, { recursive: true })) {
  if (!/\.(js|ts)$/.test(name)) continue;
  const file = join(dist, name);
  // Node and TypeScript's "nodenext" want the ending, which copies of the source do without.
  const text = readFileSync(file, "utf8").replace(/((?:from|import)\s*\(?\s*"\.{1,2}\/[^"]+?)(?:\.js)?"/g, '$1.js"');
  writeFileSync(file, text);
}
copyFileSync(join(root, "../LICENSE"), join(root, "LICENSE"));
