import { useEffect, useRef, useState, type FormEvent } from "react";
import { ExpertCard } from "../ExpertCard";
import { useSage } from "../useSage";
import { askSage, type GroveAnswer } from "./api";
import { Avatar, Leaf } from "./Avatar";
import type { ResultsProps } from "./SearchPage";

interface Message {
  query_text: string;
  /** Missing until it is here. */
  answer?: GroveAnswer;
}

const SUGGESTIONS = ["A designer who knows accessibility", "Flask under 110 euros", "Up to 80 euros"];
const CARDS_SHOWN = 4;

/** A conversation with Sage. On a phone it is a sheet at the lower edge, which opens on demand. */
export function SagePanel({ store, onViewProfile }: ResultsProps) {
  const [messages, setMessages] = useState<Message[]>([]);
  const [isOpen, setIsOpen] = useState(false);
  const log = useRef<HTMLOListElement>(null);

  const { ask, isAsking, failedQuery } = useSage<GroveAnswer>({
    request: askSage,
    getFilters: () => {
      // A question has words of its own, in place of those in the search field.
      const { query: _, ...filters } = store.getState().filters;
      return filters;
    },
    addMessage: (answer, query_text) =>
      setMessages((messages) => {
        const index = messages.findIndex((open) => !open.answer && open.query_text === query_text);
        return messages.map((message, i) => (i === index ? { query_text, answer } : message));
      }),
  });

  useEffect(() => {
    const newest = log.current?.lastElementChild as HTMLElement | null;
    log.current?.scrollTo({ top: newest?.offsetTop ?? 0, behavior: "smooth" });
  }, [messages, failedQuery]);

  function send(text: string): void {
    const query_text = text.trim();
    if (!query_text) return;
    setMessages((messages) => [...messages, { query_text }]);
    void ask(query_text);
  }

  function handleSubmit(submit: FormEvent<HTMLFormElement>): void {
    submit.preventDefault();
    const field = submit.currentTarget.elements.namedItem("question") as HTMLInputElement;
    send(field.value);
    field.value = "";
  }

  function handleViewProfile(url: string): void {
    setIsOpen(false);
    onViewProfile(url);
  }

  return (
    <aside className="panel" aria-labelledby="sage" data-open={isOpen}>
      <header>
        <h2 id="sage">
          <Leaf /> Sage
        </h2>
        <button
          className="toggle"
          aria-expanded={isOpen}
          aria-controls="conversation"
          onClick={() => setIsOpen(!isOpen)}
        >
          {isOpen ? "Close" : "Ask Sage"}
        </button>
      </header>
      <div id="conversation">
        <ol className="log" role="log" ref={log} tabIndex={0} aria-label="Conversation">
          {messages.map((message, index) => (
            <li key={index}>
              <p className="question">{message.query_text}</p>
              {message.answer && <Answer answer={message.answer} onViewProfile={handleViewProfile} />}
            </li>
          ))}
          {isAsking && <li className="thinking">Sage is looking</li>}
          {failedQuery !== null && (
            <li role="alert">
              <p className="failed">Sage could not be reached just now.</p>
              <button className="suggestion" onClick={() => void ask(failedQuery)}>
                Ask again: {failedQuery}
              </button>
            </li>
          )}
          {messages.length === 0 && (
            <li className="welcome">
              <p>Say what you need, in your own words. The filters of the list count too.</p>
              {SUGGESTIONS.map((suggestion) => (
                <button className="suggestion" key={suggestion} onClick={() => send(suggestion)}>
                  {suggestion}
                </button>
              ))}
            </li>
          )}
        </ol>
        <form onSubmit={handleSubmit} autoComplete="off">
          <input name="question" aria-label="Ask Sage" placeholder="Ask Sage" maxLength={200} />
          <button className="send" aria-label="Send">
            <svg viewBox="0 0 24 24" aria-hidden="true">
              <path d="M12 19V5m-6 6 6-6 6 6" />
            </svg>
          </button>
        </form>
      </div>
    </aside>
  );
}

interface AnswerProps {
  answer: GroveAnswer;
  onViewProfile(url: string): void;
}

/** What Sage says, and the first of those found. */
function Answer({ answer, onViewProfile }: AnswerProps) {
  const more = answer.total - CARDS_SHOWN;
  return (
    <>
      <p>{answer.answer}</p>
      <ul className="found">
        {answer.experts.slice(0, CARDS_SHOWN).map((expert, index) => (
          <li key={expert.username}>
            <ExpertCard
              expert={expert}
              context="sage_panel"
              position={index + 1}
              picture={<Avatar expert={expert} />}
              onViewProfile={onViewProfile}
            />
          </li>
        ))}
      </ul>
      {more > 0 && <p className="more">and {more} more</p>}
    </>
  );
}
