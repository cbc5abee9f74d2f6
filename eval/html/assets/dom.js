// Elements, numbers and storage: the only place that makes elements.
//
// Everything that comes from data (replies, transcripts, labels, file names) is written as text nodes. Nothing here or
// elsewhere parses markup: no innerHTML, no insertAdjacentHTML, no document.write.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element. `attributes`: a function is a listener (`onclick: …`), `vars` sets CSS custom properties (a style
 * attribute would be refused by the Content-Security-Policy), null and false are left out. Children: elements, text,
 * lists of them; null is left out.
 */
function h(tag, attributes, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** An SVG element, like `h`. */
function svg(tag, attributes, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (name === "vars") for (const [key, text] of Object.entries(value)) element.style.setProperty(key, text);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

const $ = (id) => document.getElementById(id);

/** The JSON of a data block; it is dropped from the page afterwards, so that it is not held twice. */
function block(name) {
  const element = $(name);
  const value = JSON.parse(element.textContent);
  element.remove();
  return value;
}

const MISSING = "–";
const score = (value, digits = 3) => (value === null || value === undefined ? MISSING : value.toFixed(digits));
const whole = (count) => count.toLocaleString("en-US");
const percent = (share, digits = 1) => (Number.isFinite(share) ? `${(100 * share).toFixed(digits)}%` : MISSING);
const plural = (count, word) => `${whole(count)} ${word}${count === 1 ? "" : "s"}`;

/** `0.612 [0.570, 0.655]`, without the interval where there is none. */
function withInterval([value, low, high]) {
  return low === null ? score(value) : `${score(value)} [${score(low)}, ${score(high)}]`;
}

/** A language tag that may stand in a lang attribute: it picks glyphs and voices; anything else is left out. */
const languageTag = (name) => (/^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$/.test(name || "") ? name : null);

// A page opened as a file may be refused any storage; then nothing is remembered.
const memory = {
  get(name) {
    try {
      return localStorage.getItem(`omnimer.${name}`);
    } catch {
      return null;
    }
  },
  set(name, value) {
    try {
      if (value) localStorage.setItem(`omnimer.${name}`, value);
      else localStorage.removeItem(`omnimer.${name}`);
    } catch {
      // not remembered
    }
  },
};

/** A table in a box of its own that scrolls sideways, so that the page never does. */
function table(caption, head, rows, attributes) {
  const cells = (row) => row.map((cell) => (cell instanceof Element && /^T[DH]$/.test(cell.tagName) ? cell : h("td", {}, cell)));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", attributes,
      h("caption", { class: "unseen" }, caption),
      head && h("thead", {}, h("tr", {}, head.map((cell) => (cell instanceof Element ? cell : h("th", { scope: "col" }, cell))))),
      h("tbody", {}, rows.map((row) => h("tr", {}, cells(row))))));
}

const rowHead = (...content) => h("th", { scope: "row" }, ...content);

/**
 * A long list of which only the rows in sight are drawn: `box` scrolls, `space` in it is as high as all rows, each
 * `height` px; `draw(place)` makes a row, which page.css moves to `--y`. Returned: `set(count)` starts anew,
 * `bring(place)` scrolls a row into sight, `drawn` are the rows there are by place.
 */
function lazyRows(box, space, height, draw) {
  const AHEAD = 6; // rows drawn above and below what is in sight
  const drawn = new Map();
  let count = 0;
  function refresh() {
    const top = Math.max(0, Math.floor(box.scrollTop / height) - AHEAD);
    const end = Math.min(count, Math.ceil((box.scrollTop + box.clientHeight) / height) + AHEAD);
    for (const [place, element] of drawn) {
      if (place >= top && place < end) continue;
      element.remove();
      drawn.delete(place);
    }
    for (let place = top; place < end; place += 1) {
      if (drawn.has(place)) continue;
      const element = draw(place);
      element.style.setProperty("--y", `${place * height}px`);
      drawn.set(place, element);
      space.append(element);
    }
  }
  function set(many) {
    count = many;
    for (const element of drawn.values()) element.remove();
    drawn.clear();
    space.style.setProperty("height", `${count * height}px`);
    refresh();
  }
  function bring(place) {
    if (place * height < box.scrollTop) box.scrollTop = place * height;
    else if ((place + 1) * height > box.scrollTop + box.clientHeight) box.scrollTop = (place + 1) * height - box.clientHeight;
    refresh();
  }
  box.addEventListener("scroll", () => requestAnimationFrame(refresh), { passive: true });
  new ResizeObserver(refresh).observe(box);
  return { set, bring, drawn };
}
