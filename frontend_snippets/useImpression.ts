import { useEffect, useRef, type RefObject } from "react";
import { trackEvent, type CardContext } from "./tracking";

export interface Impression {
  expert_id: string;
  context: CardContext;
  /** The card's place in its list, from 1. `undefined` watches nothing, and stores nothing. */
  position: number | undefined;
  /** Tells several lists of one context apart. Defaults to the context. */
  list?: string;
}

const SEEN = "tcs_seen";
const SEEN_AFTER_MS = 1000;

/**
 * A ref for a card, which sends `card_impression` once half of the card was visible for a second
 * on end: once per list and expert, until the tab is closed. Of a card higher than the window it
 * takes half a window.
 *
 * The server must allow the type `card_impression`; by default it does not.
 */
export function useImpression<Card extends Element>(impression: Impression): RefObject<Card | null> {
  const { expert_id, context, position, list = context } = impression;
  const card = useRef<Card>(null);

  useEffect(() => {
    const name = `${list}/${expert_id}`;
    if (!card.current || position === undefined || readSeen().has(name)) return;
    return onSeen(card.current, () => {
      if (readSeen().has(name)) return; // by another card of the same expert in the list
      markSeen(name);
      trackEvent("card_impression", { expert_id, context, position });
    });
  }, [expert_id, context, position, list]);

  return card;
}

/** Calls back when the element was seen for a second, once. Returns what ends the watch. */
function onSeen(element: Element, callback: () => void): () => void {
  if (typeof IntersectionObserver === "undefined") return () => {};
  let isInView = false;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function update(): void {
    clearTimeout(timer);
    if (!isInView || document.visibilityState === "hidden") return;
    timer = setTimeout(() => {
      stop();
      callback();
    }, SEEN_AFTER_MS);
  }
  function stop(): void {
    clearTimeout(timer);
    observer.disconnect();
    document.removeEventListener("visibilitychange", update);
  }

  const { height } = element.getBoundingClientRect();
  const threshold = height > innerHeight ? (0.5 * innerHeight) / height : 0.5;
  const observer = new IntersectionObserver(
    (entries) => {
      // The last entry is how things are now. `isIntersecting` alone is true of one visible pixel.
      isInView = entries.at(-1)!.intersectionRatio >= threshold;
      update();
    },
    { threshold },
  );
  observer.observe(element);
  document.addEventListener("visibilitychange", update);
  return stop;
}

/** What was seen, read from storage once; where that is denied, it lives as long as the page. */
let seen: Set<string> | undefined;

function readSeen(): Set<string> {
  if (seen) return seen;
  try {
    seen = new Set(JSON.parse(sessionStorage.getItem(SEEN) ?? "[]") as string[]);
  } catch {
    seen = new Set(); // denied, or not what we wrote
  }
  return seen;
}

function markSeen(name: string): void {
  const names = [...readSeen().add(name)];
  try {
    sessionStorage.setItem(SEEN, JSON.stringify(names));
  } catch {
    // Denied or full: the set in memory has it.
  }
}
