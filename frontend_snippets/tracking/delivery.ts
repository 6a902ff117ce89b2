/**
 * Sends each event at once. What could not be stored waits: after a pause one event finds out
 * whether the server is back, and then all the others go together.
 */

import { options } from "./options";
import { ANSWER_MS, cutPause, endPause, pause, pauseAfterFailure, pauseLeftMs } from "./outage";
import { listen, warn } from "./page";
import { drop, keep, waitingEvents, type Waiting } from "./queue";
import { canTrack } from "./visitor";

/** After these answers of ours an event is not sent again. */
const FINAL = [202, 400, 413, 415, 422];

/** What the server says of a request. */
interface Answer {
  errors?: unknown;
  /** Of a batch: what was refused, by the place in it. */
  rejected?: Array<{ index: number; errors: unknown }>;
}

let timer: ReturnType<typeof setTimeout> | undefined;
/** Whether a batch has failed: its way may be closed, or its size be too much for the server. */
let isSingly = false;

/** Keeps an event until the server has it, and sends it now unless the server needs a rest. */
export function deliver(id: string, json: string): void {
  if (keep(id, json) && pauseLeftMs() !== undefined) flush();
  else void send([JSON.parse(json) as Waiting]);
}

/**
 * Sends what waits, as soon as that makes sense. There is a timer only while something waits.
 *
 * Without `isBack` one event goes first, to find out whether the server is back.
 */
export function flush(isBack = false): void {
  clearTimeout(timer);
  if (!canTrack()) return;
  const waiting = waitingEvents();
  const [first] = waiting;
  if (!first) return endPause();
  // What is new may be on its way, from this page or another.
  const ms = pauseLeftMs() ?? ANSWER_MS - Math.abs(Date.now() - first.at);
  if (ms > 0) {
    // At a random moment, so that neither visitors nor tabs come back all at once.
    timer = setTimeout(flush, ms * (1 + Math.random() / 2));
  } else {
    pause(ANSWER_MS);
    const events = waiting.filter((event) => event.event_type && isBack && !isSingly);
    void send(events[1] ? events : [first], true);
  }
}

/** Takes each occasion that a page has to send. */
export function flushOnOccasions(): void {
  listen(["online"], cutPause);
  listen(["online", "pagehide", "visibilitychange"], () => flush());
}

async function send(group: Waiting[], isProbe = false): Promise<void> {
  let response: Response | undefined;
  let isStored = false;
  try {
    response = await post(group);
    const answer = await finalAnswer(response, group.length);
    group.forEach(drop);
    isStored = true;
    cutPause();
    // The developer should see it: most of the time it is a misspelt type.
    for (const { index, errors } of answer.rejected ?? [{ index: 0, ...answer }])
      if (errors) warn("refused:", group[index]?.event_type, JSON.stringify(errors));
  } catch (error) {
    warn("waiting for", options.endpoint, error);
    isSingly ||= !!group[1];
    // Of several that fail together, the first one counts.
    if (isProbe || !pauseLeftMs()) pauseAfterFailure(Number(response?.headers.get("Retry-After")));
  }
  flush(isStored);
}

function post(group: Waiting[]): Promise<Response> {
  const events = group.map(({ at, ...event }) => ({
    ...event,
    // A clock that was set back makes the event of now, not of the future.
    age_ms: Math.max(0, Date.now() - at),
  }));
  const [event, second] = events;
  return fetch(options.endpoint + (second ? "/batch" : event!.event_type ? options.slash : "/identify"), {
    method: "POST",
    keepalive: true, // so that it outlives the page
    // No Content-Type: a string goes as text/plain, which needs no preflight across origins.
    body: JSON.stringify(second ? { events } : event),
    signal: AbortSignal.timeout?.(ANSWER_MS),
  });
}

/**
 * Returns what the server says.
 *
 * Throws the status where that is not its last word, or where it is not ours but that of a proxy, a
 * login page or a firewall: ours have the header.
 */
async function finalAnswer(response: Response, events: number): Promise<Answer> {
  const { status, headers, url } = response;
  // nginx with `location /api/events/` redirects there, and the browser follows with a GET.
  if (status === 405 && url.endsWith("/")) options.slash = "/";
  if (!headers.get("X-TCS-Events") || !FINAL.includes(status)) throw status;
  const answer = (await response.json().catch(() => ({}))) as Answer;
  // A batch that is refused as a whole, for its size say, tells nothing of its events.
  if (events > 1 && !answer.rejected) throw status;
  return answer;
}
