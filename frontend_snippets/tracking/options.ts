import { attempt } from "./page";

export interface Options {
  /** Where events go. Defaults to where the script came from, else to `/api/events`. */
  endpoint?: string;
  /** Sent with every event from now on, for a visitor who is known. Defaults to none. */
  email?: string | undefined;
  /** Whether a browser that says Global Privacy Control is left alone. Defaults to true. */
  respectGpc?: boolean;
  /**
   * False sends nothing, and forgets the session and what waits. Remembered for all pages and tabs
   * of the origin, until it is set to true. Defaults to true.
   */
  consent?: boolean;
  /**
   * Whether the session is also in the first-party cookie `tcs_session_id`, for the host's server.
   * Only with consent. Without the option, the cookie of an earlier page is removed. Defaults to false.
   */
  cookie?: boolean;
}

export const options = {
  endpoint: "/api/events",
  /** "/" where single events go to the endpoint with a slash at its end. */
  slash: "",
  email: "" as string | undefined,
  respectGpc: true,
  cookie: false,
  /** Of a visitor who has not chosen: "false" where the host waits for a yes. */
  consent: "" as string | undefined,
};

/**
 * Sends events there from now on. The address is made absolute, as it is a part of names in storage,
 * by which two apps of one origin keep their events apart.
 */
export function setEndpoint(address: string): void {
  const absolute = attempt(() => new URL(address, document.baseURI).href) ?? address;
  options.endpoint = absolute.replace(/\/+$/, "");
  options.slash = absolute.slice(options.endpoint.length, options.endpoint.length + 1);
}
