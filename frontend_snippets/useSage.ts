"use client";

import { useRef, useState } from "react";
import { trackEvent, type Filters } from "./tracking";

/** What the host answers to a question. */
export interface SageAnswer {
  /** False where the question only held filters, as in "under 100 euros". */
  search_performed: boolean;
  /** How many were found. Missing where the host did not count, as when it only applied filters. */
  total?: number | null | undefined;
  /** Those found, best first, if the host sends them. */
  experts?: readonly { username: string }[] | null | undefined;
}

export interface SageOptions<Answer extends SageAnswer> {
  /** Asks the host. Rejects where there is no answer, and after a time where none comes. */
  request(query_text: string, filters: Filters): Promise<Answer>;
  /** Shows an answer. Called after the question was recorded, in the order of the questions. */
  addMessage(answer: Answer, query_text: string): void;
  /** The filters under which a question is asked; those that are off are left out. */
  getFilters(): Filters;
}

export interface Sage {
  /** Asks a question; the promise is fulfilled once it is answered or has failed. */
  ask(query_text: string): Promise<void>;
  /** Whether an answer is still to come. */
  isAsking: boolean;
  /** The last question, if it got no answer: to be told to the visitor. */
  failedQuery: string | null;
}

/**
 * Sage, which answers questions. Each answer sends one `sage_query`; a question without an answer
 * sends nothing. Questions may overlap: all are asked at once, and answered in their order.
 */
export function useSage<Answer extends SageAnswer>(options: SageOptions<Answer>): Sage {
  const { request, addMessage, getFilters } = options;
  const [asking, setAsking] = useState(0);
  const [failedQuery, setFailedQuery] = useState<string | null>(null);
  const previous = useRef<Promise<unknown> | undefined>(undefined);

  function ask(text: string): Promise<void> {
    const query_text = text.trim();
    if (!query_text) return Promise.resolve();
    const filters = getFilters(); // as they are now: they may change before the answer
    const answered = (async () => request(query_text, filters))(); // rejects where request throws
    // Settled, whether fulfilled or not: one failure must not hold up the questions after it.
    const settled = Promise.allSettled([answered, previous.current]);
    setAsking((count) => count + 1);
    setFailedQuery(null);
    const turn = settled.then(([outcome]) => {
      setAsking((count) => count - 1);
      if (outcome.status === "rejected") return setFailedQuery(query_text);
      const data = outcome.value;
      trackEvent("sage_query", {
        query_text,
        function_called: data.search_performed ? "search_experts" : "apply_filters",
        result_count: data.total ?? null, // unknown is not 0
        expert_ids: data.experts?.map((expert) => expert.username) ?? [],
        filters,
      });
      addMessage(data, query_text);
    });
    previous.current = turn;
    return turn;
  }

  return { ask, isAsking: asking > 0, failedQuery };
}
