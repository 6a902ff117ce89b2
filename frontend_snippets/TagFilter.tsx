"use client";

import { useSyncExternalStore, type ReactElement } from "react";
import { whenSettled, type FilterStore } from "./searchStore";
import { trackEvent } from "./tracking";

export interface TagFilterProps {
  store: FilterStore;
  /** All tags there are, in the order shown. */
  tags: readonly string[];
}

/**
 * Tags to filter by. Each toggle sends one `filter_change` once its results are in: the value is
 * the tag that was toggled, and whether it is on now can be seen in `filters`.
 */
export function TagFilter({ store, tags }: TagFilterProps): ReactElement {
  const { filters } = useSyncExternalStore(store.subscribe, store.getState, store.getState);

  async function handleToggle(tag: string): Promise<void> {
    store.getState().toggleTag(tag);
    const { filters, result_count } = await whenSettled(store);
    if (result_count === null) return; // nobody knows what it would find
    trackEvent("filter_change", { filter: "tags", value: tag, filters, result_count });
  }

  return (
    <fieldset className="chips">
      <legend>Tags</legend>
      {tags.map((tag) => (
        <label className="chip" key={tag}>
          <input
            type="checkbox"
            checked={filters.tags?.includes(tag) ?? false}
            onChange={() => void handleToggle(tag)}
          />
          {tag}
        </label>
      ))}
    </fieldset>
  );
}
