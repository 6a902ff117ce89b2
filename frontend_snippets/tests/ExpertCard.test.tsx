// @vitest-environment happy-dom
import { createEvent, fireEvent, render, screen } from "@testing-library/react";
import { StrictMode } from "react";
import { expect, it, vi } from "vitest";
import { ExpertCard, type Expert, type ExpertCardProps } from "../ExpertCard";
import { happened, received, usePage } from "./support";

usePage();

const ada: Expert = {
  username: "ada-l",
  name: "Ada L.",
  title: "Engineer",
  bio: "Wrote the first one.",
  tags: ["math"],
  hourly_rate: 120,
};

function show(props: Partial<ExpertCardProps> = {}): HTMLElement {
  render(
    <StrictMode>
      <ExpertCard
        expert={ada}
        context="grid"
        onViewProfile={(username) => happened.push(`view ${username}`)}
        {...props}
      />
    </StrictMode>,
  );
  return screen.getByRole("link", { name: "Ada L." });
}

it("records the click before it opens the profile, once", () => {
  fireEvent.click(show());
  expect(happened).toEqual(["card_click", "view ada-l"]);
  expect(received("card_click")).toEqual([{ expert_id: "ada-l", context: "grid" }]);
});

it("says that it is in an answer of Sage", () => {
  fireEvent.click(show({ context: "sage_panel" }));
  expect(received("card_click")).toEqual([{ expert_id: "ada-l", context: "sage_panel" }]);
});

it("opens the profile although recording fails", () => {
  const link = show();
  vi.stubGlobal("fetch", () => {
    throw new TypeError("blocked");
  });
  fireEvent.click(link);
  expect(happened).toEqual(["view ada-l"]);
});

it("is a link, so that it has the keyboard and a menu", () => {
  const link = show();
  link.focus();
  expect(document.activeElement).toBe(link);
  expect(link.getAttribute("href")).toBe("/experts/ada-l");
});

it("leads where it is told to", () => {
  expect(show({ href: "?expert=ada-l" }).getAttribute("href")).toBe("?expert=ada-l");
});

it("leaves the page by onViewProfile, not by the link as well", () => {
  const link = show();
  const click = createEvent.click(link);
  fireEvent(link, click);
  expect(click.defaultPrevented).toBe(true);
});

it.each(["metaKey", "ctrlKey", "shiftKey"])("lets the browser open a tab with %s", (key) => {
  const link = show();
  const click = createEvent.click(link, { [key]: true });
  fireEvent(link, click);
  expect(click.defaultPrevented).toBe(false);
  expect(happened).toEqual(["card_click"]);
});

it("records the middle button, which opens a tab, and no other button", () => {
  const link = show();
  fireEvent(link, new MouseEvent("auxclick", { bubbles: true, button: 2 }));
  expect(happened).toEqual([]);
  fireEvent(link, new MouseEvent("auxclick", { bubbles: true, button: 1 }));
  expect(happened).toEqual(["card_click"]);
});
