// @vitest-environment node
import { expect, it } from "vitest";
import { trackEvent } from "../npm/index";
import { captureEvents } from "../npm/testing";

it("says that nothing is recorded where there is no page", () => {
  const captured = captureEvents();
  trackEvent("search", {});
  captured.assertNone();
  expect(() => captured.assertOne("search")).toThrow(
    "There is no page: the test needs an environment with a DOM, such as happy-dom.",
  );
  captured.dispose();
});
