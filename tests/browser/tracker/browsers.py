"""Browsers that are not as one would wish: scripts that run before those of the page."""

from __future__ import annotations

CLOCK_TWO_DAYS_FAST = """
    self.RealDate = Date;
    Date = class extends RealDate {
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
"""What Chromium does in a sandboxed frame, and where the visitor blocks cookies."""

NO_KEEPALIVE = """
    const fetchWithKeepalive = fetch;
    self.fetch = (url, { keepalive, ...init } = {}) => fetchWithKeepalive(url, init);
"""

GLOBAL_PRIVACY_CONTROL = """
    Object.defineProperty(Navigator.prototype, "globalPrivacyControl", { get: () => true });
"""
