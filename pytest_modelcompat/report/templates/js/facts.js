// Small pieces that several views share.

/** @param {State} state */
function glyph(state) {
  if (!ICONS.includes(state.key)) return el("span", { class: "glyph", "aria-hidden": "true" }, state.glyph);
  return svg("svg", { class: "glyph icon", width: 12, height: 12, viewBox: "0 0 14 14", "aria-hidden": "true", focusable: "false" },
    svg("use", { href: `#mc-icon-${state.key}` }));
}

/** @param {State} state @param {Child} [text] */
const chip = (state, text) => el("span", { class: `chip t-${state.tone}` }, glyph(state), " ", text ?? state.text);

/** @param {State} state @param {number} n */
const counted = (state, n) => el("span", { class: `chip t-${state.tone}` }, glyph(state), " ", el("b", null, count(n)), ` ${state.text}`);

/** @param {[string, number, number, number][]} pieces */
function bar(pieces) {
  return svg("svg", { class: "bar", width: "100%", height: 7, "aria-hidden": "true", focusable: "false" },
    ...pieces.map(([key, x, width, n]) => svg("rect", { class: `s-${key}`, x: `${x}%`, width: `${width}%`, height: 7 },
      svg("title", null, `${count(n)} ${run.state[key].text}`))));
}

/** @param {number} row @returns {State} */
const stateOf = (row) => run.states[run.columns.state[row]];

/** A cell in a few words, without its constant axes. @param {Cell} cell */
const cellName = (cell) => Object.keys(cell.axes).filter((axis) => axis === "framework" || run.varying.has(axis))
  .map((axis) => (axis === "framework" ? cell.axes[axis].replace("==", " ") : cell.faces[axis])).join(" · ");

/** @param {[string, Child][]} pairs */
const facts = (pairs) => el("dl", { class: "kv" }, ...pairs.filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false)
  .map(([name, value]) => el("div", null, el("dt", null, name), el("dd", { dir: "auto" }, value))));

/** A JSON value in one line. @param {any} value @returns {string} */
function flat(value) {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.map(flat).join(", ");
  if (typeof value === "object") return Object.entries(value).map(([k, v]) => `${clean(k)} ${flat(v)}`).join(", ");
  return clean(value);
}

/** A reference as parity.py writes it. @param {string} text */
function referenceName(text) {
  const known = JSON.parse(text);
  const { kind = "", version = "" } = known;
  let { source = "" } = known;
  if (source && version && !source.includes(version)) source = `${source} ${version}`;
  return source && source !== kind ? `${kind} (${source})` : kind || flat(known);
}

/** @param {number} seconds */
function seconds(seconds) {
  if (seconds < 0.001) return `${(seconds * 1e6).toFixed(0)} µs`;
  if (seconds < 1) return `${(seconds * 1e3).toPrecision(3)} ms`;
  return seconds < 120 ? `${seconds.toPrecision(3)} s` : `${(seconds / 60).toFixed(1)} min`;
}

/** @param {string} label @param {string} text */
function command(label, text) {
  /** @type {HTMLButtonElement} */
  const button = el("button", { type: "button", click: () => copy(text, button) }, "Copy");
  return el("div", { class: "command" }, el("div", { class: "command-head" }, el("h3", null, label), button), el("pre", { dir: "ltr" }, text));
}

/** Arrow keys in a table of links or buttons: one of them is in the tab order, arrows move.
 * @param {HTMLElement} table @param {string} selector */
function roving(table, selector) {
  const items = () => /** @type {HTMLElement[]} */ ([...table.querySelectorAll(selector)]);
  const first = items()[0];
  for (const item of items()) item.tabIndex = item === first ? 0 : -1;
  const set = (/** @type {HTMLElement} */ item) => {
    for (const other of table.querySelectorAll(`${selector}[tabindex="0"]`)) /** @type {HTMLElement} */ (other).tabIndex = -1;
    item.tabIndex = 0;
  };
  table.addEventListener("focusin", (event) => {
    const item = /** @type {HTMLElement} */ (event.target);
    if (item.matches(selector)) set(item);
  });
  table.addEventListener("keydown", (event) => {
    const from = /** @type {HTMLElement} */ (event.target);
    if (!from.matches(selector) || event.altKey || event.ctrlKey || event.metaKey) return;
    const cell = /** @type {HTMLTableCellElement | null} */ (from.closest("td, th"));
    const row = /** @type {HTMLTableRowElement | null} */ (cell?.parentElement ?? null);
    if (!cell || !row) return;
    const rows = [...table.querySelectorAll("tbody tr")];
    const here = rows.indexOf(row);
    const column = [...row.cells].indexOf(cell);
    /** @type {HTMLElement | null | undefined} */
    let to;
    const along = [.../** @type {NodeListOf<HTMLElement>} */ (row.querySelectorAll(selector))];
    if (event.key === "ArrowRight") to = along[along.indexOf(from) + 1];
    else if (event.key === "ArrowLeft") to = along[along.indexOf(from) - 1];
    else if (event.key === "Home") to = along[0];
    else if (event.key === "End") to = along.at(-1);
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const step = event.key === "ArrowDown" ? 1 : -1;
      const inside = [.../** @type {NodeListOf<HTMLElement>} */ (cell.querySelectorAll(selector))];
      to = inside[inside.indexOf(from) + step];
      for (let n = here + step; !to && n >= 0 && n < rows.length; n += step) {
        to = /** @type {HTMLElement | null | undefined} */ (/** @type {HTMLTableRowElement} */ (rows[n]).cells[column]?.querySelector(selector));
      }
    } else return;
    event.preventDefault();
    if (to) { set(to); to.focus(); }
  });
}

/** A select element. @param {string} label @param {[string, string][]} options @param {string} value @param {(value: string) => void} change */
function choose(label, options, value, change) {
  const select = el("select", { change: () => change(select.value) },
    ...options.map(([key, text]) => el("option", { value: key, selected: key === value }, shorten(text, 80))));
  return el("label", null, label, select);
}
