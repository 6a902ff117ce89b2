// @vitest-environment happy-dom
import { createEvent, fireEvent, render, screen } from "@testing-library/react";
import { StrictMode } from "react";
import { expect, it, vi } from "vitest";
import { ExpertCard, type Expert, type ExpertCardProps } from "../ExpertCard";
import { happened, received, usePage } from "./support";

usePage();

const ada: Expert = {
  username: "ada-l",
  profile_url: "https://experts.example/ada",
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
        onViewProfile={(url) => happened.push(`view ${url}`)}
        {...props}
      />
    </StrictMode>,
  );
  return screen.getByRole("link", { name: "Ada L." });
}

it("records the click before it opens the profile, once", () => {
  fireEvent.click(show());
  expect(happened).toEqual(["card_click", "view https://experts.example/ada"]);
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
  expect(happened).toEqual(["view https://experts.example/ada"]);
});

it("is a link, so that it has the keyboard and a menu", () => {
  const link = show();
  link.focus();
  expect(document.activeElement).toBe(link);
  expect(link.getAttribute("href")).toBe("https://experts.example/ada");
});

it("leaves the page by onViewProfile, not by the link as well", () => {
  const link = show();
  const click = createEvent.click(link);
  fireEvent(link, click);
  expect(click.defaultPrevented).toBe(true);
});

it.each(["metaKey", "ctrlKey", "shiftKey", "altKey"])("lets the browser open a tab with %s", (key) => {
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

it("keeps the click from a card around it that has a handler of its own", () => {
  const clicked = vi.fn();
  render(
    <div onClick={clicked} onAuxClick={clicked}>
      <ExpertCard expert={ada} context="grid" onViewProfile={() => {}} />
    </div>,
  );
  const link = screen.getByRole("link", { name: "Ada L." });
  fireEvent.click(link);
  fireEvent(link, new MouseEvent("auxclick", { bubbles: true, button: 1 }));
  expect(clicked).not.toHaveBeenCalled();
  expect(received("card_click")).toHaveLength(2);
});

it("counts the middle button once where the browser sends a click for it", () => {
  const link = show();
  const click = createEvent.click(link, { button: 1 });
  fireEvent(link, click);
  expect(click.defaultPrevented).toBe(false);
  expect(happened).toEqual(["card_click"]);
});

it("takes a double click for one act, and the next click for another", () => {
  const link = show();
  for (const detail of [1, 2, 3]) fireEvent.click(link, { detail });
  expect(received("card_click")).toHaveLength(1);
  fireEvent.click(link, { detail: 1 });
  expect(received("card_click")).toHaveLength(2);
});

it("counts a click that follows fast on one elsewhere", () => {
  fireEvent.click(show(), { detail: 2 });
  expect(happened).toEqual(["card_click", "view https://experts.example/ada"]);
});

it("counts every click of the keyboard, which has no number", () => {
  const link = show();
  for (const _ of "ab") fireEvent.click(link, { detail: 0 });
  expect(received("card_click")).toHaveLength(2);
});

it("tells of the expert whom it shows now", () => {
  const card = (expert: Expert) => (
    <ExpertCard expert={expert} context="grid" onViewProfile={(url) => happened.push(url)} />
  );
  const { rerender } = render(card(ada));
  rerender(card({ ...ada, username: "bo", profile_url: "/bo", name: "Bo" }));
  fireEvent.click(screen.getByRole("link", { name: "Bo" }));
  expect(happened).toEqual(["card_click", "/bo"]);
  expect(received("card_click")).toEqual([{ expert_id: "bo", context: "grid" }]);
});
