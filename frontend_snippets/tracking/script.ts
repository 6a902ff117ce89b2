/** What a script tag loads: the tracker, as the global `tcsEvents`. */

import { configure, identify, reset, sessionId, stop, trackEvent } from "../tracking";
import { options, setEndpoint } from "./options";

/** Until this script is there, a line of the page keeps calls in `q`. */
interface Global {
  q?: Array<[name: string, ...args: never[]]>;
}

/** `npm/index.ts` says what pages have in it. Here it is what they have made of it so far. */
type Page = { tcsEvents?: Global };
const OWN_ADDRESS = /^(.*)\/(?:tracker|client)\.js/;

function readTag(): void {
  // A module does not know its own tag.
  const tag = (document.currentScript ??
    [...document.scripts].find(({ src, dataset }) => dataset["endpoint"] ?? OWN_ADDRESS.test(src))) as HTMLScriptElement | undefined;
  const { endpoint, consent, cookie } = tag?.dataset ?? {};
  setEndpoint(endpoint ?? OWN_ADDRESS.exec(tag?.src ?? "")?.[1] ?? options.endpoint);
  options.consent = consent;
  options.cookie = cookie !== undefined && cookie !== "false";
}

const global = ((globalThis as unknown as Page).tcsEvents ??= { q: [] });
const calls = global.q;
// Without `q` it is this script: a second tag loads it again, or a body that was swapped. A worker
// has no page.
if (calls && typeof document === "object") {
  readTag();
  delete global.q;
  const api = { configure, identify, reset, sessionId, stop, trackEvent };
  Object.assign(global, api);
  for (const [name, ...args] of calls) (api as Record<string, (...args: never[]) => void>)[name]?.(...args);
}
