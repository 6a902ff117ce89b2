import { useEffect, useId, useRef, useSyncExternalStore } from "react";
import { whenSettled, type SearchStore } from "./searchStore";
import { trackEvent } from "./tracking";

export interface RateSliderProps {
  store: SearchStore;
  /** The left end, in euros. */
  min: number;
  /** The right end, where the slider means "any rate". */
  max: number;
  /** In euros. Defaults to 10. */
  step?: number;
}

const RELEASES = ["mouseup", "touchend", "touchcancel", "keyup"];

/**
 * A slider for the highest hourly rate. Every tick changes the store; one `filter_change` is sent
 * once it was let go of and its results are in, if it stands elsewhere then: its value is `null`
 * for any rate. Who presses an arrow key five times before the results are in sends one event.
 */
export function RateSlider({ store, min, max, step = 10 }: RateSliderProps) {
  const { filters } = useSyncExternalStore(store.subscribe, store.getState, store.getState);
  const { rate_max = max } = filters;
  const id = useId();

  /** The rate before the visitor moved the slider, until an event has told of it. */
  const before = useRef<number>(undefined);

  useEffect(() => {
    function handleRelease(): void {
      if (before.current === undefined) return;
      void whenSettled(store).then(({ filters, result_count }) => {
        const { rate_max } = filters;
        const hasChanged = before.current !== undefined && before.current !== (rate_max ?? max);
        // Whatever else lets go until then (a touch ends with a mouseup too) has nothing to add.
        before.current = undefined;
        if (!hasChanged || result_count === null) return; // null: nobody knows what it would find
        const value = rate_max ?? null;
        trackEvent("filter_change", { filter: "rate_max", value, filters, result_count });
      });
    }

    // On the window, since a slider is often let go of beside it; and before the page can stop it.
    for (const type of RELEASES) addEventListener(type, handleRelease, true);
    return () => {
      for (const type of RELEASES) removeEventListener(type, handleRelease, true);
      handleRelease(); // a slider that goes away while it is held
    };
  }, [store, max]);

  function handleTick(rate: number): void {
    before.current ??= rate_max;
    store.getState().setRateMax(rate < max ? rate : undefined);
  }

  const shown = rate_max < max ? `up to €${rate_max}` : "any";
  return (
    <div className="slider">
      <label htmlFor={id}>Hourly rate</label>
      <input
        id={id}
        type="range"
        min={min}
        max={max}
        step={step}
        value={rate_max}
        aria-valuetext={shown}
        onChange={(tick) => handleTick(Number(tick.target.value))}
      />
      <output htmlFor={id}>{shown}</output>
    </div>
  );
}
