"""Scripts that run before those of the page: what browsers may be like, and what tests must see."""

from __future__ import annotations

RECORDER = """
    const said = JSON.parse(attempt(() => sessionStorage.said) ?? "[]");
    function say(kind, words) {
        said.push([kind, words.map(word => word?.stack ? word + "" : String(word)).join(" ")]);
        attempt(() => { sessionStorage.said = JSON.stringify(said); });
    }
    function attempt(action) { try { return action(); } catch {} }
    for (const kind of ["log", "info", "warn", "error"]) {
        const real = console[kind];
        console[kind] = (...words) => { say(kind, words); real.apply(console, words); };
    }
    self.said = said;
    addEventListener("error", event => say("thrown", [event.message]));
    addEventListener("unhandledrejection", event => say("thrown", [event.reason]));
    addEventListener("securitypolicyviolation", event => {
        // Making a function of a text is what the test's own driver tries.
        if (event.blockedURI !== "eval")
            say("forbidden", [event.violatedDirective, event.blockedURI]);
    });

    self.flying = 0;
    const realFetch = self.fetch;
    self.fetch = (...request) => {
        flying++;
        const answer = realFetch(...request);
        const land = () => { flying--; };
        answer.then(land, land);
        return answer;
    };
"""
"""`said` is what the page wrote to its console, and threw, on this and earlier pages of the tab.

`flying` is how many requests have no answer yet. No driver tells either of all three engines.
"""

CLOCK = """
    const RealDate = Date, timers = new Map();
    const attempt = action => { try { return action(); } catch {} };
    const ahead = Number(attempt(() => sessionStorage.ahead) ?? 0);
    let wall = RealDate.now() + ahead, elapsed = 0, last = 0;
    const keep = () => attempt(() => { sessionStorage.ahead = wall - RealDate.now(); });
    self.Date = class extends RealDate {
        constructor(...args) { super(...(args.length ? args : [wall])); }
        static now() { return wall; }
    };
    performance.now = () => elapsed;
    const start = (every, action, ms = 0, args) => {
        timers.set(++last, {due: elapsed + Math.max(1, ms), every, action: () => action(...args)});
        return last;
    };
    self.setTimeout = (action, ms, ...args) => start(0, action, ms, args);
    self.setInterval = (action, ms, ...args) => start(Math.max(1, ms), action, ms, args);
    self.clearTimeout = self.clearInterval = id => { timers.delete(id); };
    self.clock = {
        RealDate,
        jump(ms) { wall += ms; keep(); },
        advance(ms) {
            const end = elapsed + ms;
            for (;;) {
                const due = [...timers].filter(([, timer]) => timer.due <= end)
                    .sort(([, one], [, other]) => one.due - other.due)[0];
                const next = due ? due[1].due : end;
                wall += next - elapsed;
                elapsed = next;
                if (!due) return keep();
                const [id, timer] = due;
                if (timer.every) timer.due += timer.every; else timers.delete(id);
                timer.action();
            }
        },
        timers: () => timers.size,
    };
"""
"""Time passes only by `clock.advance(ms)`; `clock.jump(ms)` sets the clock and no timer notices.

The next page of the tab goes on from the time that this one has come to.
"""

CLOCK_TWO_DAYS_FAST = """
    self.RealDate = Date;
    self.Date = class extends RealDate {
        constructor(...args) { super(...(args.length ? args : [Date.now()])); }
        static now() { return RealDate.now() + 2 * 24 * 3600 * 1000; }
    };
"""
"""The right time is `RealDate.now()`."""

STORAGE_DENIED = """
    Object.defineProperty(self, "localStorage", {
        get() { throw new DOMException("denied", "SecurityError"); }
    });
"""
"""What browsers do in a sandboxed frame, and where the visitor blocks cookies."""

NO_KEEPALIVE = """
    const fetchWithKeepalive = fetch;
    self.fetch = (url, { keepalive, ...init } = {}) => fetchWithKeepalive(url, init);
"""

NO_RANDOM_UUID = """
    Object.defineProperty(Crypto.prototype, "randomUUID", { value: undefined });
"""
"""What a page on plain http has, unless it is this machine's own."""

GLOBAL_PRIVACY_CONTROL = """
    Object.defineProperty(Navigator.prototype, "globalPrivacyControl", { get: () => true });
"""
