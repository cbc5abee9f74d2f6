// The sample browser: which samples fit the filter, and a list that draws only the rows in sight.

const NO_ANSWER = "(no answer)";
const ROW = 64; // height of a row in px; page.css has the same number in --row

/**
 * A view of the samples. `columns` comes from eval/html/samples.py; `open(index, how)` is called when a sample is
 * chosen; `changed()` when the filter was.
 */
function sampleList(columns, open, changed) {
  const rows = rowStore(columns);
  const list = { columns, rows, shown: [], filter: {}, current: -1 };
  const nothing = h("p", { class: "empty", hidden: true }, "No sample fits these filters.");
  $("list").append(nothing);
  const lazy = lazyRows($("list"), $("space"), ROW, (place) => {
    const element = listRow(columns, rows, list.shown[place], place, list.shown.length);
    if (list.shown[place] === list.current) element.setAttribute("aria-selected", "true");
    return element;
  });

  /** Marks a sample as the current one and brings its row into sight. */
  list.select = (index) => {
    list.current = index;
    const place = list.shown.indexOf(index);
    for (const element of lazy.drawn.values()) element.setAttribute("aria-selected", String(Number(element.dataset.index) === index));
    if (place < 0) {
      $("list").removeAttribute("aria-activedescendant");
      return;
    }
    lazy.bring(place);
    $("list").setAttribute("aria-activedescendant", `row-${index}`);
  };

  list.apply = (filter) => {
    list.filter = filter;
    list.shown = matching(columns, rows, filter);
    $("count").textContent = list.shown.length === columns.count ? plural(columns.count, "sample") : `${whole(list.shown.length)} of ${plural(columns.count, "sample")}`;
    nothing.hidden = list.shown.length > 0;
    lazy.set(list.shown.length);
  };

  $("list").addEventListener("click", (event) => {
    const row = event.target.closest("[role=option]");
    if (row) open(Number(row.dataset.index));
  });
  setUpFilters(columns, changed);
  return list;
}

/** Rows by sample index, parsed chunk by chunk when they are first looked at; and the text that search looks in. */
function rowStore(columns) {
  const chunks = [];
  const texts = [];
  const row = (index) => {
    const place = Math.floor(index / columns.chunk);
    chunks[place] ??= block(`data-rows-${place}`);
    return chunks[place][index % columns.chunk];
  };
  const text = (index) => {
    if (texts[index] === undefined) {
      const found = row(index);
      const parts = (found.parts || []).flatMap((part) => part.replies);
      const said = (found.timeline?.lanes[0].utterances || []).map(textOf);
      texts[index] = [columns.ids[index], found.text, found.reply, ...(found.later || []), ...parts, ...said].filter(Boolean).join("\n").toLowerCase();
    }
    return texts[index];
  };
  return { row, text };
}

const codesOf = (code) => (Array.isArray(code) ? code : code < 0 ? [] : [code]);

/** true, false, or null where nothing can be said: no gold, or answers that hold no single label. */
function isRight(columns, index) {
  if (!columns.single || columns.gold[index] === -1) return null;
  return columns.answered[index] === 1 && columns.gold[index] === columns.given[index];
}

/** The indices of the samples that fit, in the order asked for. */
function matching(columns, rows, filter) {
  const tests = [];
  const has = (column, name) => {
    const code = columns.labels.indexOf(name);
    return (index) => codesOf(column[index]).includes(code);
  };
  if (filter.gold) tests.push(has(columns.gold, filter.gold));
  if (filter.given === NO_ANSWER) tests.push((index) => !columns.answered[index]);
  else if (filter.given) tests.push(has(columns.given, filter.given));
  if (filter.right) tests.push((index) => isRight(columns, index) === (filter.right === "right"));
  if (filter.tag) {
    const code = columns.tagTable.findIndex(([group, name]) => `${group}:${name}` === filter.tag);
    tests.push((index) => columns.tags[index].includes(code));
  }
  for (const column of columns.slices) {
    const wanted = filter[`s.${column.name}`];
    if (wanted === undefined) continue;
    const code = column.values.findIndex(([value]) => value === wanted);
    tests.push((index) => column.of[index] === code);
  }
  if (filter.other) tests.push(against(columns, filter.other));
  const words = (filter.q || "").toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length) tests.push((index) => words.every((word) => rows.text(index).includes(word)));

  const found = [];
  for (let index = 0; index < columns.count; index += 1) {
    if (tests.every((test) => test(index))) found.push(index);
  }
  return ordered(columns, found, filter.order);
}

function ordered(columns, found, order) {
  if (!order) return found;
  const sign = order === "sure" ? -1 : 1;
  // Answers without a number come last, whichever way round.
  const key = (index) => columns.confidence[index] ?? Infinity;
  return found.sort((a, b) => {
    const [one, two] = [key(a), key(b)];
    if (one === two) return a - b;
    if (one === Infinity || two === Infinity) return one === Infinity ? 1 : -1;
    return sign * (one - two);
  });
}

const AGAINST = [
  ["better", "right here, wrong there"], ["worse", "wrong here, right there"],
  ["both", "right in both"], ["neither", "wrong in both"], ["differ", "answers differ"],
];

/** A test of this run's answers against another's; `name` is `better:1` for the second of the other runs. */
function against(columns, name) {
  const [how, number] = name.split(":");
  const other = columns.others[Number(number)];
  if (!other) return () => true;
  return (index) => {
    if (other.given[index] === null) return false;
    if (how === "differ") return JSON.stringify(other.given[index]) !== JSON.stringify(columns.given[index]);
    const here = isRight(columns, index);
    const there = other.given[index] !== -1 && other.given[index] === columns.gold[index];
    if (here === null) return false;
    return { better: here && !there, worse: !here && there, both: here && there, neither: !here && !there }[how];
  };
}

/** One row of the list: what happened, gold and answer, confidence; then the transcript. */
function listRow(columns, rows, index, place, count) {
  const right = isRight(columns, index);
  const tags = columns.tags[index].map((code) => columns.tagTable[code]);
  const [mark, word] = statusOf(columns, index, right, tags);
  const row = rows.row(index);
  const names = (column) => columns.brief?.[column][index] || codesOf(columns[column][index]).map((one) => columns.labels[one]).join(", ");
  const gold = names("gold") || MISSING;
  const given = names("given");
  const words = [row.text || columns.ids[index], columns.brief?.counts?.[index]].filter(Boolean).join(" · ");
  const sure = columns.confidence[index];
  return h("div", {
    role: "option", id: `row-${index}`, "data-index": index, "aria-posinset": place + 1, "aria-setsize": count,
    "aria-selected": "false", class: "row",
  },
    h("span", { class: `mark ${word}`, title: word, role: "img", "aria-label": word }, mark),
    h("span", { class: "line" },
      h("span", { class: "labels" }, right ? gold : [gold, h("span", { class: "arrow" }, " → "), given || h("em", {}, columns.answered[index] ? "(see sample)" : "no answer")]),
      tags.some(([group, name]) => group === "outcome" && name === "repaired") ? h("span", { class: "chip" }, "repaired") : null,
      sure === null ? null : h("span", { class: "sure" }, sure.toFixed(2))),
    h("span", { class: "line dim" }, h("span", { class: "words", dir: "auto", lang: languageTag(row.language) }, words)));
}

/** A mark and its word; shape and word tell it, the colour only helps. */
function statusOf(columns, index, right, tags) {
  if (tags.some(([group]) => group === "error")) return ["!", "failed"];
  if (!columns.answered[index]) return ["?", "unreadable"];
  if (right === null) return ["·", "answered"];
  return right ? ["✓", "right"] : ["✗", "wrong"];
}

// --- the filter form

function options(select, rows) {
  select.replaceChildren(...rows.map(([value, text]) => h("option", { value }, text)));
}

function setUpFilters(columns, changed) {
  const counts = (column) => {
    const found = new Map();
    for (const code of column) for (const one of codesOf(code)) found.set(one, (found.get(one) || 0) + 1);
    return columns.labels.map((label, code) => [label, found.get(code) || 0]).filter((row) => row[1]).map(([label, count]) => [label, `${label} (${whole(count)})`]);
  };
  const silent = columns.answered.filter((is) => !is).length;
  options($("gold"), [["", "all"], ...counts(columns.gold)]);
  options($("given"), [["", "all"], ...counts(columns.given), ...(silent ? [[NO_ANSWER, `no answer (${whole(silent)})`]] : [])]);
  $("right").disabled = !columns.single;
  if (columns.measure === "agreement") options($("order"), [["", "in task order"], ["unsure", "least agreement first"], ["sure", "most agreement first"]]);

  const groups = new Map();
  for (const [group, name, count] of columns.tagTable) {
    if (!groups.has(group)) groups.set(group, []);
    groups.get(group).push(h("option", { value: `${group}:${name}` }, `${name.replaceAll("_", " ").slice(0, 70)} (${whole(count)})`));
  }
  $("tag").replaceChildren(h("option", { value: "" }, "all"), ...[...groups].map(([group, items]) => h("optgroup", { label: group }, items)));

  $("slices").replaceChildren(...columns.slices.filter((column) => column.values.length > 1).map((column) => h("label", {}, `${column.name.replaceAll("_", " ")} `,
    h("select", { "data-slice": column.name },
      h("option", { value: "all" }, "all"),
      column.values.map(([value, count]) => h("option", { value: `=${value}` }, `${value || "(none)"} (${whole(count)})`))))));

  if (columns.others.length) {
    $("other-label").hidden = false;
    $("other").replaceChildren(h("option", { value: "" }, "all"), ...columns.others.map((other, place) =>
      h("optgroup", { label: other.name }, AGAINST.filter(([how]) => columns.single || how === "differ").map(([how, text]) => h("option", { value: `${how}:${place}` }, text)))));
  }

  let waiting = 0;
  $("q").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(changed, 150);
  });
  $("filters").addEventListener("change", (event) => event.target !== $("q") && changed());
  $("order").addEventListener("change", changed);
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("reset").addEventListener("click", () => {
    writeFilters({});
    changed();
  });
}

const PLAIN = ["q", "gold", "given", "right", "tag", "other", "order"];

/** The filter that the form shows: only what is set. */
function readFilters() {
  const filter = {};
  for (const name of PLAIN) if ($(name).value) filter[name] = $(name).value;
  for (const select of $("slices").querySelectorAll("select")) {
    if (select.value !== "all") filter[`s.${select.dataset.slice}`] = select.value.slice(1);
  }
  return filter;
}

/** Shows a filter in the form; a value that is not on offer shows as "all". */
function writeFilters(filter) {
  const set = (element, value, none) => {
    element.value = value;
    if (element.value !== value) element.value = none;
  };
  for (const name of PLAIN) set($(name), filter[name] || "", "");
  for (const select of $("slices").querySelectorAll("select")) {
    const wanted = filter[`s.${select.dataset.slice}`];
    set(select, wanted === undefined ? "all" : `=${wanted}`, "all");
  }
}
