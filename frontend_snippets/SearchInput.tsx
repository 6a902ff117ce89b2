import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { whenSettled, type SearchStore } from "./searchStore";
import { trackEvent } from "./tracking";

export interface SearchInputProps {
  store: SearchStore;
  /** What the field is for; read out, not shown. */
  label: string;
  placeholder?: string;
}

const DEBOUNCE_MS = 1000;

/**
 * A search field. Every letter changes the store; a second after the last one, and once its results
 * are in, one `filter_change` says what was searched for: `null` where the field was emptied.
 *
 * Where the field or the page goes away within that second, the event is sent at once, not lost:
 * the words were applied, and the visitor saw what they found.
 */
export function SearchInput({ store, label, placeholder }: SearchInputProps) {
  const { filters } = useSyncExternalStore(store.subscribe, store.getState, store.getState);
  const { query = "" } = filters;
  // The store has no use for the space after a word, but whoever goes on typing has.
  const [typed, setTyped] = useState(query);
  const value = typed.trim() === query ? typed : query;

  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  /** The query before the visitor typed, until an event has told of it. */
  const before = useRef<string>(undefined);

  const trackTyped = useCallback(() => {
    clearTimeout(timer.current);
    if (before.current === undefined) return;
    void whenSettled(store).then(({ filters, result_count }) => {
      const { query = "" } = filters;
      const hasChanged = before.current !== undefined && before.current !== query;
      before.current = undefined;
      if (!hasChanged || result_count === null) return; // null: nobody knows what it would find
      trackEvent("filter_change", { filter: "query", value: query || null, filters, result_count });
    });
  }, [store]);

  useEffect(() => {
    addEventListener("pagehide", trackTyped);
    return () => {
      removeEventListener("pagehide", trackTyped);
      trackTyped();
    };
  }, [trackTyped]);

  function handleChange(text: string): void {
    before.current ??= query;
    clearTimeout(timer.current);
    timer.current = setTimeout(trackTyped, DEBOUNCE_MS);
    setTyped(text);
    store.getState().setQuery(text);
  }

  return (
    <input
      type="search"
      aria-label={label}
      placeholder={placeholder}
      value={value}
      onChange={(change) => handleChange(change.target.value)}
    />
  );
}
