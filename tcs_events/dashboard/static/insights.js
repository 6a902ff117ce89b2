// Conveniences. The pages work without them.

// On a phone the navigation is one line that scrolls: bring the current page into view.
const current = document.querySelector(".rail [aria-current]");
if (current) {
  const line = current.closest("ul");
  line.scrollLeft = current.offsetLeft - line.offsetLeft - (line.clientWidth - current.offsetWidth) / 2;
}

// Show a bar's tooltip at once. Browsers show a <title> late, and on a touch screen never.
const tip = document.createElement("p");
tip.className = "tip";
tip.hidden = true;
tip.setAttribute("aria-hidden", "true"); // screen readers have the table below the chart
document.body.append(tip);

for (const slot of document.querySelectorAll(".chart .slot")) {
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
  if (slot.dataset.href) slot.addEventListener("click", () => location.assign(slot.dataset.href));
  slot.addEventListener("pointerleave", () => {
    tip.hidden = true;
  });
}
