"use client";

import { useRef, type MouseEvent, type ReactElement, type ReactNode } from "react";
import { trackEvent, type CardContext } from "./tracking";
import { useImpression } from "./useImpression";

/** What a card shows of an expert. */
export interface Expert {
  /** Unique and stable: the `expert_id` of the events. */
  username: string;
  /** Where the profile is. */
  profile_url: string;
  name: string;
  title: string;
  bio: string;
  tags: readonly string[];
  /** In euros. */
  hourly_rate: number;
}

export interface ExpertCardProps {
  expert: Expert;
  /** Where the card is: in the list, or in an answer of Sage. */
  context: CardContext;
  /** Opens the profile. Called with `expert.profile_url`, after the click was recorded. */
  onViewProfile(url: string): void;
  /** The card's place in its list, from 1. With it, the card also sends `card_impression`. */
  position?: number | undefined;
  /** Shown beside the name. */
  picture?: ReactNode;
}

/** An expert in a list. A click on the name, or anywhere on a card styled so, opens the profile. */
export function ExpertCard({ expert, context, onViewProfile, position, picture }: ExpertCardProps): ReactElement {
  const card = useImpression<HTMLElement>({ expert_id: expert.username, context, position });
  /** `detail` of the last click here: its number in a double or triple click. */
  const lastClick = useRef(0);

  function trackClick(): void {
    trackEvent("card_click", { expert_id: expert.username, context });
  }

  function handleClick(click: MouseEvent): void {
    click.stopPropagation();
    // A double click is one act. Its first click may have been on something else, which has gone.
    const isRepeated = click.detail > 1 && click.detail === lastClick.current + 1;
    lastClick.current = click.detail;
    if (!isRepeated) trackClick();
    // With a key held down the browser opens a tab or a window, and this page stays. So it does
    // for the middle button, for which Safari before 18.2 sends a click and no auxclick.
    if (click.button || click.metaKey || click.ctrlKey || click.shiftKey || click.altKey) return;
    click.preventDefault();
    onViewProfile(expert.profile_url);
  }

  /** The middle button opens a tab too, and makes no `click`. */
  function handleAuxClick(click: MouseEvent): void {
    click.stopPropagation();
    if (click.button === 1) trackClick();
  }

  return (
    <article className="card" ref={card}>
      {picture}
      <h3>
        <a
          className="card-link"
          href={expert.profile_url}
          onClick={handleClick}
          onAuxClick={handleAuxClick}
        >
          {expert.name}
        </a>
      </h3>
      <p className="title">{expert.title}</p>
      <p className="bio">{expert.bio}</p>
      <p className="facts">
        {expert.tags.map((tag) => (
          <span className="tag" key={tag}>
            {tag}
          </span>
        ))}
        <span className="rate">
          <b>€{expert.hourly_rate}</b> / h
        </span>
      </p>
    </article>
  );
}
