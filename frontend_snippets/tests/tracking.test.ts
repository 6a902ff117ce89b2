// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CookieJar } from "./cookieJar";

const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const NOW = new Date("2026-03-01T09:30:00Z");
const ADA = { expert_id: "ada", context: "grid" } as const;

type Tracker = typeof import("../tracking");
type Sent = Record<string, unknown> & { event_id: string; age_ms: number };
type Answer = { accepted?: number; duplicates?: number; rejected?: object[]; errors?: object };

const pages: Tracker[] = [];
let fetched: ReturnType<typeof vi.fn>;
let tracker: Tracker;

/** A page that is loaded now. Nothing of an earlier one is left in memory. */
async function openPage(): Promise<Tracker> {
  vi.resetModules();
  const page = await import("../tracking");
  pages.push(page);
  return page;
}

/** The page is gone: no timer of it runs any more. */
function closePage(page: Tracker): void {
  page.stop();
}

/** The endpoint answers so from now on. */
function answerWith(status: number, headers: Record<string, string> = {}, body: Answer = {}): void {
  answerInstead(status, { "X-TCS-Events": "1", ...headers }, JSON.stringify(body));
}

/** Somebody else answers in its place: a proxy, a login page, a firewall. */
function answerInstead(status: number, headers: Record<string, string> = {}, body = ""): void {
  fetched.mockImplementation(() => Promise.resolve(new Response(body, { status, headers })));
}

/** The endpoint stores what it is sent, one or many, from now on. */
function storeAll(): void {
  fetched.mockImplementation((_url: string, { body }: { body: string }) => {
    const batch = (JSON.parse(body) as { events?: unknown[] }).events;
    const answer = batch ? { accepted: batch.length, duplicates: 0, rejected: [] } : { status: "accepted" };
    const headers = { "X-TCS-Events": "1" };
    return Promise.resolve(new Response(JSON.stringify(answer), { status: 202, headers }));
  });
}

function goOffline(): void {
  fetched.mockImplementation(() => Promise.reject(new TypeError("Failed to fetch")));
}

/** The bodies that went out, in order. */
function bodies(): Array<Sent & { events?: Sent[] }> {
  return fetched.mock.calls.map(([, init]) => JSON.parse((init as RequestInit).body as string));
}

/** The events that went out, in order, whether alone or together. */
function sent(): Sent[] {
  return bodies().flatMap((body) => body.events ?? body);
}

/** The addresses that were posted to, in order. */
function addresses(): string[] {
  return fetched.mock.calls.map(([url]) => url as string);
}

function warnings(): string[] {
  return vi.mocked(console.warn).mock.calls.map((message) => message.map(String).join(" "));
}

function queued(): string[] {
  return Object.keys(localStorage).filter((key) => key.startsWith("tcs_e_"));
}

const seconds = (count: number) => vi.advanceTimersByTimeAsync(count * 1000);

beforeEach(async () => {
  vi.useFakeTimers({ now: NOW });
  vi.spyOn(Math, "random").mockReturnValue(0);
  vi.spyOn(console, "warn").mockReturnValue();
  fetched = vi.fn();
  storeAll();
  vi.stubGlobal("fetch", fetched);
  localStorage.clear();
  document.body.innerHTML = "";
  tracker = await openPage();
});

afterEach(() => {
  pages.splice(0).forEach(closePage);
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe("trackEvent", () => {
  it("posts the event at once, so that the request outlives the page", () => {
    expect(tracker.trackEvent("card_click", ADA)).toBeUndefined();

    const [url, init] = fetched.mock.calls[0] as [string, RequestInit];
    expect(url).toBe("/api/events");
    expect(init).toMatchObject({ method: "POST", keepalive: true });
    expect(init.headers).toBeUndefined(); // text/plain: no preflight across origins
    expect(sent()[0]).toEqual({
      event_id: expect.stringMatching(UUID_V7),
      event_type: "card_click",
      session_id: localStorage.getItem("tcs_session_id"),
      payload: ADA,
      age_ms: 0,
    });
  });

  it("gives every event an id of its own and all events of a visitor one session", () => {
    tracker.trackEvent("card_click", ADA);
    tracker.trackEvent("card_click", ADA);
    const [first, second] = sent();
    expect(first!.event_id).not.toBe(second!.event_id);
    expect(first!["session_id"]).toMatch(UUID_V4);
    expect(first!["session_id"]).toBe(second!["session_id"]);
  });

  it("keeps the session of an earlier visit", () => {
    localStorage.setItem("tcs_session_id", "from last week");
    tracker.trackEvent("card_click", ADA);
    expect(sent()[0]).toMatchObject({ session_id: "from last week" });
  });

  it("gives later events later ids, for the index they go into", () => {
    tracker.trackEvent("card_click", ADA);
    vi.advanceTimersByTime(1);
    tracker.trackEvent("card_click", ADA);
    const [first, second] = sent().map((event) => event.event_id);
    expect(first! < second!).toBe(true);
    expect(parseInt(first!.replace("-", "").slice(0, 12), 16)).toBe(NOW.getTime());
  });

  it("makes good UUIDs on plain http, where there is no randomUUID", () => {
    const { getRandomValues } = crypto;
    vi.stubGlobal("crypto", { getRandomValues: getRandomValues.bind(crypto) });
    for (let i = 0; i < 40; i++) tracker.trackEvent("card_click", ADA);
    const ids = sent().map((event) => event.event_id);
    for (const id of ids) expect(id).toMatch(UUID_V7);
    expect(new Set(ids).size).toBe(40);
    expect(sent()[0]!["session_id"]).toMatch(UUID_V4);
  });

  it("throws nothing into the page, whatever is missing or broken", async () => {
    fetched.mockImplementationOnce(() => {
      throw new TypeError("blocked");
    });
    tracker.trackEvent("card_click", ADA);
    goOffline();
    tracker.trackEvent("card_click", ADA);
    vi.stubGlobal("fetch", undefined);
    await seconds(20);
    tracker.trackEvent("card_click", ADA);
    vi.stubGlobal("crypto", undefined);
    tracker.trackEvent("card_click", ADA);
    // A rejection that nobody handles fails the run: vitest watches for it.
    await seconds(1);
  });
});

describe("answers", () => {
  it("forgets an event once the server has it", async () => {
    tracker.trackEvent("card_click", ADA);
    expect(queued()).toHaveLength(1);
    await seconds(0);
    expect(queued()).toHaveLength(0);
    await seconds(600);
    expect(sent()).toHaveLength(1);
    expect(warnings()).toEqual([]);
  });

  it.each([400, 413, 415, 422])("drops an event that the endpoint answers %i, and says so", async (status) => {
    answerWith(status, {}, { errors: { event_type: ["Must be one of: card_click."] } });
    tracker.trackEvent("card_click", ADA);
    await seconds(600);
    expect(sent()).toHaveLength(1);
    expect(queued()).toHaveLength(0);
    expect(warnings()).toEqual([
      'tcs_events: refused: card_click {"event_type":["Must be one of: card_click."]}',
    ]);
  });

  it.each([200, 204, 302, 401, 403, 404, 405, 408, 409, 421, 425, 429, 451, 500, 502, 503, 504])(
    "sends an event again that the endpoint answers %i, with the same id",
    async (status) => {
      const body = status === 204 ? null : "";
      const headers = { "X-TCS-Events": "1" };
      fetched.mockImplementationOnce(() => Promise.resolve(new Response(body, { status, headers })));
      tracker.trackEvent("card_click", ADA);
      await seconds(60);
      const [first, again] = sent();
      expect(again).toEqual({ ...first, age_ms: again!.age_ms });
      expect(sent()).toHaveLength(2);
      expect(queued()).toHaveLength(0);
    },
  );

  it.each([200, 202, 302, 400, 401, 403, 404, 405, 408, 413, 415, 421, 422, 425, 429, 451, 500, 502])(
    "sends an event again that somebody else answers %i in place of the endpoint, and says so",
    async (status) => {
      answerInstead(status, {}, "<h1>Log in</h1>");
      tracker.trackEvent("card_click", ADA);
      await seconds(1);
      expect(queued()).toHaveLength(1);
      expect(warnings()).toEqual([`tcs_events: waiting for /api/events ${status}`]);
      storeAll();
      await seconds(60);
      const [first, again] = sent();
      expect(again).toEqual({ ...first, age_ms: again!.age_ms });
      expect(sent()).toHaveLength(2);
      expect(queued()).toHaveLength(0);
    },
  );

  it("finds the address with a slash, where a proxy redirects there and makes a GET of it", async () => {
    fetched.mockImplementation((url: string) => {
      const isFound = url.endsWith("/");
      const headers = { "X-TCS-Events": "1" };
      const response = new Response("{}", { status: isFound ? 202 : 405, headers });
      Object.defineProperty(response, "url", { value: isFound ? url : `${url}/` });
      return Promise.resolve(response);
    });
    tracker.trackEvent("card_click", ADA);
    await seconds(5);
    expect(addresses()).toEqual(["/api/events", "/api/events/"]);
    expect(queued()).toHaveLength(0);
  });
});

describe("an outage", () => {
  it("gives the server the time that it asks for, and not more than half of it again", async () => {
    answerWith(503, { "Retry-After": "2" });
    tracker.trackEvent("card_click", ADA);
    await seconds(1.9);
    expect(sent()).toHaveLength(1);
    storeAll();
    await seconds(0.2);
    expect(sent()).toHaveLength(2);
    expect(queued()).toHaveLength(0);
  });

  it("comes back at a random moment, not with all the other visitors", async () => {
    vi.mocked(Math.random).mockReturnValue(0.99);
    answerWith(503, { "Retry-After": "30" });
    tracker.trackEvent("card_click", ADA);
    await seconds(44);
    expect(sent()).toHaveLength(1);
    await seconds(1);
    expect(sent()).toHaveLength(2);
  });

  it("waits twice as long after each failure, up to five minutes", async () => {
    const times: number[] = [];
    fetched.mockImplementation(() => {
      times.push(Date.now());
      return Promise.reject(new TypeError("Failed to fetch"));
    });
    tracker.trackEvent("card_click", ADA);
    await seconds(3600);
    const waits = times.slice(1).map((time, index) => (time - times[index]!) / 1000);
    expect(waits.slice(0, 9)).toEqual([2, 4, 8, 16, 32, 64, 128, 256, 300]);
    expect(new Set(waits.slice(9))).toEqual(new Set([300]));
  });

  it("does not believe a server that asks for a day, or in words", async () => {
    answerWith(503, { "Retry-After": "86400" });
    tracker.trackEvent("card_click", ADA);
    await seconds(1);
    storeAll();
    await seconds(300);
    expect(queued()).toHaveLength(0);
    answerWith(503, { "Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT" });
    tracker.trackEvent("card_click", ADA);
    await seconds(1);
    storeAll();
    await seconds(2);
    expect(queued()).toHaveLength(0);
  });

  it("counts events that fail together as one failure", async () => {
    goOffline();
    for (let i = 0; i < 20; i++) tracker.trackEvent("card_click", ADA);
    await seconds(1);
    storeAll();
    await seconds(1);
    expect(queued()).toHaveLength(0);
  });

  it("has one event find out whether the server is back, and sends all the others by /batch", async () => {
    answerWith(503, { "Retry-After": "5" });
    for (let i = 0; i < 5; i++) {
      tracker.trackEvent("card_click", ADA);
      await seconds(0.1);
    }
    expect(addresses()).toEqual(["/api/events"]); // the others were not even tried
    await seconds(5);
    expect(addresses()).toHaveLength(2);
    storeAll();
    await seconds(5);
    expect(addresses().slice(2)).toEqual(["/api/events", "/api/events/batch"]);
    expect(bodies().at(-1)!.events).toHaveLength(4);
    expect(new Set(sent().map((event) => event.event_id)).size).toBe(5);
    expect(queued()).toHaveLength(0);
  });

  it("goes on in the next page, however many pages are turned", async () => {
    answerWith(502);
    for (let page = 0; page < 80; page++) {
      const { trackEvent, stop } = await openPage();
      trackEvent("card_click", ADA);
      await seconds(0.5);
      stop();
    }
    // At 0, 2, 6, 14 and 30 seconds.
    expect(fetched.mock.calls.length).toBeLessThanOrEqual(6);
    storeAll();
    await openPage();
    await seconds(60);
    expect(queued()).toHaveLength(0);
  });

  it("is shared by tabs: one of them finds out", async () => {
    answerWith(502);
    const other = await openPage();
    tracker.trackEvent("card_click", ADA);
    await seconds(0.1);
    other.trackEvent("card_click", ADA);
    fetched.mockClear();
    await seconds(29);
    expect(fetched.mock.calls.length).toBe(3); // at 2, 6 and 14 seconds
    storeAll();
    await seconds(60);
    expect(queued()).toHaveLength(0);
  });

  it("sends single events where something in between does not let batches through", async () => {
    goOffline();
    for (let i = 0; i < 4; i++) tracker.trackEvent("card_click", ADA);
    await seconds(1);
    fetched.mockImplementation((url: string) => {
      const isBatch = url.endsWith("/batch");
      const headers = isBatch ? undefined : { "X-TCS-Events": "1" };
      return Promise.resolve(new Response("{}", { status: isBatch ? 404 : 202, headers: headers ?? {} }));
    });
    await seconds(30);
    expect(queued()).toHaveLength(0);
    expect(addresses().filter((address) => address.endsWith("/batch"))).toHaveLength(1);
  });

  it.each([413, 422])("sends single events where a batch is refused as a whole with %i", async (status) => {
    goOffline();
    for (let i = 0; i < 4; i++) tracker.trackEvent("card_click", ADA);
    await seconds(1);
    fetched.mockImplementation((url: string) => {
      const isBatch = url.endsWith("/batch");
      const body = JSON.stringify(isBatch ? { errors: { events: ["Must be 1 to 2 events, not 3."] } } : {});
      const headers = { "X-TCS-Events": "1" };
      return Promise.resolve(new Response(body, { status: isBatch ? status : 202, headers }));
    });
    await seconds(30);
    expect(queued()).toHaveLength(0);
    expect(new Set(sent().map((event) => event.event_id)).size).toBe(4);
  });

  it("says which events of a batch were refused", async () => {
    goOffline();
    for (let i = 0; i < 3; i++) tracker.trackEvent("card_click", ADA);
    await seconds(1);
    vi.mocked(console.warn).mockClear();
    const rejected = [{ index: 1, errors: { payload: ["Too long."] } }];
    answerWith(202, {}, { accepted: 1, duplicates: 0, rejected });
    const one = new Response("{}", { status: 202, headers: { "X-TCS-Events": "1" } });
    fetched.mockImplementationOnce(() => Promise.resolve(one));
    await seconds(10);
    expect(warnings()).toEqual(['tcs_events: refused: card_click {"payload":["Too long."]}']);
    expect(queued()).toHaveLength(0);
  });

  it("does not wait any longer when the browser is online again", async () => {
    answerWith(503, { "Retry-After": "300" });
    tracker.trackEvent("card_click", ADA);
    await seconds(1);
    storeAll();
    window.dispatchEvent(new Event("online"));
    await seconds(0);
    expect(queued()).toHaveLength(0);
  });

  it("runs a timer only while something waits", async () => {
    await seconds(60);
    expect(vi.getTimerCount()).toBe(0);
    tracker.trackEvent("card_click", ADA);
    await seconds(0);
    expect(vi.getTimerCount()).toBe(0);
    goOffline();
    tracker.trackEvent("card_click", ADA);
    await seconds(0);
    expect(vi.getTimerCount()).toBe(1);
    storeAll();
    await seconds(10);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("the queue", () => {
  /** An event that an earlier page has left. */
  function left(age = 60_000): { key: string; value: string } {
    const at = Date.now() - age;
    const time = at.toString(16).padStart(12, "0");
    const event_id = `${time.slice(0, 8)}-${time.slice(8)}-7000-a000-000000000000`;
    const event = { event_type: "card_click", payload: ADA, event_id, session_id: "s", at };
    return { key: `tcs_e_/api/events ${event_id}`, value: JSON.stringify(event) };
  }

  it.each(["pagehide", "visibilitychange"])("sends what is waiting on %s", (type) => {
    const { key, value } = left();
    localStorage.setItem(key, value);
    window.dispatchEvent(new Event(type));
    expect(sent()).toHaveLength(1);
  });

  it("sends what an earlier page has left, and nothing of it twice", async () => {
    const { key, value } = left();
    localStorage.setItem(key, value);
    await openPage();
    await seconds(0);
    expect(sent()).toMatchObject([{ session_id: "s", age_ms: 60_000 }]);
    await seconds(60);
    expect(sent()).toHaveLength(1);
  });

  it("sends what an earlier page has left only just, once that page must have its answer", async () => {
    const { key, value } = left(4_000);
    localStorage.setItem(key, value);
    await openPage();
    await seconds(5.9);
    expect(sent()).toHaveLength(0);
    await seconds(0.2);
    expect(sent()).toHaveLength(1);
  });

  it("leaves an event to the tab that is sending it", async () => {
    fetched.mockImplementation(() => new Promise(() => {})); // on its way
    tracker.trackEvent("card_click", ADA);
    const other = await openPage();
    other.trackEvent("card_click", ADA);
    await seconds(8);
    expect(new Set(sent().map((event) => event.event_id)).size).toBe(2);
    expect(sent()).toHaveLength(2);
  });

  it("sends what a tab has left that was closed while it was sending", async () => {
    fetched.mockImplementationOnce(() => new Promise(() => {}));
    tracker.trackEvent("card_click", ADA);
    closePage(tracker);
    await openPage();
    await seconds(13);
    expect(sent()).toHaveLength(2);
    expect(queued()).toHaveLength(0);
  });

  it("keeps the newest fifty events", () => {
    goOffline();
    for (let i = 0; i < 60; i++) {
      tracker.trackEvent("card_impression", { ...ADA, position: i });
      vi.advanceTimersByTime(1);
    }
    const positions = queued().map(
      (key) => (JSON.parse(localStorage.getItem(key)!) as { payload: { position: number } }).payload.position,
    );
    expect(positions.sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i + 10));
  });

  it("gives up the oldest event first, in whatever order storage lists them", () => {
    goOffline();
    for (let age = 1; age <= 50; age++) {
      const { key, value } = left(1_000_000 - age);
      localStorage.setItem(key, value); // the youngest is stored first
    }
    tracker.trackEvent("card_click", ADA);
    expect(queued()).toHaveLength(50);
    expect(queued()).not.toContain(left(999_999).key);
    expect(queued()).toContain(left(999_950).key);
  });

  it("keeps at most 48 KiB, counted as the server counts", () => {
    goOffline();
    for (let i = 0; i < 40; i++) {
      // Three bytes for each of these characters.
      tracker.trackEvent("card_click", { expert_id: "\u4e00".repeat(700), context: "grid" });
      vi.advanceTimersByTime(1);
    }
    const stored = queued().map((key) => key + localStorage.getItem(key));
    expect(new Blob(stored).size).toBeLessThanOrEqual(48 * 1024);
    expect(stored.length).toBeGreaterThan(15);
  });

  it.each(["x".repeat(60_000), "\u4e00".repeat(20_000)])(
    "sends an event that is longer than the queue once, and gives up no other for it",
    async (expert_id) => {
      goOffline();
      for (let i = 0; i < 10; i++) tracker.trackEvent("card_click", ADA);
      await seconds(0);
      fetched.mockClear();
      tracker.trackEvent("card_click", { expert_id, context: "grid" });
      await seconds(0);
      expect(sent()).toMatchObject([{ payload: { expert_id } }]);
      expect(queued()).toHaveLength(10);
      storeAll();
      await seconds(15);
      expect(queued()).toHaveLength(0);
      expect(sent().filter((event) => (event["payload"] as typeof ADA).expert_id === "ada")).toHaveLength(10);
    },
  );

  it("passes over an entry that is damaged, and sends nothing for ever that somebody else wrote", async () => {
    localStorage.setItem("tcs_e_/api/events 00000000", "{what?");
    localStorage.setItem("tcs_e_/api/events 00000001", '{"event_type": "x", "event_id": "another"}');
    localStorage.setItem("tcs_e_/api/events 00000002", "5");
    localStorage.setItem("tcs_theme", "dark");
    tracker.trackEvent("card_click", ADA);
    answerWith(422, {}, { errors: {} });
    await seconds(600);
    expect(fetched.mock.calls.length).toBeLessThan(6);
    tracker.configure({ consent: false });
    expect(localStorage.getItem("tcs_theme")).toBe("dark");
  });

  it("neither sends nor deletes what is meant for another endpoint of the same origin", async () => {
    goOffline();
    tracker.configure({ endpoint: "https://shop.example/a" });
    tracker.trackEvent("card_click", ADA);
    await seconds(0);
    const other = await openPage();
    other.configure({ endpoint: "https://shop.example/ab" });
    tracker.stop();
    storeAll();
    fetched.mockClear();
    other.trackEvent("card_click", { ...ADA, expert_id: "bob" });
    await seconds(600);
    expect(addresses()).toEqual(["https://shop.example/ab"]);
    other.configure({ consent: false });
    expect(queued()).toHaveLength(1);
    other.configure({ consent: true });
    const third = await openPage();
    third.configure({ endpoint: "https://shop.example/a/" });
    await seconds(60);
    expect(addresses()).toEqual(["https://shop.example/ab", "https://shop.example/a/"]);
    expect(queued()).toHaveLength(0);
  });

  it("reads no value of the host", async () => {
    for (let i = 0; i < 100; i++) localStorage.setItem(`host_${i}`, "theirs");
    const read = vi.fn((key: string) => Storage.prototype.getItem.call(host, key));
    const host = localStorage;
    vi.stubGlobal("localStorage", new Proxy(host, {
      get: (target, key) => {
        if (key === "getItem") return read;
        const value = Reflect.get(target, key, target) as unknown;
        if (typeof value === "string") read(String(key));
        return typeof value === "function" ? (value as () => unknown).bind(target) : value;
      },
    }));
    goOffline();
    tracker.trackEvent("card_click", ADA);
    await seconds(60);
    expect(read.mock.calls.length).toBeGreaterThan(0);
    expect(read.mock.calls.filter(([key]) => !key.startsWith("tcs_"))).toEqual([]);
  });

  it("still sends what a storage that is full does not take", () => {
    localStorage.setItem("tcs_session_id", "known");
    vi.stubGlobal("localStorage", full(localStorage));
    tracker.trackEvent("card_click", ADA);
    tracker.trackEvent("card_click", ADA);
    expect(sent()).toMatchObject([{ session_id: "known" }, { session_id: "known" }]);
  });

  it("stays with one session where a storage that is full does not take it", () => {
    vi.stubGlobal("localStorage", full(localStorage));
    tracker.trackEvent("card_click", ADA);
    tracker.trackEvent("card_click", ADA);
    const [first, second] = sent();
    expect(first!["session_id"]).toMatch(UUID_V4);
    expect(second!["session_id"]).toBe(first!["session_id"]);
  });

  it("sends again what a full storage did not take, or stores it once there is room", async () => {
    const { localStorage } = globalThis;
    answerWith(503, { "Retry-After": "20" });
    vi.stubGlobal("localStorage", full(localStorage));
    tracker.trackEvent("card_click", ADA);
    tracker.trackEvent("card_click", ADA);
    await seconds(1);
    expect(queued()).toHaveLength(0);
    vi.stubGlobal("localStorage", localStorage); // the host has made room
    window.dispatchEvent(new Event("pagehide"));
    expect(queued()).toHaveLength(2);
    storeAll();
    await seconds(60);
    expect(new Set(sent().map((event) => event.event_id)).size).toBe(2);
    expect(queued()).toHaveLength(0);
  });

  it("makes one session, and sends again, where storage is denied", async () => {
    vi.stubGlobal("localStorage", undefined);
    Object.defineProperty(globalThis, "localStorage", {
      configurable: true,
      get: () => {
        throw new DOMException("denied", "SecurityError");
      },
    });
    goOffline();
    tracker.trackEvent("card_click", ADA);
    await seconds(1);
    storeAll();
    await seconds(15);
    tracker.trackEvent("card_click", ADA);
    const [first, again, second] = sent();
    expect(again!.event_id).toBe(first!.event_id);
    expect(second!["session_id"]).toBe(first!["session_id"]);
    expect(sent()).toHaveLength(3);
  });

  /** Storage that can be read but takes nothing more. */
  function full(storage: Storage): Storage {
    return new Proxy(storage, {
      get: (target, key) =>
        key === "setItem" ? fail : (Reflect.get(target, key, target) as unknown),
      set: fail,
    });
  }

  function fail(): never {
    throw new DOMException("full", "QuotaExceededError");
  }
});

describe("clocks", () => {
  it.each(["1970-01-01T00:00:00.005Z", "1969-06-01T00:00:00Z", "2038-01-19T03:14:08Z", "9999-01-01T00:00:00Z"])(
    "makes good events at %s",
    async (time) => {
      vi.setSystemTime(new Date(time));
      tracker.trackEvent("card_click", ADA);
      await seconds(0);
      expect(sent()[0]).toMatchObject({ event_id: expect.stringMatching(UUID_V7) as string, age_ms: 0 });
      expect(queued()).toHaveLength(0);
    },
  );

  const HOUR = 3_600_000;

  it.each([-40 * 24 * HOUR, -HOUR, -5_000, 5_000, HOUR, 40 * 24 * HOUR])(
    "sends what waits soon, though the clock is changed by %i ms meanwhile",
    async (change) => {
      answerWith(503, { "Retry-After": "2" });
      tracker.trackEvent("card_click", ADA);
      tracker.trackEvent("card_click", ADA);
      await seconds(1);
      vi.setSystemTime(Date.now() + change);
      storeAll();
      await seconds(30);
      expect(queued()).toHaveLength(0);
      expect(new Set(sent().map((event) => event.event_id)).size).toBe(2);
      expect(Math.min(...sent().map((event) => event.age_ms))).toBeGreaterThanOrEqual(0);
    },
  );

  it.each([-40 * 24 * HOUR, -HOUR, HOUR, 40 * 24 * HOUR])(
    "sends what an earlier page has left, though the clock was changed by %i ms before this one",
    async (change) => {
      goOffline();
      tracker.trackEvent("card_click", ADA);
      await seconds(1);
      closePage(tracker);
      vi.setSystemTime(Date.now() + change);
      storeAll();
      await openPage();
      await seconds(30);
      expect(queued()).toHaveLength(0);
    },
  );

  it("says at the moment of sending how long ago the event happened", async () => {
    goOffline();
    tracker.trackEvent("card_click", ADA);
    await seconds(1);
    storeAll();
    await seconds(60);
    expect(sent()[1]!.age_ms).toBe(2_000);
  });
});

describe("values", () => {
  const track = (payload: unknown) => tracker.trackEvent("card_click", payload as typeof ADA);

  it.each([
    ["a BigInt", 12n, "12"],
    ["a large number", 2 ** 60, String(2 ** 60)],
    ["a larger BigInt", 2n ** 70n, "1180591620717411303424"],
    ["no number", NaN, "NaN"],
    ["infinity", -Infinity, "-Infinity"],
    ["half an emoji", "a\ud83d", "a\ufffd"],
    ["the other half", "\ude00b", "\ufffdb"],
    ["NUL", "a\0b", "a\ufffdb"],
    ["a list", [1, 2n, "\ud83d"], [1, "2", "\ufffd"]],
  ])("keeps of %s what can be stored, and says so", (_, value, stored) => {
    track({ expert_id: "ada", value });
    expect(sent()[0]!["payload"]).toEqual({ expert_id: "ada", value: stored });
    expect(warnings()[0]).toMatch(/^tcs_events: changed, as it cannot be stored: card_click /);
  });

  it.each([
    ["text", "héllo 😀 \\ud83d \\\\u0000 \n"],
    ["numbers", [0, -0.5, 1e15, 2 ** 53 - 1, -(2 ** 53 - 1)]],
    ["dates", [new Date(0)], ["1970-01-01T00:00:00.000Z"]],
    ["nothing", [null, true, false, "", {}, []]],
  ])("leaves %s as JSON has it, and says nothing", (_, value, stored: unknown = value) => {
    track({ value });
    expect(sent()[0]!["payload"]).toEqual({ value: stored });
    expect(warnings()).toEqual([]);
  });

  it("keeps an object that occurs twice, and leaves out one that holds itself", () => {
    const filters: Record<string, unknown> = { tags: ["ai"] };
    track({ filters, before: filters });
    expect(sent()[0]!["payload"]).toEqual({ filters: { tags: ["ai"] }, before: { tags: ["ai"] } });
    filters["self"] = filters;
    filters["deeper"] = [{ filters }];
    track({ expert_id: "ada", filters });
    expect(sent()[1]!["payload"]).toEqual({ expert_id: "ada", filters: { tags: ["ai"], deeper: [{}] } });
  });

  it("mends names as well as values", () => {
    track({ "half \ud83d": 1, ["__proto__"]: 2 });
    expect(JSON.stringify(sent()[0]!["payload"])).toBe('{"half \ufffd":1,"__proto__":2}');
  });

  it.each([undefined, null])("takes %s for a payload that is empty", (payload) => {
    track(payload);
    expect(sent()[0]).not.toHaveProperty("payload");
  });

  it("stays within the depth that the server takes", () => {
    let value: unknown = "bottom";
    for (let depth = 0; depth < 5_000; depth++) value = { value };
    track({ expert_id: "ada", value });
    const depth = JSON.stringify(sent()[0]!["payload"]).split("{").length;
    expect(depth).toBeGreaterThan(20);
    expect(depth).toBeLessThan(30);
    expect(sent()[0]!["payload"]).toMatchObject({ expert_id: "ada" });
  });

  it.each([
    ["a getter that throws", { get value() { throw new Error("theirs"); } }],
    ["a toJSON that throws", { value: { toJSON() { throw new Error("theirs"); } } }],
    ["a world", { value: world() }],
  ])("keeps the rest of a payload with %s", (_, payload) => {
    track(Object.assign(payload, { expert_id: "ada" }));
    expect(sent()[0]).toMatchObject({ event_type: "card_click", payload: { expert_id: "ada" } });
    expect(warnings()[0]).toMatch(/^tcs_events: changed, as it cannot be stored: card_click /);
  });

  it.each([
    [[1, 2], { value: [1, 2] }],
    ["text", { value: "text" }],
    [7, { value: 7 }],
    [7n, { value: "7" }],
  ])("stores %s, which is no object, as a value", (payload, stored) => {
    track(payload);
    expect(sent()[0]!["payload"]).toEqual(stored);
  });

  it("throws nothing where it is called with nonsense", () => {
    const { trackEvent, identify, configure } = tracker as unknown as Record<string, (...args: unknown[]) => void>;
    for (const args of [[], [null, null], [{}, []], [10n, 10n], [Symbol("x"), {}]]) trackEvent!(...args);
    for (const args of [[], [null], [{}]]) identify!(...args);
    for (const args of [[], [null], [{ endpoint: null }], [7]]) configure!(...args);
  });

  /** Objects that lead to each other, as those of a page do. */
  function world(): object {
    const things: Array<Record<string, unknown>> = Array.from({ length: 40 }, () => ({}));
    for (const thing of things) things.forEach((other, index) => (thing[index] = other));
    return things[0]!;
  }

  it.each(["", undefined])("sends no address where the one that is known is %j", (email) => {
    tracker.configure({ email });
    tracker.trackEvent("card_click", ADA);
    tracker.identify(email as string);
    expect(sent()).toHaveLength(1);
    expect(sent()[0]).not.toHaveProperty("email");
  });
});

describe("consent", () => {
  const traces = () => Object.keys(localStorage).filter((key) => key.startsWith("tcs_") && key !== "tcs_consent");

  it("sends and stores nothing under Global Privacy Control", async () => {
    vi.stubGlobal("navigator", { globalPrivacyControl: true });
    tracker.trackEvent("card_click", ADA);
    tracker.identify("ada@example.com");
    await seconds(10);
    expect(fetched).not.toHaveBeenCalled();
    expect(traces()).toEqual([]);
    expect(tracker.sessionId()).toBeUndefined();
  });

  it("takes Global Privacy Control as the host decides", () => {
    vi.stubGlobal("navigator", { globalPrivacyControl: true });
    tracker.configure({ respectGpc: false });
    tracker.trackEvent("card_click", ADA);
    expect(sent()).toHaveLength(1);
  });

  it("forgets the session and all that waits when the visitor says no", async () => {
    goOffline();
    tracker.trackEvent("card_click", ADA);
    await seconds(1);
    tracker.configure({ consent: false });
    expect(traces()).toEqual([]);
    tracker.trackEvent("card_click", ADA);
    tracker.identify("ada@example.com");
    await seconds(600);
    expect(sent()).toHaveLength(1);
    expect(traces()).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("does not bring back an event that was on its way", async () => {
    let fail: (reason: Error) => void = () => {};
    fetched.mockImplementation(() => new Promise((_, reject) => (fail = reject)));
    tracker.trackEvent("card_click", ADA);
    tracker.configure({ consent: false });
    fail(new TypeError("Failed to fetch"));
    await seconds(0);
    expect(queued()).toEqual([]);
    tracker.configure({ consent: true });
    await seconds(600);
    expect(sent()).toHaveLength(1);
  });

  it("begins when the visitor says yes, with another session", () => {
    tracker.trackEvent("card_click", ADA);
    tracker.configure({ consent: false });
    tracker.trackEvent("card_click", ADA);
    tracker.configure({ consent: true });
    tracker.trackEvent("card_click", ADA);
    const [before, after] = sent();
    expect(sent()).toHaveLength(2);
    expect(after!["session_id"]).not.toBe(before!["session_id"]);
  });

  it("remembers a no in the pages that follow, and in the tabs that are open", async () => {
    const other = await openPage();
    other.trackEvent("card_click", ADA);
    tracker.configure({ consent: false });
    other.trackEvent("card_click", ADA);
    const next = await openPage();
    next.trackEvent("card_click", ADA);
    expect(sent()).toHaveLength(1);
    expect(other.sessionId()).toBeUndefined();
    next.configure({ consent: true });
    other.trackEvent("card_click", ADA);
    expect(sent()).toHaveLength(2);
    expect(sent()[1]!["session_id"]).not.toBe(sent()[0]!["session_id"]);
  });

  it("remembers a no where storage was full until the session made room", async () => {
    tracker.trackEvent("card_click", ADA);
    const room = localStorage;
    vi.stubGlobal("localStorage", new Proxy(room, {
      get: (target, key) =>
        key === "setItem"
          ? (name: string, text: string) => {
              if (target.length > 0) throw new DOMException("full", "QuotaExceededError");
              target.setItem(name, text);
            }
          : (Reflect.get(target, key, target) as unknown),
    }));
    await seconds(0);
    tracker.configure({ consent: false });
    expect(room.getItem("tcs_consent")).toBe("false");
  });
});

describe("the cookie", () => {
  const NAME = "tcs_session_id";
  const cookie = () => jar.get(NAME);
  let jar: CookieJar;

  beforeEach(() => {
    jar = new CookieJar();
  });

  afterEach(() => jar.close());

  /** What another tab does reaches this one as an event. */
  function hear(change: { key: string; oldValue: string | null; newValue: string | null }): void {
    window.dispatchEvent(Object.assign(new Event("storage"), change));
  }

  it("is not there by default, whatever a page does", async () => {
    await seconds(1);
    tracker.trackEvent("card_click", ADA);
    tracker.identify("ada@example.com");
    tracker.reset();
    tracker.configure({ consent: false });
    tracker.configure({ consent: true });
    tracker.trackEvent("card_click", ADA);
    expect(jar.written).toEqual([]);
  });

  it("has the session, from the moment that the host asks for it", () => {
    tracker.configure({ cookie: true });
    expect(cookie()).toBe(localStorage.getItem(NAME));
    expect(cookie()).toMatch(UUID_V4);
    tracker.trackEvent("card_click", ADA);
    expect(sent()[0]!["session_id"]).toBe(cookie());
    expect(jar.written.at(-1)).toBe(`${NAME}=${cookie()!}; Path=/; SameSite=Lax; Max-Age=31536000`);
  });

  it("is for https alone where the page is", () => {
    vi.stubGlobal("location", { protocol: "https:" });
    tracker.configure({ cookie: true });
    expect(jar.written.at(-1)).toMatch(/; Max-Age=31536000; Secure$/);
  });

  it("has no attribute of a session that a page has made up", () => {
    localStorage.setItem(NAME, "a; Domain=evil.example, b");
    tracker.configure({ cookie: true });
    expect(decodeURIComponent(cookie()!)).toBe("a; Domain=evil.example, b");
  });

  it.each(["a no", "Global Privacy Control"])("is not made under %s, and is removed", async (reason) => {
    tracker.configure({ cookie: true });
    expect(cookie()).toBeDefined();
    if (reason === "a no") tracker.configure({ consent: false });
    else vi.stubGlobal("navigator", { globalPrivacyControl: true });
    tracker.trackEvent("card_click", ADA);
    expect(cookie()).toBeUndefined();
    const next = await openPage();
    next.configure({ cookie: true });
    next.trackEvent("card_click", ADA);
    expect(cookie()).toBeUndefined();
  });

  it("comes with a yes", () => {
    tracker.configure({ cookie: true, consent: false });
    expect(cookie()).toBeUndefined();
    tracker.configure({ consent: true });
    expect(cookie()).toBe(tracker.sessionId());
    expect(cookie()).toBeDefined();
  });

  it("is another after a reset, at once", () => {
    tracker.configure({ cookie: true });
    const before = cookie();
    tracker.reset();
    expect(cookie()).toMatch(UUID_V4);
    expect(cookie()).not.toBe(before);
    tracker.trackEvent("card_click", ADA);
    expect(sent()[0]!["session_id"]).toBe(cookie());
  });

  it("goes with a reset on a page that was stopped, which makes no other", () => {
    tracker.configure({ cookie: true });
    tracker.stop();
    tracker.reset();
    expect(cookie()).toBeUndefined();
  });

  it("goes when the option is turned off again", () => {
    tracker.configure({ cookie: true });
    tracker.configure({ cookie: false });
    expect(cookie()).toBeUndefined();
    tracker.trackEvent("card_click", ADA);
    expect(cookie()).toBeUndefined();
  });

  it("goes when a page comes without the option, and stays when one comes with it", async () => {
    tracker.configure({ cookie: true });
    const next = await openPage();
    next.configure({ cookie: true }); // before anything else, as a host does
    await seconds(0);
    expect(cookie()).toBe(localStorage.getItem(NAME));
    await openPage();
    await seconds(0);
    expect(cookie()).toBeUndefined();
    expect(localStorage.getItem(NAME)).toMatch(UUID_V4);
  });

  it("follows another tab that changes the session", () => {
    tracker.configure({ cookie: true });
    const oldValue = localStorage.getItem(NAME);
    localStorage.setItem(NAME, "of the other tab");
    hear({ key: NAME, oldValue, newValue: "of the other tab" });
    expect(decodeURIComponent(cookie()!)).toBe("of the other tab");
  });

  it("makes no session of its own while another tab ends one", () => {
    tracker.configure({ cookie: true });
    const oldValue = localStorage.getItem(NAME);
    localStorage.removeItem(NAME);
    hear({ key: NAME, oldValue, newValue: null });
    expect(localStorage.getItem(NAME)).toBeNull();
  });

  it("goes where another tab says no", () => {
    tracker.configure({ cookie: true });
    localStorage.setItem("tcs_consent", "false");
    hear({ key: "tcs_consent", oldValue: null, newValue: "false" });
    expect(cookie()).toBeUndefined();
  });

  it("breaks nothing where the browser denies it", async () => {
    Object.defineProperty(document, "cookie", {
      configurable: true,
      get: () => fail(),
      set: () => fail(),
    });
    tracker.configure({ cookie: true });
    tracker.trackEvent("card_click", ADA);
    tracker.reset();
    vi.stubGlobal("crypto", undefined);
    await openPage();
    tracker.reset();
    await seconds(0);
    expect(sent()).toHaveLength(1);
  });

  function fail(): never {
    throw new DOMException("denied", "SecurityError");
  }
});

describe("configure, identify, reset and stop", () => {
  it("sends to the endpoint it is told", () => {
    tracker.configure({ endpoint: "https://shop.example/track" });
    tracker.trackEvent("card_click", ADA);
    expect(addresses()).toEqual(["https://shop.example/track"]);
  });

  it("goes by the page's own address where the endpoint is relative", () => {
    tracker.configure({ endpoint: "track" });
    tracker.trackEvent("card_click", ADA);
    expect(addresses()).toEqual([new URL("track", document.baseURI).href]);
  });

  it("sends the address of a visitor who is known, from then on", () => {
    tracker.trackEvent("card_click", ADA);
    tracker.configure({ email: "ada@example.com" });
    tracker.trackEvent("card_click", ADA);
    tracker.configure({ email: undefined });
    tracker.trackEvent("card_click", ADA);
    expect(sent().map((event) => event["email"])).toEqual([undefined, "ada@example.com", undefined]);
  });

  it("says who the session belongs to, and says it again where it failed", async () => {
    goOffline();
    expect(tracker.identify("ada@example.com")).toBeUndefined();
    await seconds(1);
    answerWith(202);
    await seconds(15);
    expect(addresses()).toEqual(Array(2).fill("/api/events/identify"));
    expect(sent()[1]).toMatchObject({
      session_id: localStorage.getItem("tcs_session_id"),
      email: "ada@example.com",
    });
    expect(queued()).toHaveLength(0);
  });

  it("sends links to /identify and events by /batch, whatever waits together", async () => {
    goOffline();
    for (let i = 0; i < 3; i++) tracker.trackEvent("card_click", ADA);
    await seconds(0.001); // what waits goes in order of its milliseconds
    tracker.identify("ada@example.com");
    tracker.trackEvent("card_click", ADA);
    await seconds(1);
    fetched.mockClear();
    storeAll();
    await seconds(10);
    expect([...addresses()].sort()).toEqual(["/api/events", "/api/events/batch", "/api/events/identify"]);
    expect(queued()).toHaveLength(0);
  });

  it("starts another session, without an address, after a logout", () => {
    tracker.configure({ email: "ada@example.com" });
    tracker.trackEvent("card_click", ADA);
    tracker.reset();
    tracker.trackEvent("card_click", ADA);
    const [before, after] = sent();
    expect(after!["session_id"]).not.toBe(before!["session_id"]);
    expect(after).not.toHaveProperty("email");
  });

  it("forgets the address in the other tabs, too, after a logout in one", async () => {
    tracker.configure({ email: "ada@example.com" });
    tracker.trackEvent("card_click", ADA);
    const oldValue = localStorage.getItem("tcs_session_id");
    const other = await openPage();
    other.reset();
    const change = { key: "tcs_session_id", oldValue, newValue: null };
    window.dispatchEvent(Object.assign(new Event("storage"), change)); // as browsers do in other tabs
    tracker.trackEvent("card_click", ADA);
    expect(sent().map((event) => event["email"])).toEqual(["ada@example.com", undefined]);
  });

  it("tells the session that events are sent with", () => {
    const session = tracker.sessionId();
    tracker.trackEvent("card_click", ADA);
    expect(sent()[0]!["session_id"]).toBe(session);
    expect(session).toMatch(UUID_V4);
  });

  it("tracks nothing after stop, and leaves what waits to the next page", async () => {
    goOffline();
    tracker.trackEvent("card_click", ADA);
    await seconds(1);
    tracker.stop();
    tracker.trackEvent("card_click", ADA);
    window.dispatchEvent(new Event("online"));
    await seconds(60);
    expect(sent()).toHaveLength(1);
    expect(queued()).toHaveLength(1);
  });
});

describe("data-track-event", () => {
  function act(selector: string, type = "click", options: MouseEventInit = {}): void {
    const event = new MouseEvent(type, { bubbles: true, composed: true, ...options });
    document.querySelector(selector)!.dispatchEvent(event);
  }

  it("sends the type and the payload of the element around the click", () => {
    document.body.innerHTML = `
      <a data-track-event="card_click" data-track-payload='{"expert_id": "ada"}'><b>Ada</b></a>
      <i>elsewhere</i>`;
    act("b");
    act("i");
    expect(sent()).toHaveLength(1);
    expect(sent()[0]).toMatchObject({ event_type: "card_click", payload: { expert_id: "ada" } });
  });

  it("sees a click that the page stops", () => {
    document.body.innerHTML = `<a data-track-event="card_click"></a>`;
    document.querySelector("a")!.addEventListener("click", (event) => event.stopPropagation());
    act("a");
    expect(sent()).toHaveLength(1);
  });

  it("counts a click whose payload is no JSON", () => {
    document.body.innerHTML = `<a data-track-event="card_click" data-track-payload="{oops"></a>`;
    act("a");
    expect(sent()[0]).toMatchObject({ event_type: "card_click" });
    expect(sent()[0]).not.toHaveProperty("payload");
  });

  it("counts the middle button, and no other that opens nothing", () => {
    document.body.innerHTML = `<a data-track-event="card_click"></a>`;
    act("a", "auxclick", { button: 1 });
    act("a", "auxclick", { button: 2 });
    expect(sent()).toHaveLength(1);
  });

  it("counts a form when it is submitted, and no click into it", () => {
    document.body.innerHTML = `
      <div data-track-event="card_click"><form data-track-event="filter_change"><input /></form></div>`;
    act("input");
    expect(sent()).toHaveLength(0);
    act("form", "submit");
    expect(sent().map((event) => event["event_type"])).toEqual(["filter_change"]);
  });

  it("counts once what a key that is held down repeats", () => {
    document.body.innerHTML = `<a data-track-event="card_click"></a>`;
    const press = (key: string, repeat = false) =>
      document.body.dispatchEvent(new KeyboardEvent("keydown", { key, repeat, bubbles: true }));
    press("Enter");
    act("a");
    press("Enter", true);
    act("a");
    expect(sent()).toHaveLength(1);
    // The mouse acts meanwhile, or the key is let go where we do not see it.
    document.body.dispatchEvent(new Event("pointerdown", { bubbles: true }));
    act("a");
    press("Control", true);
    act("a");
    expect(sent()).toHaveLength(3);
  });

  it("counts a click on a label and its field once", () => {
    document.body.innerHTML = `
      <div data-track-event="card_click"><label><b>Ada</b><input type="checkbox" /></label></div>`;
    act("b");
    if (sent().length === 0) act("input"); // which a browser does by itself
    expect(sent()).toHaveLength(1);
  });

  it("sees elements inside of an open shadow root", () => {
    document.body.innerHTML = "<my-card></my-card>";
    const root = document.querySelector("my-card")!.attachShadow({ mode: "open" });
    root.innerHTML = `<button data-track-event="card_click"><b>Ada</b></button>`;
    root.querySelector("b")!.dispatchEvent(new MouseEvent("click", { bubbles: true, composed: true }));
    expect(sent()).toHaveLength(1);
  });

  it("counts once where two copies of this file are on the page", async () => {
    await openPage();
    document.body.innerHTML = `<a data-track-event="card_click"></a>`;
    act("a");
    expect(sent()).toHaveLength(1);
  });

  it("counts where another copy was stopped", async () => {
    tracker.stop();
    await openPage();
    document.body.innerHTML = `<a data-track-event="card_click"></a>`;
    act("a");
    expect(sent()).toHaveLength(1);
  });
});
