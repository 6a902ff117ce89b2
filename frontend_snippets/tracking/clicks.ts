/** Records what visitors do with the elements of a page that have `data-track-event`. */

import { attempt, listen } from "./page";
import { canTrack } from "./visitor";

type Callback = (event_type: string, payload: unknown) => void;

/** On the event itself, so that another copy of this file sees it, too. */
const IS_TRACKED = Symbol.for("tcs_events");
const MIDDLE_BUTTON = 1;

type Act = Event & { [IS_TRACKED]?: boolean; button?: number };

/** Whether Enter is held down: the browser clicks and submits again and again. */
let isEnterHeld = false;

/** Calls back for each act on a marked element. */
export function trackClicks(callback: Callback): void {
  listen(["keydown", "keyup", "pointerdown"], ({ key, repeat }: Partial<KeyboardEvent>) => {
    isEnterHeld = key === "Enter" && !!repeat;
  });
  listen(["click", "auxclick", "submit"], (act: Act) => {
    // The path shows what is inside of a shadow root; the target does not.
    const path = act.composedPath() as HTMLElement[];
    const element = path.find(({ dataset }) => dataset?.["trackEvent"]);
    if (!element || act[IS_TRACKED] || isEnterHeld || !isActOn(element, act, path[0]!) || !canTrack()) return;
    act[IS_TRACKED] = true;
    const { trackEvent, trackPayload } = element.dataset;
    // A payload that is not JSON is left out: the visitor has acted all the same.
    callback(trackEvent!, attempt(() => JSON.parse(trackPayload!) as unknown));
  });
}

function isActOn(element: HTMLElement, { type, button }: Act, target: HTMLElement): boolean {
  // A form is submitted. A click into one of its fields is no act on the form.
  if (element.tagName === "FORM") return type === "submit";
  // A click on a label is followed by one on its field, which is the one that counts.
  const field = target.closest?.("label")?.control;
  if (field && field !== target && element.contains(field)) return false;
  // The middle button opens a link in a new tab, and makes no `click`.
  return type === "click" || button === MIDDLE_BUTTON;
}
