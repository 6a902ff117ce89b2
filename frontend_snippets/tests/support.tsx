import { act, cleanup } from "@testing-library/react";
import { afterEach, beforeEach, vi } from "vitest";
import { createSearchStore, type SearchAnswer, type SearchFilters } from "../searchStore";

export interface SentEvent {
  event_type: string;
  payload: Record<string, unknown>;
}

/** What happened, in order: the types of the events that were sent, and what a test adds. */
export const happened: string[] = [];
let sent: SentEvent[] = [];

/** Gives every test of a file a page of its own, with a server that stores what it is sent. */
export function usePage(): void {
  beforeEach(() => {
    sent = [];
    happened.length = 0;
    localStorage.clear();
    sessionStorage.clear();
    vi.useFakeTimers();
    vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
    vi.stubGlobal("fetch", (_url: string, { body }: { body: string }) => {
      const event = JSON.parse(body) as SentEvent;
      sent.push(event);
      happened.push(event.event_type);
      return Promise.resolve(new Response("{}", { status: 202, headers: { "X-TCS-Events": "1" } }));
    });
  });
  afterEach(() => {
    cleanup();
    vi.useRealTimers();
    vi.unstubAllGlobals();
    vi.restoreAllMocks();
  });
}

/** The payloads of the events that the server received, in order. */
export function received(event_type: string): Array<SentEvent["payload"]> {
  return sent.filter((event) => event.event_type === event_type).map((event) => event.payload);
}

/** Lets time pass, and everything happen that was waiting for it. */
export async function wait(ms = 0): Promise<void> {
  await act(() => vi.advanceTimersByTimeAsync(ms));
}

/** The ends of the slider in the tests. */
const rateEnds = { min: 60, max: 200 };

/** A host whose searches are answered when, and in the order in which, the test says. */
export function makeHost(filters: SearchFilters = {}) {
  const asked: Array<{
    filters: SearchFilters;
    signal: AbortSignal;
    find(result_count: number): Promise<void>;
    fail(): Promise<void>;
  }> = [];
  const store = createSearchStore<string>({
    filters,
    rateEnds,
    waitMs: 0,
    search: (filters, signal) =>
      new Promise<SearchAnswer<string>>((resolve, reject) => {
        asked.push({
          filters,
          signal,
          find: (result_count) =>
            act(async () => resolve({ results: [`${result_count} experts`], result_count })),
          fail: () => act(async () => reject(new Error("the host is away"))),
        });
      }),
  });
  return { store, asked };
}

/** A host which finds the given number of experts as soon as it is asked. */
export function makeQuickHost(result_count: number, filters: SearchFilters = {}) {
  return createSearchStore<string>({
    filters,
    rateEnds,
    waitMs: 0,
    search: () => Promise.resolve({ results: [], result_count }),
  });
}
