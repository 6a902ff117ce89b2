/** What touches the page: never an error of ours, a message at the most. */

/** Returns undefined where something is missing, denied or broken: the page comes first. */
export function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}

/** Tells the developer, who sees it in the console. */
export function warn(...message: unknown[]): void {
  console.warn("tcs_events:", ...message);
}

/** Listens on the window, before any handler of the page that could stop the event. */
export function listen(types: string[], handler: (event: Event) => void): void {
  for (const type of types) addEventListener(type, (event) => attempt(() => handler(event)), true);
}
