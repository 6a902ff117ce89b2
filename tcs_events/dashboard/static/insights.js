// Two comforts: the pages work the same without them.

// On a phone the navigation is one line to swipe: bring the current page into it.
const current = document.querySelector(".rail [aria-current]");
if (current) {
  const line = current.closest("ul");
  line.scrollLeft = current.offsetLeft - line.offsetLeft - (line.clientWidth - current.offsetWidth) / 2;
}

// What a bar says is shown at once, under the pointer or the finger; a browser does so later, or never.
const tip = document.createElement("p");
tip.className = "tip";
tip.hidden = true;
tip.setAttribute("aria-hidden", "true"); // the table below the chart says the same
document.body.append(tip);

for (const slot of document.querySelectorAll(".chart .slot")) {
  const title = slot.querySelector("title");
  const text = title.textContent;
  title.remove(); // or the browser's own would come on top
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
}
