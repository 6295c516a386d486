// The list of cases: a query, what it found by state, and rows that exist only while they are seen.

const TALLEST = 8_000_000; // pixels; browsers clip what is taller
const COLUMNS_SHOWN = ["Status", "Unit", "Case", "Cell", "Opset", "Error / tolerance, or message"];

/** A list of any length. Rows are made for what is on the screen only. */
class List {
  /** @param {(row: number) => Child[]} draw @param {(row: number) => void} choose */
  constructor(draw, choose) {
    this.draw = draw;
    this.choose = choose;
    /** @type {Uint32Array} */
    this.rows = new Uint32Array(0);
    this.active = 0;
    this.space = el("div", { class: "list-space" });
    this.layer = el("div", { class: "list-layer", role: "rowgroup" });
    this.head = el("div", { class: "list-row list-head", role: "row" }, ...COLUMNS_SHOWN.map((name) => el("div", { role: "columnheader" }, name)));
    this.node = el("div", { class: "list", role: "grid", tabindex: 0, "aria-label": "Cases", "aria-colcount": COLUMNS_SHOWN.length,
      scroll: () => this.paint(), keydown: (/** @type {KeyboardEvent} */ e) => this.key(e) },
    el("div", { role: "rowgroup", class: "list-heads" }, this.head), this.space, this.layer);
    new ResizeObserver(() => this.paint()).observe(this.node);
  }

  get height() { return small() ? 80 : 30; }
  get room() { return Math.max(60, this.node.clientHeight - this.head.offsetHeight); }
  get scale() {
    const full = this.rows.length * this.height;
    return full <= TALLEST ? 1 : (full - this.room) / (TALLEST - this.room);
  }

  /** @param {Uint32Array} rows @param {number} active row to start at, -1 for the first */
  set(rows, active) {
    this.rows = rows;
    this.active = Math.max(0, active < 0 ? 0 : rows.indexOf(active));
    this.node.setAttribute("aria-rowcount", String(rows.length + 1));
    this.space.style.height = `${Math.min(TALLEST, rows.length * this.height)}px`;
    this.reveal();
    this.paint();
  }

  /** Scrolls the active row into sight. */
  reveal() {
    const top = this.active * this.height;
    const at = this.node.scrollTop * this.scale;
    if (top < at) this.node.scrollTop = top / this.scale;
    else if (top + this.height > at + this.room) this.node.scrollTop = (top + this.height - this.room) / this.scale;
  }

  paint() {
    const { height, room } = this;
    const at = this.node.scrollTop * this.scale;
    const first = Math.max(0, Math.floor(at / height));
    const last = Math.min(this.rows.length, first + Math.ceil(room / height) + 2);
    this.layer.style.transform = `translateY(${this.node.scrollTop - (at - first * height)}px)`;
    const nodes = [];
    for (let n = first; n < last; n++) {
      const row = this.rows[n];
      nodes.push(el("div", { class: `list-row${n === this.active ? " active" : ""}`, role: "row", id: `mc-row-${n}`, "aria-rowindex": n + 2,
        "aria-selected": n === this.active ? "true" : "false", click: () => { this.active = n; this.paint(); this.choose(row); } },
      ...this.draw(row).map((child) => el("div", { role: "gridcell", dir: "auto" }, child))));
    }
    put(this.layer, ...nodes);
    if (this.active >= first && this.active < last) this.node.setAttribute("aria-activedescendant", `mc-row-${this.active}`);
    else this.node.removeAttribute("aria-activedescendant");
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const page = Math.max(1, Math.floor(this.room / this.height) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key === "Enter" && this.rows.length) { event.preventDefault(); this.choose(this.rows[this.active]); return; }
    const step = steps[/** @type {keyof typeof steps} */ (event.key)];
    if (step === undefined) return;
    event.preventDefault();
    this.active = Math.max(0, Math.min(this.rows.length - 1, this.active + step));
    this.reveal();
    this.paint();
  }
}

/** @param {number} row @returns {Child[]} */
function caseRow(row) {
  const { unit, name } = caseOf(row);
  const state = stateOf(row);
  const ratio = ratioOf(row);
  const fresh = run.changes[run.columns.change[row]] === "new";
  const signature = nameOf("signature", row);
  return [
    el("span", null, chip(state), fresh && el("b", { class: "new" }, "new")),
    el("span", { class: "unit", title: shorten(unit, 500) }, shorten(unit.replace(/^ai\.onnx::/, ""), 80)),
    el("span", { class: "clip", title: shorten(name, 500) }, shorten(name, 160)),
    el("span", { class: "clip dim" }, shorten(cellName(run.cells[cellOf(row)]), 160)),
    el("span", null, run.columns.opset[row] || ""),
    el("span", { class: "clip mono dim" }, signature ? shorten(signature, 160) : ratio === null ? "" : `${brief(ratio)} ×`),
  ];
}

const UNITS = 14; // named above the list

/** Which operators and models the found cases are about, most cases first.
 * @param {Uint32Array} rows @param {string} query @returns {Child[]} */
function unitCounts(rows, query) {
  const counts = new Uint32Array(run.units.length);
  const cases = countsOf(rows, run.columns.key, run.keys.length);
  for (let key = 0; key < cases.length; key++) if (cases[key]) counts[run.keys[key][0]] += cases[key];
  const found = [...counts.keys()].filter((unit) => counts[unit]).sort((a, b) => counts[b] - counts[a] || a - b);
  if (!found.length) return [el("span", { class: "dim" }, "No case fits all of it. Take a word out, or see ", el("a", { href: casesAddress("") }, "everything"), ".")];
  const operators = found.filter((unit) => run.units[unit][0] === "op_support").length;
  const told = [operators && plural(operators, "operator"), found.length > operators && plural(found.length - operators, "model")].filter(Boolean).join(", ");
  return [el("b", null, told), ...found.slice(0, UNITS).map((unit) => {
    const name = run.units[unit][1];
    return el("a", { class: "one-unit", dir: "auto", href: casesAddress(`${query} unit:${quoted(name)}`.trim()) }, shorten(name.replace(/^ai\.onnx::/, ""), 40), " ", el("span", { class: "dim" }, count(counts[unit])));
  }), found.length > UNITS && el("span", { class: "dim" }, `and ${count(found.length - UNITS)} more`)];
}

const casesView = {
  /** @type {List | null} */
  list: null,
  query: "",
  /** @type {Uint32Array} */
  found: new Uint32Array(0),
  /** @type {number | undefined} */
  timer: undefined,
  show(/** @type {URLSearchParams} */ params) {
    const view = byId("mc-cases");
    const query = params.get("q") ?? "";
    if (!this.list) this.build(view);
    const input = /** @type {HTMLInputElement} */ (byId("mc-query"));
    if (document.activeElement !== input && input.value !== query) input.value = query;
    if (query !== this.query || !this.found.length) this.search(query, rowAt(params));
    const open = rowAt(params);
    if (open >= 0 && this.list) {
      const at = this.found.indexOf(open);
      if (at >= 0 && at !== this.list.active) { this.list.active = at; this.list.reveal(); }
    }
    this.list?.paint();
  },
  /** @param {HTMLElement} view */
  build(view) {
    const input = el("input", { id: "mc-query", type: "search", spellcheck: "false", autocomplete: "off", placeholder: 'status:failed op:Conv onnxruntime:>=1.24 is:new error:"…"', "aria-label": "Query", "aria-describedby": "mc-problems",
      input: () => { clearTimeout(this.timer); this.timer = setTimeout(() => go(address({ q: input.value, ...DRAWER }), true), 60); },
      keydown: (/** @type {KeyboardEvent} */ e) => { if (e.key === "Enter" || e.key === "ArrowDown") { e.preventDefault(); this.list?.node.focus(); } } });
    this.list = new List(caseRow, (row) => go(caseAddress(row)));
    const hints = el("details", { class: "hints" }, el("summary", null, "What can be asked"),
      el("dl", { class: "kv" }, ...vocabulary().map(([word, meaning]) => el("div", null, el("dt", null, el("code", null, word)), el("dd", null, meaning)))),
      el("p", { class: "dim" }, "Words are joined by and, commas within one by or; a leading minus negates; * and ? stand for anything; quotes keep spaces together. Any other word is looked for in names and messages."));
    const sample = (/** @type {string} */ text, /** @type {string} */ query) => el("a", { class: "sample", href: casesAddress(query) }, text);
    put(view, section("Cases", `${plural(run.rows, "case")} in ${plural(run.cells.length, "cell")}`, [
      sample("new failures", "is:new"), sample("failures", "is:failure"), sample("passes elsewhere", "is:failure status@*:passed"), sample("known", "is:known"), sample("fallback", "status:fallback"), sample("not run", "status:not_run"), sample("everything", "")]),
    el("div", { class: "ask" }, input, el("button", { type: "button", click: () => exportRows("csv", this.found) }, "CSV"), el("button", { type: "button", click: () => exportRows("json", this.found) }, "JSON")),
    el("p", { id: "mc-problems", class: "problems", role: "alert" }), el("div", { id: "mc-found", class: "found" }), el("div", { id: "mc-units", class: "found units" }), this.list.node, hints);
  },
  /** @param {string} query @param {number} active */
  search(query, active) {
    const filter = compile(query);
    this.query = query;
    this.found = worstFirst(search(filter));
    byId("mc-problems").textContent = filter.problems.join("; ");
    const counts = countsOf(this.found, run.columns.state, run.states.length);
    const told = `${count(this.found.length)} of ${plural(run.rows, "case")}`;
    put(byId("mc-found"), el("b", null, told), ...run.states.map((/** @type {State} */ state, /** @type {number} */ n) => counts[n] > 0 && el("a", { class: "narrow", href: casesAddress(`${query} is:${state.key}`.trim()), title: "only these" }, counted(state, counts[n]))));
    put(byId("mc-units"), ...unitCounts(this.found, query));
    announce(told);
    this.list?.set(this.found, active);
  },
};
