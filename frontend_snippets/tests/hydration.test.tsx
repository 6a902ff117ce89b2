// @vitest-environment happy-dom
import { act } from "@testing-library/react";
import { StrictMode } from "react";
import { hydrateRoot } from "react-dom/client";
import { renderToString } from "react-dom/server";
import { expect, it, vi } from "vitest";
import { KitPage } from "./kit_page";
import { happened, usePage, wait } from "./support";

usePage();

it("takes over what the server has rendered, without a difference or an event", async () => {
  const complaints = vi.spyOn(console, "error");
  const page = (
    <StrictMode>
      <KitPage />
    </StrictMode>
  );
  const container = document.createElement("div");
  container.innerHTML = renderToString(page);
  document.body.append(container);
  const root = await act(async () => hydrateRoot(container, page));
  await wait(5000);
  act(() => root.unmount());
  expect(complaints).not.toHaveBeenCalled();
  expect(happened).toEqual([]);
});
