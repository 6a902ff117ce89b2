"use client";

import { useCallback, useRef } from "react";
import { onSeen } from "./onSeen";
import { trackEvent, type CardContext } from "./tracking";

export interface Impression {
  expert_id: string;
  context: CardContext;
  /** The card's place in its list, from 1. `undefined` watches nothing, and stores nothing. */
  position: number | undefined;
  /** Tells several lists of one context apart. Defaults to the context. */
  list?: string | undefined;
}

const SEEN = "tcs_seen";
/** A tab in which more cards were seen forgets the first ones, and may tell of them again. */
const MAX_SEEN = 1000;

/**
 * A ref for a card, which sends `card_impression` once half of the card was visible for a second
 * on end: once per list, expert and position, until the tab is closed. Of a card that is larger
 * than the window, or than the box it scrolls in, it takes half of what these can show.
 *
 * A card that shows another expert, or moves to another position, is watched anew.
 *
 * The server must allow the type `card_impression`; by default it does not.
 */
export function useImpression<Card extends Element>(
  impression: Impression,
): (card: Card | null) => void {
  const { expert_id, context, position, list = context } = impression;
  const stop = useRef<(() => void) | undefined>(undefined);

  // React calls a ref with null, and then with the card, whenever the function is another one.
  return useCallback(
    (card: Card | null) => {
      stop.current?.();
      stop.current = undefined;
      if (!card || position === undefined) return;
      const name = JSON.stringify([list, expert_id, position]);
      if (seen().has(name)) return;
      stop.current = onSeen(card, () => {
        if (!markSeen(name)) return; // by another card, or another page of the tab
        trackEvent("card_impression", { expert_id, context, position });
      });
    },
    [expert_id, context, position, list],
  );
}

/** What this page knows to be seen; where storage is denied, all there is. */
let known: Set<string> | undefined;

function seen(): Set<string> {
  return (known ??= new Set(stored()));
}

/** Returns false where it is marked already. */
function markSeen(name: string): boolean {
  // Another page of the tab may have seen more, while this one was kept to go back to.
  for (const other of stored()) seen().add(other);
  if (seen().has(name)) return false;
  const names = [...seen(), name].slice(-MAX_SEEN);
  known = new Set(names);
  try {
    sessionStorage.setItem(SEEN, JSON.stringify(names));
  } catch {
    // Denied or full: the set in memory has it.
  }
  return true;
}

function stored(): string[] {
  try {
    const names: unknown = JSON.parse(sessionStorage.getItem(SEEN) ?? "[]");
    return Array.isArray(names) ? names : [];
  } catch {
    return []; // denied, or not what we wrote
  }
}
