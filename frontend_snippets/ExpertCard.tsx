import type { MouseEvent, ReactNode } from "react";
import { trackEvent, type CardContext } from "./tracking";
import { useImpression } from "./useImpression";

/** What a card shows of an expert. */
export interface Expert {
  /** Unique and stable: the `expert_id` of the events. */
  username: string;
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
  /** Opens the profile. Called after the click was recorded. */
  onViewProfile(username: string): void;
  /** Where the profile is, for a new tab. Defaults to `/experts/<username>`. */
  href?: string;
  /** Where the card is in its list, from 1. With it, the card also sends `card_impression`. */
  position?: number;
  /** Shown beside the name. */
  picture?: ReactNode;
}

/** An expert in a list. A click on the name, or anywhere on a card styled so, opens the profile. */
export function ExpertCard(props: ExpertCardProps) {
  const { expert, context, onViewProfile, position, picture } = props;
  const { href = `/experts/${encodeURIComponent(expert.username)}` } = props;
  const card = useImpression<HTMLElement>({ expert_id: expert.username, context, position });

  function handleClick(click: MouseEvent): void {
    trackEvent("card_click", { expert_id: expert.username, context });
    // With a key held down the browser opens a tab or a window, and this page stays.
    if (click.metaKey || click.ctrlKey || click.shiftKey || click.altKey) return;
    click.preventDefault();
    onViewProfile(expert.username);
  }

  /** The middle button opens a tab too, and makes no `click`. */
  function handleAuxClick(click: MouseEvent): void {
    if (click.button === 1) trackEvent("card_click", { expert_id: expert.username, context });
  }

  return (
    <article className="card" ref={card}>
      {picture}
      <h3>
        <a className="card-link" href={href} onClick={handleClick} onAuxClick={handleAuxClick}>
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
