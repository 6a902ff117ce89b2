// @vitest-environment happy-dom
import { readdirSync, readFileSync } from "node:fs";
import { afterEach, expect, it, vi } from "vitest";

const FILES = readdirSync(".").filter((name) => /^[a-zA-Z]+\.tsx?$/.test(name));
const USING_REACT = FILES.filter((name) => readFileSync(name, "utf8").includes(' from "react"'));

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

it("finds the files", () => {
  expect(USING_REACT).toEqual([
    "ExpertCard.tsx",
    "RateSlider.tsx",
    "SearchInput.tsx",
    "TagFilter.tsx",
    "useImpression.ts",
    "useSage.ts",
  ]);
});

it.each(FILES)("%s may be imported in a host's test that runs all timers", async (name) => {
  vi.resetModules();
  vi.useFakeTimers();
  await import(/* @vite-ignore */ `../${name}`);
  vi.runAllTimers(); // throws after 10,000 timers
  expect(vi.getTimerCount()).toBe(0);
});

it.each(USING_REACT)("%s has no effect but that of the tracker when imported", async (name) => {
  vi.resetModules();
  vi.doMock("../tracking", () => ({ trackEvent: vi.fn() }));
  const added = vi.spyOn(EventTarget.prototype, "addEventListener");
  await import(/* @vite-ignore */ `../${name}`);
  vi.doUnmock("../tracking");
  expect(added).not.toHaveBeenCalled();
});

it.each(FILES)("%s begins with 'use client' where it uses React, and only there", (name) => {
  const isClient = readFileSync(name, "utf8").startsWith('"use client";\n');
  expect(isClient).toBe(USING_REACT.includes(name));
});
