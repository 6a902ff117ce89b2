// Conveniences. The pages work without them.

// On a phone the navigation is one line that scrolls: bring the current page into view.
const current = document.querySelector(".rail [aria-current]");
if (current) {
  const line = current.closest("nav");
  line.scrollLeft = current.offsetLeft - line.offsetLeft - (line.clientWidth - current.offsetWidth) / 2;
}

// Show a bar's tooltip at once. Browsers show a <title> late, and on a touch screen never.
const tip = document.createElement("p");
tip.className = "tip";
tip.hidden = true;
tip.setAttribute("aria-hidden", "true"); // screen readers have the table below the chart
document.body.append(tip);

function tell(charts) {
  for (const slot of charts.querySelectorAll(".chart .slot")) {
    const title = slot.querySelector("title");
    const text = title.textContent.replace(/\n+/g, "\n");
    title.remove(); // else the browser shows its own tooltip too
    slot.addEventListener("pointerenter", () => {
      tip.textContent = text;
      tip.hidden = false;
      const bar = slot.getBoundingClientRect();
      const middle = bar.left + bar.width / 2 - tip.offsetWidth / 2;
      tip.style.left = `${Math.max(8, Math.min(middle, innerWidth - tip.offsetWidth - 8))}px`;
      tip.style.top = `${Math.max(8, bar.top - tip.offsetHeight)}px`;
    });
    slot.addEventListener("pointerleave", () => {
      tip.hidden = true;
    });
    if (slot.dataset.href) slot.addEventListener("click", () => location.assign(slot.dataset.href));
  }
}
tell(document);

// What is live is fetched again every few seconds, unless somebody pauses it, reads another tab, or
// has the keyboard or an opened table in it.
const live = document.querySelector("[data-live]");
if (live) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Pause";
  button.addEventListener("click", () => {
    button.textContent = button.textContent === "Pause" ? "Go on" : "Pause";
  });
  const state = document.createElement("span");
  state.setAttribute("role", "status");
  live.previousElementSibling.replaceChildren(button, state);
  setInterval(async () => {
    const isRead = live.contains(document.activeElement) || live.querySelector("details[open]");
    if (document.hidden || isRead || button.textContent !== "Pause") return;
    try {
      const answer = await fetch(location.href);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      live.replaceChildren(...page.querySelector("[data-live]").childNodes);
      tip.hidden = true;
      tell(live);
      state.textContent = "";
    } catch {
      state.textContent = "No answer: this is what was read before.";
    }
  }, 5000);
}
