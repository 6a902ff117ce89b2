// @vitest-environment node
import { renderToString } from "react-dom/server";
import { expect, it, vi } from "vitest";

it("renders on a server, where there is no document, and starts no timer", async () => {
  expect([typeof window, typeof document]).toEqual(["undefined", "undefined"]);
  vi.useFakeTimers();
  const { KitPage } = await import("./kit_page");
  const html = renderToString(<KitPage />);
  expect(html).toContain('value="flask"');
  expect(html).toContain("up to €120");
  expect(html).toContain('href="/experts/ada"');
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});
