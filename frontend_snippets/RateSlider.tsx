"use client";

import { useEffect, useId, useRef, useSyncExternalStore, type ReactElement } from "react";
import { whenSettled, type FilterStore } from "./searchStore";
import { trackEvent } from "./tracking";

export interface RateSliderProps {
  store: FilterStore;
  /** The left end, in euros. A lower bound that stands here is off. */
  min: number;
  /** The right end, in euros. An upper bound that stands here is off. */
  max: number;
  /** In euros, and how far apart the two handles stay. Defaults to 10. */
  step?: number;
}

type Bound = "rate_min" | "rate_max";

const RELEASES = [
  "pointerup",
  "pointercancel",
  "mouseup",
  "touchend",
  "touchcancel",
  "keyup",
  "focusout", // screen readers move a slider with neither pointer nor key
  "pagehide",
];

/**
 * A slider for the hourly rate with a handle for each bound. Every tick changes the store. One
 * `filter_change` is sent for a handle once it was released and its results are in, if it then
 * stands elsewhere. Its value is `null` at the handle's own end, where the bound is off. Several
 * presses of an arrow key before the results are in are one event.
 */
export function RateSlider({ store, min, max, step = 10 }: RateSliderProps): ReactElement {
  const { filters } = useSyncExternalStore(store.subscribe, store.getState, store.getState);
  const { rate_min = min, rate_max = max } = filters;
  const id = useId();

  /** Where a handle stood before the visitor moved it, until an event has told of it. */
  const before = useRef<{ [bound in Bound]?: { rate: number; end: number } }>({});
  const heldBy = useRef<"pointer" | "key" | undefined>(undefined);

  useEffect(() => {
    function trackMoved(): void {
      void whenSettled(store).then(({ filters, result_count }) => {
        if (heldBy.current) return; // moved again meanwhile: the next release tells of it
        const moved = before.current;
        // A touch ends with a pointerup and a mouseup too. They must not send anything again.
        before.current = {};
        if (result_count === null) return; // the search failed: nobody knows what it would find
        for (const bound of ["rate_min", "rate_max"] as const) {
          const stood = moved[bound];
          if (!stood) continue;
          const { [bound]: now = stood.end } = filters;
          if (now === stood.rate) continue;
          const value = now === stood.end ? null : now;
          trackEvent("filter_change", { filter: bound, value, filters, result_count });
        }
      });
    }
    function handleRelease({ type }: { type: string }): void {
      // A key that is let go of during a drag does not end it, nor does the focus that moves here.
      if (/keyup|focusout/.test(type) && heldBy.current === "pointer") return;
      heldBy.current = undefined;
      if (before.current.rate_min || before.current.rate_max) trackMoved();
    }

    // On the window, since a slider is often released beside it; capturing, so that the page cannot
    // stop the event first.
    for (const type of RELEASES) addEventListener(type, handleRelease, true);
    return () => {
      for (const type of RELEASES) removeEventListener(type, handleRelease, true);
      handleRelease({ type: "unmount" });
    };
  }, [store]);

  function handleTick(bound: Bound, rate: number): void {
    const lower = bound === "rate_min" ? Math.max(min, Math.min(rate, rate_max - step)) : rate_min;
    const upper = bound === "rate_max" ? Math.min(max, Math.max(rate, rate_min + step)) : rate_max;
    if (lower === rate_min && upper === rate_max) return;
    before.current[bound] ??=
      bound === "rate_min" ? { rate: rate_min, end: min } : { rate: rate_max, end: max };
    store.getState().setRateRange(lower, upper);
  }

  const lowest = rate_min > min ? `from €${rate_min}` : "any";
  const highest = rate_max < max ? `up to €${rate_max}` : "any";
  const holdByPointer = () => void (heldBy.current = "pointer");
  const holdByKey = () => void (heldBy.current = "key");
  const handle = {
    type: "range",
    min,
    max,
    step,
    onPointerDown: holdByPointer,
    onMouseDown: holdByPointer,
    onTouchStart: holdByPointer,
    onKeyDown: holdByKey,
  };
  return (
    <fieldset className="slider">
      <legend>Hourly rate</legend>
      <span className="handles">
        <input
          {...handle}
          id={`${id}min`}
          aria-label="Lowest hourly rate"
          aria-valuetext={lowest}
          value={rate_min}
          onChange={(tick) => handleTick("rate_min", Number(tick.target.value))}
        />
        <input
          {...handle}
          id={`${id}max`}
          aria-label="Highest hourly rate"
          aria-valuetext={highest}
          value={rate_max}
          onChange={(tick) => handleTick("rate_max", Number(tick.target.value))}
        />
      </span>
      <output htmlFor={`${id}min ${id}max`}>
        {lowest === "any" ? highest : highest === "any" ? lowest : `€${rate_min} to €${rate_max}`}
      </output>
    </fieldset>
  );
}
