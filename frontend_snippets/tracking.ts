/**
 * Sends what visitors do to `POST /api/events`.
 *
 * Copy this file into a bundled front end and import `trackEvent`, or load its built copy by
 * `<script src="/api/events/tracker.js" defer></script>` and call `tcsEvents.trackEvent`.
 */

/** What an event says beyond its type. Anything that JSON can hold. */
export type Payload = Record<string, unknown>;

const SESSION_KEY = "tcs_session_id";
const SESSION_MAX_LENGTH = 64;
const DEFAULT_ENDPOINT = "/api/events";

const script = typeof document === "undefined" ? null : document.currentScript;

/** The URL the script tag names, without its `/tracker.js`; nothing where a bundler loads us. */
const scriptEndpoint = /^(.+)\/tracker\.js\b/.exec((script as HTMLScriptElement | null)?.src ?? "")?.[1];

/** The session of a page that may store nothing: it lives as long as the page does. */
let sessionInMemory = "";

/**
 * Records an event of the visitor. Call it and go on: it returns nothing, throws nothing and waits
 * for nothing, and the request outlives the page that a click leaves.
 *
 * Does nothing where there is no browser, as in server-side rendering.
 */
export function trackEvent(event_type: string, payload: Payload = {}): void {
  if (typeof document === "undefined") return;
  try {
    void fetch(scriptEndpoint ?? DEFAULT_ENDPOINT, {
      method: "POST",
      keepalive: true,
      // No Content-Type: a string goes as text/plain, which needs no preflight across origins.
      body: JSON.stringify({ event_id: eventId(), event_type, session_id: sessionId(), payload }),
    }).catch(ignore);
  } catch {
    // No fetch, or a payload that is no JSON. The page comes first.
  }
}

/**
 * Sends an event for every click on an element with `data-track-event`, its payload being the JSON
 * in `data-track-payload`. A page that loads us by a script tag has this from the start.
 *
 * Returns its own clean-up.
 */
export function trackClicks(root: Document | HTMLElement = document): () => void {
  // Capturing: a handler of the page that stops the click does not hide it from us.
  root.addEventListener("click", onClick, true);
  return () => root.removeEventListener("click", onClick, true);
}

function onClick({ target }: Event): void {
  const element = target instanceof Element && target.closest("[data-track-event]");
  if (!element) return;
  let payload: Payload = {};
  try {
    payload = JSON.parse(element.getAttribute("data-track-payload") ?? "{}") as Payload;
  } catch {
    // Not JSON: the click happened all the same.
  }
  trackEvent(element.getAttribute("data-track-event") ?? "", payload);
}

/** The visitor's session, made on the first visit and kept in `localStorage`. */
function sessionId(): string {
  try {
    const stored = localStorage.getItem(SESSION_KEY);
    if (stored && stored.length <= SESSION_MAX_LENGTH) return stored;
    localStorage.setItem(SESSION_KEY, (sessionInMemory ||= uuid4()));
  } catch {
    // Storage is denied or full.
  }
  return (sessionInMemory ||= uuid4());
}

/**
 * A version 7 UUID, which begins with the time: RFC 9562, section 5.7. Ids that come in order are
 * neighbours in the database's index, and cost it less.
 */
function eventId(): string {
  const time = Date.now().toString(16).padStart(12, "0");
  return time.slice(0, 8) + "-" + time.slice(8) + "-7" + uuid4().slice(15);
}

/** A version 4 UUID, which is random: RFC 9562, section 5.4. */
function uuid4(): string {
  // Browsers offer randomUUID on https and localhost only.
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => (byte + 256).toString(16).slice(1)).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

function ignore(): void {}

if (scriptEndpoint) trackClicks();
