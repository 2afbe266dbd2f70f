// The map of a report, and labels at the pointer. No library and no request; what data hold is only
// ever set as textContent.
"use strict";

const root = document.documentElement;
const $ = (id) => document.getElementById(id);
const make = (tag, text, more = {}) => Object.assign(document.createElement(tag), { textContent: text, ...more });
root.classList.add("js");

// Labels: of the marks of pictures, which name themselves, and of the points of the map.
const tip = document.body.appendChild(make("div", "", { id: "tip", hidden: true }));
tip.setAttribute("aria-hidden", "true"); // tables and lists say the same

function label(text, x, y) {
  tip.hidden = !text;
  tip.textContent = text;
  const { offsetWidth: width, offsetHeight: height } = tip;
  tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - width - 8))}px`;
  tip.style.top = `${y - height - 12 < 4 ? y + 18 : y - height - 12}px`;
}

for (const kind of ["pointerover", "pointerdown"]) {
  document.addEventListener(kind, ({ target, clientX, clientY }) => {
    const mark = target.closest?.(".role-mark [aria-label]");
    if (target.id !== "canvas") label(mark?.getAttribute("aria-label") ?? "", clientX, clientY);
  });
}
addEventListener("scroll", () => label(""), { passive: true });
if ($("map-data")) map(JSON.parse($("map-data").textContent));

function map({ title: titles, x, y, count, year, genres, ratings, nearest: near, cosine, colours }) {
  const canvas = $("canvas");
  const pen = canvas.getContext("2d");
  const all = [...titles.keys()];
  const view = { k: 1, x: 0, y: 0 }; // scale, and shift in shares of the canvas
  let [width, height] = [1, 1];
  let by = colours[0];
  let only = null; // the one group that is shown, if one is
  let chosen = count.indexOf(Math.max(...count));
  let under = -1; // the pointer
  let paint = {};
  let waiting = false;

  const px = (i) => ((x[i] * 0.47 + 0.5) * view.k + view.x) * width;
  const py = (i) => ((0.5 - y[i] * 0.47) * view.k + view.y) * height;

  const says = (i) =>
    [year?.[i], genres?.[i].join(", "), `${count[i].toLocaleString("en")} ${ratings}`].filter(Boolean).join(" · ");

  // Drawing
  function paints() {
    const style = getComputedStyle(root);
    const value = (name) => style.getPropertyValue(name).trim();
    paint = { ink: value("--ink"), card: value("--card"), groups: by.paint.map(value) };
    [...$("legend").children].forEach((entry, g) => {
      entry.firstChild.style.background = paint.groups[g];
    });
    later();
  }

  function later() {
    if (!waiting) requestAnimationFrame(draw);
    waiting = true;
  }

  function draw() {
    waiting = false;
    const ratio = devicePixelRatio || 1;
    [canvas.width, canvas.height] = [width * ratio, height * ratio]; // and all is blank
    pen.scale(ratio, ratio);
    const size = Math.max(1.6, Math.min(3.2, 130 / Math.sqrt(titles.length))) * Math.sqrt(view.k);
    paint.groups.forEach((colour, g) => {
      pen.globalAlpha = only === null || only === g ? 0.8 : 0.1;
      pen.fillStyle = colour;
      pen.beginPath();
      for (const i of all) {
        const [a, b] = [px(i), py(i)];
        if (by.group[i] !== g || a < -9 || b < -9 || a > width + 9 || b > height + 9) continue;
        pen.moveTo(a + size, b);
        pen.arc(a, b, size, 0, 7);
      }
      pen.fill();
    });
    pen.globalAlpha = 1;
    pen.strokeStyle = paint.ink;
    for (const i of near[chosen]) {
      pen.lineWidth = 1;
      pen.beginPath();
      pen.moveTo(px(chosen), py(chosen));
      pen.lineTo(px(i), py(i));
      pen.stroke();
      ring(i, size + 2, 1.5);
    }
    ring(chosen, size + 5, 3);
    if (under >= 0) ring(under, size + 3, 2);
    name(chosen);
  }

  function ring(i, radius, thick) {
    pen.lineWidth = thick;
    pen.beginPath();
    pen.arc(px(i), py(i), radius, 0, 7);
    pen.stroke();
  }

  function name(i) {
    pen.font = "600 13px system-ui, sans-serif";
    const wide = pen.measureText(titles[i]).width;
    const left = Math.max(6, Math.min(px(i) - wide / 2, width - wide - 6));
    const top = py(i) < 34 ? py(i) + 26 : py(i) - 14;
    Object.assign(pen, { lineWidth: 4, lineJoin: "round", strokeStyle: paint.card, fillStyle: paint.ink });
    pen.strokeText(titles[i], left, top);
    pen.fillText(titles[i], left, top);
  }

  new ResizeObserver(() => {
    [width, height] = [canvas.clientWidth, canvas.clientHeight];
    later();
  }).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paints);

  // Choosing
  function choose(i) {
    chosen = i;
    $("chosen").textContent = titles[i];
    $("chosen-says").textContent = says(i);
    $("near").replaceChildren(
      ...near[i].map((other, n) => {
        const item = make("li", "");
        const button = make("button", titles[other], { type: "button", onclick: () => choose(other) });
        item.append(button, make("span", cosine[i][n].toFixed(2), { className: "number" }));
        return item;
      }),
    );
    if (px(i) < 0 || py(i) < 0 || px(i) > width || py(i) > height) zoom(0);
    later();
  }

  function closest(a, b, reach) {
    const away = (i) => Math.hypot(px(i) - a, py(i) - b);
    const shown = all.filter((i) => (only === null || by.group[i] === only) && away(i) < reach);
    return shown.reduce((best, i) => (best < 0 || away(i) < away(best) ? i : best), -1);
  }

  function step(dx, dy) {
    let [best, least] = [chosen, Infinity];
    for (const i of all) {
      const [a, b] = [px(i) - px(chosen), py(i) - py(chosen)];
      const [ahead, aside] = [a * dx + b * dy, Math.abs(a * dy - b * dx)];
      if (ahead > 0.5 && aside <= ahead && ahead + 2 * aside < least) [best, least] = [i, ahead + 2 * aside];
    }
    choose(best);
  }

  // Moving
  function zoom(factor, a = width / 2, b = height / 2) {
    const k = Math.max(1, Math.min(24, view.k * factor));
    move(a / width - ((a / width - view.x) * k) / view.k, b / height - ((b / height - view.y) * k) / view.k, k);
  }

  function move(left, top, k) {
    const inside = (shift) => Math.min(0, Math.max(1 - k, shift));
    Object.assign(view, { k, x: inside(left), y: inside(top) });
    canvas.style.touchAction = k > 1 ? "none" : "pan-y"; // a finger scrolls the page, or the map
    later();
  }

  const fingers = new Map(); // where each is, and how far it went
  const place = ({ offsetX, offsetY }) => [offsetX, offsetY];
  canvas.addEventListener("pointerdown", (event) => {
    fingers.set(event.pointerId, [...place(event), 0]);
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const [a, b] = place(event);
    const before = fingers.get(event.pointerId);
    if (!before) {
      under = closest(a, b, 18);
      label(under < 0 ? "" : `${titles[under]}\n${says(under)}`, event.clientX, event.clientY);
      return later();
    }
    const went = Math.hypot(a - before[0], b - before[1]);
    const other = [...fingers.entries()].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const apart = ([c, d]) => Math.hypot(c - other[0], d - other[1]);
      zoom(apart([a, b]) / Math.max(1, apart(before)), (a + other[0]) / 2, (b + other[1]) / 2);
    } else move(view.x + (a - before[0]) / width, view.y + (b - before[1]) / height, view.k);
    fingers.set(event.pointerId, [a, b, before[2] + went]);
  });
  canvas.addEventListener("pointerup", (event) => {
    const found = closest(...place(event), event.pointerType === "touch" ? 28 : 18);
    if (fingers.get(event.pointerId)?.[2] < 6 && found >= 0) choose(found);
    fingers.delete(event.pointerId);
  });
  canvas.addEventListener("pointercancel", (event) => fingers.delete(event.pointerId));
  canvas.addEventListener("pointerleave", () => {
    under = -1;
    label("");
    later();
  });
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return; // the page scrolls; a trackpad's pinch comes with ctrl
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 100), ...place(event));
  }, { passive: false });

  const keys = {
    ArrowLeft: () => step(-1, 0), ArrowRight: () => step(1, 0),
    ArrowUp: () => step(0, -1), ArrowDown: () => step(0, 1),
    "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), 0: () => zoom(0),
  };
  canvas.addEventListener("keydown", (event) => {
    if (!keys[event.key] || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    keys[event.key]();
  });
  $("closer").onclick = keys["+"];
  $("farther").onclick = keys["-"];
  $("whole").onclick = keys[0];

  // Colours: a switch, and a legend whose entries show one group alone
  function colour(which) {
    [by, only] = [which, null];
    $("legend").replaceChildren(
      ...by.names.map((text, g) => {
        const button = make("button", text, { type: "button", ariaPressed: "false" });
        button.prepend(make("i", ""));
        button.onclick = () => {
          only = only === g ? null : g;
          [...$("legend").children].forEach((one, n) => (one.ariaPressed = `${n === only}`));
          later();
        };
        return button;
      }),
    );
    paints();
  }
  document.querySelectorAll("[name=colour]").forEach((radio, n) => (radio.onchange = () => colour(colours[n])));

  // Search: a combobox, as the ARIA authoring practices have it
  const [search, list] = [$("search"), $("found")];
  const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const names = titles.map(plain);
  let hits = [];
  let active = -1;

  function show(open) {
    list.hidden = !open;
    search.ariaExpanded = `${open}`;
    [...list.children].forEach((one, n) => (one.ariaSelected = `${n === active}`));
    search.setAttribute("aria-activedescendant", open && active >= 0 ? `found-${active}` : "");
  }

  function pick(n) {
    choose(hits[n]);
    search.value = titles[hits[n]];
    show(false);
  }

  search.addEventListener("input", () => {
    const typed = plain(search.value.trim());
    const begins = (i) => (names[i].startsWith(typed) ? 0 : 1);
    hits = typed ? all.filter((i) => names[i].includes(typed)) : [];
    hits = hits.sort((a, b) => begins(a) - begins(b)).slice(0, 8);
    active = hits.length ? 0 : -1;
    list.replaceChildren(
      ...hits.map((i, n) => make("li", titles[i], { id: `found-${n}`, role: "option", onclick: () => pick(n) })),
    );
    $("count").textContent = typed ? `${hits.length || "none"} found` : "";
    show(hits.length > 0);
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
  list.addEventListener("pointerdown", (event) => event.preventDefault()); // the box keeps the focus

  colour(by);
  zoom(0);
  choose(chosen);
}
