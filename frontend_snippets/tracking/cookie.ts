/** The session in a cookie, where the host wants its own server to know it. */

import { options } from "./options";
import { attempt } from "./page";

/** The name of the session: of the cookie, and in storage. */
export const SESSION = "tcs_session_id";
/** Each event and each page begins the year anew. */
const YEAR_S = 31_536_000;

/** Keeps the cookie as the session is. There is none without a session, or without the option. */
export function mirrorInCookie(session = ""): void {
  attempt(() => {
    const seconds = session && options.cookie ? YEAR_S : 0;
    // A host that wants no cookie should see none set, not even one that ends at once.
    if (!seconds && !document.cookie.includes(SESSION)) return;
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `${SESSION}=${encodeURIComponent(session)}; Path=/; SameSite=Lax; Max-Age=${seconds}${secure}`;
  });
}
