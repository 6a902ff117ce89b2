"use client";

import { useCallback, useEffect, useRef, useState, useSyncExternalStore, type ReactElement } from "react";
import { whenSettled, type FilterStore } from "./searchStore";
import { trackEvent } from "./tracking";

export interface SearchInputProps {
  store: FilterStore;
  /** What the field is for; read out, not shown. */
  label: string;
  placeholder?: string;
}

const DEBOUNCE_MS = 1000;

type Timer = ReturnType<typeof setTimeout>;

/**
 * A search field. Every letter changes the store. A second after the last one, and once its results
 * are in, one `filter_change` says what was searched for: `null` where the field was emptied.
 *
 * Where the field or the page goes away within that second, the event is sent at once: the words
 * were applied, and the visitor saw what they found.
 *
 * Text that an input method is still composing is searched for, since Android's keyboard composes
 * every word and a Korean syllable is composed until the next one begins. No event is sent until
 * the text is committed, and the second begins then.
 */
export function SearchInput({ store, label, placeholder }: SearchInputProps): ReactElement {
  const { filters } = useSyncExternalStore(store.subscribe, store.getState, store.getState);
  const { query = "" } = filters;
  // The text as typed, and the query the store made of it, which may lack the space after a word.
  const [typed, setTyped] = useState({ text: query, query });
  const value = typed.query === query ? typed.text : query;

  const timer = useRef<Timer | undefined>(undefined);
  const isComposing = useRef(false);
  /** The query before the visitor typed, until an event has told of it. */
  const before = useRef<string | undefined>(undefined);

  const stopTimer = useCallback(() => {
    clearTimeout(timer.current);
    timer.current = undefined;
  }, []);

  const trackTyped = useCallback(() => {
    stopTimer();
    if (before.current === undefined || isComposing.current) return;
    void whenSettled(store).then(({ filters, result_count }) => {
      // The visitor went on typing while the search ran: a later call sends the event.
      if (before.current === undefined || timer.current || isComposing.current) return;
      const { query = "" } = filters;
      const hasChanged = before.current !== query;
      before.current = undefined;
      if (!hasChanged || result_count === null) return; // null: nobody knows what it would find
      trackEvent("filter_change", { filter: "query", value: query || null, filters, result_count });
    });
  }, [store, stopTimer]);

  useEffect(() => {
    addEventListener("pagehide", trackTyped);
    return () => {
      removeEventListener("pagehide", trackTyped);
      trackTyped();
    };
  }, [trackTyped]);

  function handleChange(text: string): void {
    before.current ??= query;
    stopTimer();
    if (!isComposing.current) timer.current = setTimeout(trackTyped, DEBOUNCE_MS);
    if (text === value) return;
    const { setQuery } = store.getState();
    setQuery(text);
    setTyped({ text, query: store.getState().filters.query ?? "" });
  }

  function handleCompositionStart(): void {
    isComposing.current = true;
    stopTimer();
  }

  /** Takes the text from the field: some browsers send the last `input` before this, some after. */
  function handleCompositionEnd(text: string): void {
    if (!isComposing.current) return;
    isComposing.current = false;
    handleChange(text);
  }

  return (
    <input
      type="search"
      aria-label={label}
      placeholder={placeholder}
      value={value}
      onChange={(change) => {
        // Where the server has rendered the page, a composition may have begun before React listened.
        if ((change.nativeEvent as InputEvent).isComposing) handleCompositionStart();
        handleChange(change.target.value);
      }}
      onCompositionStart={handleCompositionStart}
      onCompositionEnd={(end) => handleCompositionEnd(end.currentTarget.value)}
      // Nothing is composed without the focus, whether or not the browser said that it ended.
      onBlur={(blur) => handleCompositionEnd(blur.currentTarget.value)}
    />
  );
}
