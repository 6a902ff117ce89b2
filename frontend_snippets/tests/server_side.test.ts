// @vitest-environment node
import { expect, it, vi } from "vitest";

it("can be imported and called where there is no browser, and sends nothing", async () => {
  const fetched = vi.fn();
  vi.stubGlobal("fetch", fetched);
  const { trackEvent } = await import("../tracking");
  trackEvent("card_click", { expert_id: "ada", context: "grid" });
  expect(fetched).not.toHaveBeenCalled();
});
