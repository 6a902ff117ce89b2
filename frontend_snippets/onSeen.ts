const SEEN_AFTER_MS = 1000;

/**
 * Calls back once, when half of an element was visible for a second on end. Of an element that is
 * larger than the window, or than the boxes it scrolls in, it takes half of what these can show. An
 * element without a size is not visible; it may grow later, as may any other. Returns a function
 * that ends the watch.
 */
export function onSeen(element: Element, callback: () => void): () => void {
  if (typeof IntersectionObserver === "undefined") return () => {};
  const boxes = clippingBoxes(element);
  let isInView = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let intersections: IntersectionObserver | undefined;
  let measured = "";

  function restartTimer(): void {
    clearTimeout(timer);
    if (!isInView || document.visibilityState === "hidden") return;
    timer = setTimeout(() => {
      stop();
      callback();
    }, SEEN_AFTER_MS);
  }

  /** An observer keeps its threshold, so that another size needs another observer. */
  function measure(): void {
    const { width, height } = element.getBoundingClientRect();
    const threshold = visibleShare(width, height, boxes) / 2;
    if (`${width} ${height} ${threshold}` === measured) return;
    measured = `${width} ${height} ${threshold}`;
    intersections?.disconnect();
    intersections = new IntersectionObserver(
      (entries) => {
        // The last entry is how things are now. `isIntersecting` alone is true of one visible pixel.
        const { intersectionRatio, boundingClientRect: box } = entries.at(-1)!;
        // The ratio of an element without a size is 1. (Observers that a page's tests stand in for
        // the browser's often leave the rectangle out.)
        const isEmpty = box?.width === 0 || box?.height === 0;
        const wasInView = isInView;
        isInView = intersectionRatio >= threshold && !isEmpty;
        if (isInView !== wasInView) restartTimer();
      },
      { threshold },
    );
    intersections.observe(element);
  }

  function stop(): void {
    clearTimeout(timer);
    intersections?.disconnect();
    sizes?.disconnect();
    removeEventListener("resize", measure);
    document.removeEventListener("visibilitychange", restartTimer);
  }

  measure();
  const sizes = typeof ResizeObserver === "undefined" ? undefined : new ResizeObserver(measure);
  for (const box of [element, ...boxes]) sizes?.observe(box);
  addEventListener("resize", measure);
  document.addEventListener("visibilitychange", restartTimer);
  return stop;
}

/** The boxes around an element that cut off what does not fit. What the body cuts, the window does. */
function clippingBoxes(element: Element): Element[] {
  const boxes: Element[] = [];
  for (let box = element.parentElement; box && box !== document.body; box = box.parentElement) {
    if (/auto|scroll|hidden|clip/.test(getComputedStyle(box).overflow)) boxes.push(box);
  }
  return boxes;
}

/** How much of an element of this size can be visible at once: 1 is all of it. */
function visibleShare(width: number, height: number, boxes: Element[]): number {
  const widest = Math.min(width, innerWidth, ...boxes.map((box) => box.clientWidth));
  const highest = Math.min(height, innerHeight, ...boxes.map((box) => box.clientHeight));
  // Where nothing can be visible now, as in a closed panel, another size will be measured later.
  return (widest / width || 1) * (highest / height || 1);
}
