import { useEffect, useRef, useState, type MouseEvent } from "react";
import { findExpert, type GroveExpert } from "./api";
import { Avatar } from "./Avatar";

export interface ProfileProps {
  username: string;
  /** Goes to the list of all experts. */
  onBack(): void;
}

/** An expert's own page. */
export function Profile({ username, onBack }: ProfileProps) {
  const [expert, setExpert] = useState<GroveExpert | "none" | "failed">();
  const heading = useRef<HTMLHeadingElement>(null);

  useEffect(() => {
    let isGone = false;
    findExpert(username)
      .then((found) => found ?? ("none" as const))
      .catch(() => "failed" as const)
      .then((found) => isGone || setExpert(found));
    return () => {
      isGone = true;
    };
  }, [username]);

  // Whoever reads with their ears, or goes by the keyboard, is taken along.
  useEffect(() => {
    heading.current?.focus({ preventScroll: true });
    if (typeof expert === "object") document.title = `${expert.name} · Grove`;
    return () => {
      document.title = "Grove";
    };
  }, [expert]);

  function handleBack(click: MouseEvent): void {
    if (click.metaKey || click.ctrlKey || click.shiftKey) return; // the browser opens a tab
    click.preventDefault();
    onBack();
  }

  return (
    <>
      <a className="back" href="?" onClick={handleBack}>
        ← All experts
      </a>
      {typeof expert === "object" ? (
        <article className="profile">
          <Avatar expert={expert} />
          <div className="who">
            <h1 ref={heading} tabIndex={-1}>
              {expert.name}
            </h1>
            <p className="title">{expert.title}</p>
          </div>
          <p className="bio">{expert.bio}</p>
          <p className="facts">
            {expert.tags.map((tag) => (
              <span className="tag" key={tag}>
                {tag}
              </span>
            ))}
            <span className="rate">
              <b>€{expert.hourly_rate}</b> an hour
            </span>
          </p>
        </article>
      ) : (
        <p className="nobody" role="status">
          {expert === "none" && "There is no such expert here."}
          {expert === "failed" && "The profile could not be loaded. Please try again."}
        </p>
      )}
    </>
  );
}
