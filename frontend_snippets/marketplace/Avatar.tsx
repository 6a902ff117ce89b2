import type { CSSProperties } from "react";
import type { GroveExpert } from "./api";

/** The expert's initials on a colour of their own, in place of a photograph. */
export function Avatar({ expert }: { expert: GroveExpert }) {
  const words = expert.name.split(" ");
  const initials = [words[0], words.at(-1)].map((word) => word?.[0]).join("");
  return (
    <span className="avatar" style={{ "--hue": expert.hue } as CSSProperties} aria-hidden="true">
      {initials}
    </span>
  );
}

export function Leaf() {
  return (
    <svg className="leaf" viewBox="0 0 24 24" aria-hidden="true">
      <path d="M5 19C5 10.5 9.5 5 19 5c0 9.5-5.5 14-14 14zm0 0 7.5-7.5" />
    </svg>
  );
}
