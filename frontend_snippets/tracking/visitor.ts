/** Who the visitor is, and whether they may be tracked. Read anew each time, as tabs share it. */

import { mirrorInCookie, SESSION } from "./cookie";
import { options } from "./options";
import { endPause } from "./outage";
import { attempt } from "./page";
import { forgetQueue } from "./queue";
import { read, remove, write } from "./storage";
import { randomUuid } from "./uuid";

declare global {
  interface Navigator {
    /** https://www.w3.org/TR/gpc/ */
    globalPrivacyControl?: boolean;
  }
}

const CONSENT = "tcs_consent";

/** Not in server-side rendering, where there is no page. */
let isTracking = typeof document === "object";

export function endTracking(): void {
  isTracking = false;
}

/** Tells whether the visitor may be tracked. Without consent all that is kept is forgotten. */
export function canTrack(): boolean {
  if (!isTracking) return false;
  const hasRefused = (read(CONSENT) ?? options.consent) === "false";
  if (!hasRefused && !(options.respectGpc && navigator.globalPrivacyControl)) return true;
  forget();
  return false;
}

/** Remembers the visitor's choice, for all pages of the origin. */
export function rememberConsent(consent: boolean): void {
  if (!consent) forget(); // first, as it makes room in a storage that is full
  write(CONSENT, String(consent));
}

export function session(): string {
  const id = read(SESSION) || randomUuid();
  write(SESSION, id);
  mirrorInCookie(id);
  return id;
}

/** Has the cookie as the options say. With it a session begins before the first event does. */
export function startSession(): void {
  attempt(() => {
    if (!options.cookie) mirrorInCookie();
    else if (canTrack()) session();
  });
}

export function endSession(): void {
  remove(SESSION);
  mirrorInCookie();
  options.email = "";
}

/** Follows another tab that has ended the session or withdrawn consent. */
export function onStorageChange({ key, oldValue, newValue }: Partial<StorageEvent>): void {
  if (key === SESSION && oldValue) options.email = "";
  if (canTrack() && key === SESSION && newValue) mirrorInCookie(newValue);
}

function forget(): void {
  remove(SESSION);
  mirrorInCookie();
  forgetQueue();
  endPause();
}
