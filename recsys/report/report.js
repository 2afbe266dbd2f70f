// The map of all movies, and the labels of pictures. No library, no request; text only by textContent.
"use strict";

const $ = (id) => document.getElementById(id);
const root = document.documentElement;
const make = (tag, text, set = {}) => Object.assign(document.createElement(tag), { textContent: text }, set);
root.classList.add("js");

// Labels of pictures and of points: one small sheet beside the pointer or the finger.
const tip = document.body.appendChild(make("div", "", { id: "tip", hidden: true }));
tip.setAttribute("aria-hidden", "true"); // the tables and lists say the same

function label(text, x, y) {
  tip.hidden = !text;
  if (!text) return;
  tip.textContent = text;
  const { offsetWidth: w, offsetHeight: h } = tip;
  tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - w - 8))}px`;
  tip.style.top = `${y - h - 12 < 4 ? y + 18 : y - h - 12}px`;
}

for (const kind of ["pointerover", "pointerdown"]) {
  document.addEventListener(kind, (event) => {
    const mark = event.target.closest?.("figure svg [aria-roledescription]:not([aria-roledescription~=container])");
    const text = mark?.closest(".role-mark") && mark.getAttribute("aria-label");
    if (event.target.id !== "canvas") label(text, event.clientX, event.clientY);
  });
}
addEventListener("scroll", () => label(""), { passive: true });

const data = $("map-data") && JSON.parse($("map-data").textContent);
if (data) map(data);

function map({ titles, x, y, near, cosine, colours, says, first }) {
  const canvas = $("canvas");
  const pen = canvas.getContext("2d");
  const view = { k: 1, x: 0, y: 0 }; // scale, and shift in shares of the canvas
  const pointers = new Map();
  let width = 1;
  let height = 1;
  let by = colours[0];
  let only = null; // the one group that is shown
  let chosen = -1;
  let under = -1; // the pointer
  let waiting = false;
  let palette = {};

  const px = (i) => (x[i] * 0.47 + 0.5) * width * view.k + view.x * width;
  const py = (i) => (0.5 - y[i] * 0.47) * height * view.k + view.y * height;

  function paints() {
    const style = getComputedStyle(root);
    const of = (name) => style.getPropertyValue(name).trim();
    palette = { ink: of("--ink"), paper: of("--card"), accent: of("--accent") };
    palette.groups = by.paint.map(of);
  }

  function draw() {
    waiting = false;
    const ratio = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
    if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const size = Math.max(1.6, Math.min(3.2, 130 / Math.sqrt(titles.length))) * Math.sqrt(view.k);
    const order = by.names.map((_, g) => g).reverse(); // the first, largest or oldest, on top last
    for (const g of order) {
      const faint = only !== null && only !== g;
      pen.globalAlpha = faint ? 0.12 : 0.8;
      pen.fillStyle = palette.groups[g];
      pen.beginPath();
      for (let i = 0; i < titles.length; i++) {
        if (by.group[i] !== g) continue;
        const a = px(i);
        const b = py(i);
        if (a < -9 || b < -9 || a > width + 9 || b > height + 9) continue;
        pen.moveTo(a + size, b);
        pen.arc(a, b, size, 0, 7);
      }
      pen.fill();
    }
    pen.globalAlpha = 1;
    if (chosen >= 0) {
      pen.strokeStyle = palette.ink;
      pen.lineWidth = 1;
      for (const i of near[chosen]) {
        pen.beginPath();
        pen.moveTo(px(chosen), py(chosen));
        pen.lineTo(px(i), py(i));
        pen.stroke();
        ring(i, size + 2, 1.5);
      }
      ring(chosen, size + 5, 3);
      name(chosen);
    }
    if (under >= 0 && under !== chosen) ring(under, size + 3, 2);
  }

  function ring(i, radius, thick) {
    pen.lineWidth = thick;
    pen.strokeStyle = palette.ink;
    pen.beginPath();
    pen.arc(px(i), py(i), radius, 0, 7);
    pen.stroke();
  }

  function name(i) {
    pen.font = "600 13px system-ui, sans-serif";
    const wide = pen.measureText(titles[i]).width;
    const left = Math.max(6, Math.min(px(i) - wide / 2, width - wide - 6));
    const top = py(i) < 34 ? py(i) + 26 : py(i) - 14;
    pen.lineWidth = 4;
    pen.lineJoin = "round";
    pen.strokeStyle = palette.paper;
    pen.strokeText(titles[i], left, top);
    pen.fillStyle = palette.ink;
    pen.fillText(titles[i], left, top);
  }

  function again() {
    if (!waiting) requestAnimationFrame(draw);
    waiting = true;
  }

  function nearestTo(a, b, reach) {
    let best = -1;
    let least = reach * reach;
    for (let i = 0; i < titles.length; i++) {
      if (only !== null && by.group[i] !== only) continue;
      const away = (px(i) - a) ** 2 + (py(i) - b) ** 2;
      if (away < least) [best, least] = [i, away];
    }
    return best;
  }

  function choose(i) {
    chosen = i;
    $("chosen").textContent = titles[i];
    $("chosen-says").textContent = says[i];
    $("near").replaceChildren(
      ...near[i].map((other, n) => {
        const item = make("li", "");
        const button = make("button", titles[other], { type: "button" });
        button.addEventListener("click", () => choose(other));
        item.append(button, make("span", cosine[i][n].toFixed(2), { className: "number" }));
        return item;
      }),
    );
    const inside = px(i) > 0 && px(i) < width && py(i) > 0 && py(i) < height;
    if (!inside) Object.assign(view, { k: 1, x: 0, y: 0 });
    again();
  }

  function zoom(factor, a = width / 2, b = height / 2) {
    const k = Math.max(1, Math.min(24, view.k * factor));
    view.x = a / width - ((a / width - view.x) * k) / view.k;
    view.y = b / height - ((b / height - view.y) * k) / view.k;
    view.k = k;
    keepInside();
  }

  function keepInside() {
    for (const axis of ["x", "y"]) view[axis] = Math.min(0, Math.max(1 - view.k, view[axis]));
    canvas.style.touchAction = view.k > 1 ? "none" : "pan-y";
    again();
  }

  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  canvas.addEventListener("pointerdown", (event) => {
    pointers.set(event.pointerId, [...at(event), 0]);
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const [a, b] = at(event);
    const before = pointers.get(event.pointerId);
    if (!before) {
      const found = nearestTo(a, b, 18);
      if (found !== under) again();
      under = found;
      return label(found < 0 ? "" : `${titles[found]}\n${says[found]}`, event.clientX, event.clientY);
    }
    const far = (one, two) => Math.hypot(one[0] - two[0], one[1] - two[1]);
    const moved = before[2] + far(before, [a, b]);
    if (pointers.size === 2) {
      const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
      zoom(far([a, b], other) / Math.max(1, far(before, other)), (a + other[0]) / 2, (b + other[1]) / 2);
    } else {
      view.x += (a - before[0]) / width;
      view.y += (b - before[1]) / height;
      keepInside();
    }
    pointers.set(event.pointerId, [a, b, moved]);
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(kind, (event) => {
      const [a, b, moved] = pointers.get(event.pointerId) ?? [0, 0, 99];
      pointers.delete(event.pointerId);
      const found = nearestTo(a, b, event.pointerType === "touch" ? 28 : 18);
      if (kind === "pointerup" && moved < 6 && found >= 0) choose(found);
    });
  }
  canvas.addEventListener("pointerleave", () => {
    under = -1;
    label("");
    again();
  });
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return; // the page scrolls; a pinch of a trackpad comes with ctrl
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 100), ...at(event));
  }, { passive: false });
  canvas.addEventListener("dblclick", (event) => zoom(2, ...at(event)));
  canvas.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (way) {
      event.preventDefault();
      step(...way);
    } else if (event.key === "+" || event.key === "=") zoom(1.5);
    else if (event.key === "-") zoom(1 / 1.5);
    else if (event.key === "0") zoom(0);
  });

  function step(dx, dy) {
    // To the movie that lies nearest in that direction.
    if (chosen < 0) return choose(nearestTo(width / 2, height / 2, 1e9));
    let best = -1;
    let least = Infinity;
    for (let i = 0; i < titles.length; i++) {
      const [a, b] = [px(i) - px(chosen), py(i) - py(chosen)];
      const ahead = a * dx + b * dy;
      const aside = Math.abs(a * dy - b * dx);
      const cost = ahead + 2 * aside;
      if (ahead > 0.5 && aside <= ahead && cost < least) [best, least] = [i, cost];
    }
    if (best >= 0) choose(best);
  }

  $("closer").addEventListener("click", () => zoom(1.6));
  $("farther").addEventListener("click", () => zoom(1 / 1.6));
  $("whole").addEventListener("click", () => zoom(0));

  // Colours: a switch, and a legend whose entries show one group alone.
  function colour(which) {
    [by, only] = [which, null];
    paints();
    $("legend").replaceChildren(
      ...by.names.map((text, g) => {
        const button = make("button", text, { type: "button" });
        const swatch = make("i", "");
        swatch.style.background = palette.groups[g];
        button.prepend(swatch);
        button.setAttribute("aria-pressed", "false");
        button.addEventListener("click", () => {
          only = only === g ? null : g;
          [...$("legend").children].forEach((one, n) => one.setAttribute("aria-pressed", `${n === only}`));
          again();
        });
        return button;
      }),
    );
    again();
  }
  document.querySelectorAll("[name=colour]").forEach((radio, n) => {
    radio.addEventListener("change", () => colour(colours[n]));
  });

  // Search: a combobox as the ARIA guide has it.
  const [search, list] = [$("search"), $("found")];
  const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const names = titles.map(plain);
  let hits = [];
  let active = -1;

  function show(open) {
    list.hidden = !open;
    search.setAttribute("aria-expanded", `${open}`);
    [...list.children].forEach((one, n) => one.setAttribute("aria-selected", `${n === active}`));
    list.children[active]?.scrollIntoView({ block: "nearest" });
    if (open && active >= 0) search.setAttribute("aria-activedescendant", `found-${active}`);
    else search.removeAttribute("aria-activedescendant");
  }
  search.addEventListener("input", () => {
    const typed = plain(search.value.trim());
    const first = (name) => (name.startsWith(typed) ? 0 : 1);
    hits = typed ? [...names.keys()].filter((i) => names[i].includes(typed)) : [];
    hits = hits.sort((a, b) => first(names[a]) - first(names[b]) || a - b).slice(0, 8);
    active = hits.length ? 0 : -1;
    list.replaceChildren(
      ...hits.map((i, n) => {
        const item = make("li", titles[i], { id: `found-${n}` });
        item.setAttribute("role", "option");
        item.addEventListener("pointerdown", (event) => {
          event.preventDefault(); // the box keeps the focus
          pick(n);
        });
        return item;
      }),
    );
    show(hits.length > 0);
    $("count").textContent = typed ? `${hits.length || "none"} found` : "";
  });
  search.addEventListener("keydown", (event) => {
    const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (move && hits.length) {
      event.preventDefault();
      active = (active + move + hits.length) % hits.length;
      show(true);
    } else if (event.key === "Enter" && active >= 0) pick(active);
    else if (event.key === "Escape") show(false);
  });
  search.addEventListener("focus", () => search.select());
  search.addEventListener("blur", () => show(false));

  function pick(n) {
    choose(hits[n]);
    search.value = titles[hits[n]];
    show(false);
  }

  new ResizeObserver(() => {
    [width, height] = [canvas.clientWidth, canvas.clientHeight];
    again();
  }).observe(canvas);
  for (const query of ["(prefers-color-scheme: dark)", "print"]) {
    matchMedia(query).addEventListener("change", () => {
      paints();
      [...$("legend").children].forEach((one, g) => {
        one.firstChild.style.background = palette.groups[g];
      });
      draw();
    });
  }
  colour(by);
  keepInside();
  choose(first);
}
