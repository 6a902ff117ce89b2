// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const NOW = new Date("2026-03-01T09:30:00Z");
const ADA = { expert_id: "ada", context: "grid" } as const;

type Tracker = typeof import("../tracking");
type Sent = Record<string, unknown> & { event_id: string; age_ms: number };

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

/** The server answers so from now on. */
function answerWith(status: number, headers: Record<string, string> = {}): void {
  fetched.mockImplementation(() => Promise.resolve(new Response(null, { status, headers })));
}

function goOffline(): void {
  fetched.mockImplementation(() => Promise.reject(new TypeError("Failed to fetch")));
}

/** The bodies that went out, in order. */
function sent(): Sent[] {
  return fetched.mock.calls.map(([, init]) => JSON.parse((init as RequestInit).body as string));
}

function queued(): string[] {
  return Object.keys(localStorage).filter((key) => key.startsWith("tcs_e_"));
}

const seconds = (count: number) => vi.advanceTimersByTimeAsync(count * 1000);

beforeEach(async () => {
  vi.useFakeTimers({ now: NOW });
  vi.spyOn(Math, "random").mockReturnValue(0);
  fetched = vi.fn();
  answerWith(202);
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
    const circular: Record<string, unknown> = {};
    circular["self"] = circular;
    tracker.trackEvent("filter_change", { filter: "f", value: circular, filters: {}, result_count: 0 });
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

describe("the queue", () => {
  it("forgets an event once the server has it", async () => {
    tracker.trackEvent("card_click", ADA);
    expect(queued()).toHaveLength(1);
    await seconds(0);
    expect(queued()).toHaveLength(0);
    await seconds(60);
    expect(sent()).toHaveLength(1);
  });

  it.each([429, 500, 502, 503, 504, 200, 302])(
    "sends an event again that was answered %i, with the same id",
    async (status) => {
      answerWith(status);
      tracker.trackEvent("card_click", ADA);
      await seconds(5);
      answerWith(202);
      await seconds(60);
      const [first, again] = sent();
      expect(again).toEqual({ ...first, age_ms: again!.age_ms });
      expect(sent()).toHaveLength(2);
      expect(queued()).toHaveLength(0);
    },
  );

  it.each([400, 401, 403, 404, 413, 422])("drops an event that was answered %i", async (status) => {
    answerWith(status);
    tracker.trackEvent("card_click", ADA);
    await seconds(60);
    expect(sent()).toHaveLength(1);
    expect(queued()).toHaveLength(0);
  });

  it("says at the moment of sending how long ago the event happened", async () => {
    goOffline();
    tracker.trackEvent("card_click", ADA);
    await seconds(3);
    answerWith(202);
    await seconds(60);
    const [, again] = sent();
    expect(Date.now() - NOW.getTime()).toBe(63_000);
    expect(again!.age_ms).toBeGreaterThanOrEqual(10_000);
    expect(again!.age_ms % 2_000).toBe(0); // a tick, not the end of the test
  });

  it("never says that an event is yet to come, where the clock was set back", () => {
    goOffline();
    tracker.trackEvent("card_click", ADA);
    const [key] = queued();
    const [, , body] = JSON.parse(localStorage.getItem(key!)!) as [number, number, object];
    localStorage.setItem(key!, JSON.stringify([0, NOW.getTime() + 5_000, body]));
    tracker.configure({});
    expect(sent()[1]!.age_ms).toBe(0);
  });

  it("waits as long as the server asks, and sends nothing new meanwhile", async () => {
    answerWith(503, { "Retry-After": "30" });
    tracker.trackEvent("card_click", ADA);
    await seconds(5);
    tracker.trackEvent("card_click", ADA);
    await seconds(24);
    expect(sent()).toHaveLength(1);
    answerWith(202);
    await seconds(4);
    expect(new Set(sent().map((event) => event.event_id)).size).toBe(2);
    expect(queued()).toHaveLength(0);
  });

  it("waits twice as long after each failure, up to five minutes", async () => {
    goOffline();
    tracker.trackEvent("card_click", ADA);
    const times: number[] = [];
    fetched.mockImplementation(() => {
      times.push(Date.now());
      return Promise.reject(new TypeError("Failed to fetch"));
    });
    await seconds(3600);
    const waits = times.slice(1).map((time, index) => (time - times[index]!) / 1000);
    // 2, 4 and 8 seconds are over before the claim of ten is; the tick of two seconds rounds up.
    expect(waits.slice(0, 8)).toEqual([10, 10, 18, 34, 66, 130, 258, 302]);
    expect(new Set(waits.slice(8))).toEqual(new Set([302]));
  });

  it("counts events that fail together as one failure", async () => {
    goOffline();
    for (let i = 0; i < 20; i++) tracker.trackEvent("card_click", ADA);
    await seconds(1);
    answerWith(202);
    await seconds(15);
    expect(queued()).toHaveLength(0);
  });

  it("comes back at a random moment, not with all the other visitors", async () => {
    vi.mocked(Math.random).mockReturnValue(0.99);
    answerWith(503, { "Retry-After": "30" });
    tracker.trackEvent("card_click", ADA);
    await seconds(50);
    expect(sent()).toHaveLength(1);
    await seconds(15);
    expect(sent()).toHaveLength(2);
  });

  it("does not wait any longer when the browser is online again", async () => {
    answerWith(503, { "Retry-After": "300" });
    tracker.trackEvent("card_click", ADA);
    await seconds(11);
    answerWith(202);
    window.dispatchEvent(new Event("online"));
    await seconds(0);
    expect(queued()).toHaveLength(0);
  });

  it.each(["pagehide", "visibilitychange"])("sends what is waiting on %s", async (type) => {
    const { key, value } = left();
    localStorage.setItem(key, value);
    window.dispatchEvent(new Event(type));
    expect(sent()).toHaveLength(1);
  });

  /** An event that an earlier page has left. */
  function left(age = 60_000): { key: string; value: string } {
    const event_id = `0195${"0".repeat(4)}-0000-7000-a000-${String(Math.floor(age)).padStart(12, "0")}`;
    const body = { event_id, event_type: "card_click", session_id: "s", payload: ADA };
    return { key: `tcs_e_${event_id}`, value: JSON.stringify([0, Date.now() - age, body]) };
  }

  it("sends what an earlier page has left, and nothing of it twice", async () => {
    const { key, value } = left();
    localStorage.setItem(key, value);
    await seconds(2);
    expect(sent()).toMatchObject([{ session_id: "s", age_ms: 62_000 }]);
    await seconds(60);
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
      (key) => (JSON.parse(localStorage.getItem(key)!) as [0, 0, { payload: { position: number } }])[2].payload.position,
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
    expect(queued()).not.toContain(left(999_950).key);
    expect(queued()).toContain(left(999_999).key);
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

  it("gives up an event that is longer than the queue, and no other for it", async () => {
    goOffline();
    tracker.trackEvent("card_click", ADA);
    await seconds(1);
    tracker.trackEvent("card_click", { expert_id: "x".repeat(60_000), context: "grid" });
    expect(queued()).toHaveLength(1);
    answerWith(202);
    await seconds(15);
    expect(sent().map((event) => event["payload"])).toEqual([ADA, ADA]);
  });

  it("passes over an entry that is not its own", async () => {
    localStorage.setItem("tcs_e_00000000", "{what?");
    localStorage.setItem("tcs_theme", "dark");
    tracker.trackEvent("card_click", ADA);
    await seconds(0);
    expect(sent()).toHaveLength(1);
    tracker.configure({ consent: false });
    expect(localStorage.getItem("tcs_theme")).toBe("dark");
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
    answerWith(202);
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
      get: (target, key) => Reflect.get(target, key, target) as unknown,
      set: () => {
        throw new DOMException("full", "QuotaExceededError");
      },
    });
  }
});

describe("consent", () => {
  const leavesNothing = () => expect(Object.keys(localStorage).filter((key) => key.startsWith("tcs_"))).toEqual([]);

  it("sends and stores nothing under Global Privacy Control", async () => {
    vi.stubGlobal("navigator", { globalPrivacyControl: true });
    tracker.trackEvent("card_click", ADA);
    tracker.identify("ada@example.com");
    await seconds(10);
    expect(fetched).not.toHaveBeenCalled();
    leavesNothing();
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
    leavesNothing();
    tracker.trackEvent("card_click", ADA);
    await seconds(60);
    expect(sent()).toHaveLength(1);
    leavesNothing();
  });

  it("begins when the visitor says yes", () => {
    tracker.configure({ consent: false });
    tracker.trackEvent("card_click", ADA);
    tracker.configure({ consent: true });
    tracker.trackEvent("card_click", ADA);
    expect(sent()).toHaveLength(1);
  });
});

describe("configure, identify and stop", () => {
  it("sends to the endpoint it is told", () => {
    tracker.configure({ endpoint: "https://shop.example/track" });
    tracker.trackEvent("card_click", ADA);
    expect(fetched.mock.calls[0]![0]).toBe("https://shop.example/track");
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
    expect(fetched.mock.calls.map(([url]) => url as string)).toEqual(
      Array(2).fill("/api/events/identify"),
    );
    expect(sent()[1]).toMatchObject({
      session_id: localStorage.getItem("tcs_session_id"),
      email: "ada@example.com",
    });
    expect(queued()).toHaveLength(0);
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
  function click(selector: string): void {
    document.querySelector(selector)!.dispatchEvent(new MouseEvent("click", { bubbles: true }));
  }

  it("sends the type and the payload of the element around the click", () => {
    document.body.innerHTML = `
      <a data-track-event="card_click" data-track-payload='{"expert_id": "ada"}'><b>Ada</b></a>
      <i>elsewhere</i>`;
    click("b");
    click("i");
    expect(sent()).toHaveLength(1);
    expect(sent()[0]).toMatchObject({ event_type: "card_click", payload: { expert_id: "ada" } });
  });

  it("sees a click that the page stops", () => {
    document.body.innerHTML = `<a data-track-event="card_click"></a>`;
    document.querySelector("a")!.addEventListener("click", (event) => event.stopPropagation());
    click("a");
    expect(sent()).toHaveLength(1);
  });

  it("counts a click whose payload is no JSON", () => {
    document.body.innerHTML = `<a data-track-event="card_click" data-track-payload="{oops"></a>`;
    click("a");
    expect(sent()[0]).toMatchObject({ event_type: "card_click" });
    expect(sent()[0]).not.toHaveProperty("payload");
  });
});
