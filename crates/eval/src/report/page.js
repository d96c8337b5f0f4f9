"use strict";
// Curves: show the values of the step nearest to the pointer in place of the last ones.
for (const figure of document.querySelectorAll("figure.chart")) {
  const svg = figure.querySelector("svg");
  const labels = [...figure.querySelectorAll(".legend span")];
  const caption = figure.querySelector("figcaption");
  const title = caption.innerHTML;
  const [low, high, from, to] = svg.dataset.x.split(" ").map(Number);
  const lines = [...svg.querySelectorAll("g[data-points]")].map((g) =>
    g.dataset.points.split(" ").map((pair) => pair.split(",").map(Number)));
  const last = labels.map((label) => label.querySelector("b")?.textContent);
  const cursor = document.createElementNS(svg.namespaceURI, "path");
  cursor.setAttribute("class", "cursor");
  svg.append(cursor);
  const bottom = svg.dataset.y.split(" ")[2], top = svg.dataset.y.split(" ")[3];
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width;
    const wanted = low + (x - from) / (to - from) * (high - low);
    const near = lines.map((points) =>
      points.reduce((best, p) => Math.abs(p[0] - wanted) < Math.abs(best[0] - wanted) ? p : best));
    const step = near.reduce((a, b) => Math.abs(a[0] - wanted) <= Math.abs(b[0] - wanted) ? a : b)[0];
    near.forEach((p, i) => { labels[i].querySelector("b").textContent = p[1]; });
    caption.innerHTML = title + " <small></small>";
    caption.lastElementChild.textContent = "at step " + step;
    const at = from + (step - low) / (high - low) * (to - from);
    cursor.setAttribute("d", `M${at} ${bottom}V${top}`);
  });
  svg.addEventListener("pointerleave", () => {
    last.forEach((text, i) => { labels[i].querySelector("b").textContent = text; });
    caption.innerHTML = title;
    cursor.removeAttribute("d");
  });
}

// Episodes: one pair at a time.
const section = document.getElementById("episodes");
if (section) {
  const controls = section.querySelector(".controls");
  const select = controls.querySelector("select");
  const articles = [...section.querySelectorAll("article")];
  let at = 0;
  const show = () => {
    const chosen = articles.filter((a) => !select.value || a.dataset.env === select.value);
    at = Math.max(0, Math.min(at, chosen.length - 1));
    for (const article of articles) article.hidden = article !== chosen[at];
    controls.querySelector("output").textContent = `${at + 1} / ${chosen.length}`;
    const [previous, next] = controls.querySelectorAll("button");
    previous.disabled = at === 0;
    next.disabled = at >= chosen.length - 1;
  };
  controls.addEventListener("click", (event) => {
    const move = Number(event.target.dataset.move);
    if (move) { at += move; show(); }
  });
  select.addEventListener("change", () => { at = 0; show(); });
  controls.hidden = false;
  show();
}
