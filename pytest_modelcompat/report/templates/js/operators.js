// Operator × target in condensed version ranges, opset by opset on demand.

/** @typedef {[number, number, number, number, number, number, string]} RangeData text, state, known beside it, wrong, total, told, gaps */
/** @typedef {[string, RangeData[][], number, number, number]} OperatorRow unit, targets, broke, unsteady, plain */

/** @param {RangeData} range */
function rangeMark([text, state, also, wrong, total, told, gaps]) {
  const { texts } = run.operators;
  const shown = run.states[state];
  const known = run.state.known;
  const some = texts[wrong] && texts[wrong] !== texts[total];
  return el("span", { class: `range t-${shown.tone}`, title: `${texts[told]} cases${gaps ? `; no data: ${gaps}` : ""}` },
    el("span", { class: "range-text" }, texts[text]), " ", glyph(shown), el("span", { class: "vh" }, ` ${shown.text}`),
    also > 0 && el("span", { class: `t-${known.tone}` }, glyph(known), el("span", { class: "vh" }, ` and ${known.text}`)),
    some && el("small", null, ` ${texts[wrong]} of ${texts[total]}`, el("span", { class: "vh" }, " without a right answer")));
}

const operatorsView = {
  /** @type {HTMLElement | null} */
  body: null,
  /** @type {HTMLElement | null} */
  said: null,
  /** @type {OperatorRow[]} */
  rows: [],
  show(/** @type {URLSearchParams} */ params) {
    const view = byId("mc-operators");
    const { targets, rows, plain } = run.operators;
    if (!targets.length) {
      put(view, section("Operators", "No cell measured an operator.", []));
      return;
    }
    const opset = Number(params.get("opset")) || 0;
    const all = params.get("all") === "1";
    const find = params.get("find") ?? "";
    if (!this.body || !view.firstChild) {
      const input = el("input", { type: "search", placeholder: "e.g. Conv", "aria-label": "Find operators", size: 18, input: () => go(address({ find: input.value }), true) });
      const button = el("button", { type: "button", "aria-pressed": "false", click: () => go(address({ all: route().params.get("all") === "1" ? null : "1" })) });
      this.body = el("tbody");
      this.said = el("p", { class: "quiet-note", role: "status" });
      const table = el("table", { class: "rows operators stack" },
        el("thead", null, el("tr", null, el("th", { scope: "col" }, "Operator"), ...targets.map((/** @type {any} */ t, /** @type {number} */ n) => targetHead(t, n)))), this.body);
      put(view, section("Operators", "version ranges by target; “+” ends at the newest version tested; “3 of 9”: cases without a right answer, of all; “3–6”: it differs between the range’s versions", [el("label", null, "Find", input), choose("Opset", [["", "any"], ...this.opsets().map((n) => /** @type {[string, string]} */ ([String(n), String(n)]))], opset ? String(opset) : "", (v) => go(address({ opset: v || null }))), button],
        this.said, el("p", { class: "states" }, ...this.states().map((state) => el("span", { class: `t-${state.tone}` }, glyph(state), ` ${state.text}`))), el("div", { class: "scroll tall", role: "region", tabindex: 0, "aria-label": "Operators by target" }, table), moreButton()));
    }
    const input = /** @type {HTMLInputElement} */ (view.querySelector("input"));
    if (input.value !== find) input.value = find;
    const button = /** @type {HTMLButtonElement} */ (view.querySelector("button[aria-pressed]"));
    button.setAttribute("aria-pressed", String(all));
    const select = /** @type {HTMLSelectElement} */ (view.querySelector("select"));
    select.value = opset ? String(opset) : "";
    const shown = opset ? atOpset(opset) : rows;
    const passing = opset ? shown.filter((/** @type {OperatorRow} */ row) => row[4]).length : plain;
    button.textContent = `Include ${count(passing)} that pass everywhere`;
    button.hidden = passing === 0;
    const wanted = contains(find.split(",").map((w) => w.trim()).filter(Boolean));
    this.rows = shown.filter((/** @type {OperatorRow} */ row) => (find.trim() ? wanted(row[0]) : all || !row[4]));
    inParts(this.body, /** @type {HTMLButtonElement} */ (view.querySelector(".show-more")), this.rows, (row) => this.row(row));
    this.missing(opset);
    const broke = this.rows.filter((row) => row[2]).length;
    const unsteady = this.rows.filter((row) => row[3]).length;
    put(/** @type {HTMLElement} */ (this.said), `${plural(this.rows.length, "operator")} of ${count(shown.length)}${opset ? ` with cases of opset ${opset}` : ""}`,
      broke > 0 && `; ${count(broke)} stopped working in a newer version`,
      unsteady > 0 && `, ${count(unsteady)} of them to and fro`,
      run.operators.leftOut > 0 && `; ${plural(run.operators.leftOut, "operator")} left out`);
  },
  /** The states that the table has, in their order: what its marks mean. @returns {State[]} */
  states() {
    const seen = new Set(run.operators.rows.flatMap((/** @type {OperatorRow} */ row) => row[1].flat().map((range) => range[1])));
    return run.states.filter((/** @type {State} */ _, /** @type {number} */ n) => seen.has(n));
  },
  /** Opsets of operators' cases, newest first. @returns {number[]} */
  opsets() {
    const seen = new Set();
    const { opset, key } = run.columns;
    const asked = run.keys.map((/** @type {[number, string]} */ [unit]) => run.units[unit][0] === "op_support");
    for (let row = 0; row < run.rows; row++) if (asked[key[row]]) seen.add(opset[row]);
    return [...seen].filter(Boolean).sort((a, b) => b - a);
  },
  /** Says in each column how many are missing in the newest version. @param {number} opset */
  missing(opset) {
    const gone = [run.state.unsupported, run.state.gated];
    for (const node of byId("mc-operators").querySelectorAll(".missing")) {
      const n = Number(/** @type {HTMLElement} */ (node).dataset.target);
      const names = opset ? atOpset(opset).filter((row) => { const last = row[1][n].at(-1); return last && gone.includes(run.states[last[1]]); }) : [];
      node.textContent = opset ? `${count(names.length)} missing in ${run.operators.targets[n].tested.at(-1)}` : "";
    }
  },
  /** @param {OperatorRow} row */
  row(row) {
    const [unit, cells, broke, unsteady] = row;
    const [domain, name] = unit.includes("::") ? unit.split("::") : ["", unit];
    /** @type {HTMLButtonElement} */
    const toggle = el("button", { type: "button", class: "plain unit", "aria-expanded": "false", dir: "auto", click: () => this.expand(tr, toggle, unit) },
      domain && domain !== "ai.onnx" ? el("span", { class: "dim" }, `${domain}::`) : null, shorten(name, 80));
    const tr = el("tr", { class: broke ? "broke" : null }, el("th", { scope: "row" }, toggle,
      unsteady ? el("span", { class: "tag" }, "to and fro") : broke ? el("span", { class: "tag" }, "stopped working") : null),
    ...cells.map((ranges, n) => el("td", { "data-label": cells.length > 1 ? targetName(n) : null }, ...(ranges.length ? ranges.map(rangeMark) : [el("span", { class: "dim" }, "–", el("span", { class: "vh" }, "not tested"))]))));
    return tr;
  },
  /** @param {HTMLTableRowElement} tr @param {HTMLElement} toggle @param {string} unit */
  expand(tr, toggle, unit) {
    const open = toggle.getAttribute("aria-expanded") === "true";
    toggle.setAttribute("aria-expanded", String(!open));
    if (open) { tr.nextElementSibling?.remove(); return; }
    const { targets } = run.operators;
    tr.after(keepTable(el("tr", { class: "opsets" }, el("td", { colspan: targets.length + 1 },
      el("div", { class: "opset-tables" }, ...targets.map((/** @type {any} */ target) => opsetTable(target, unit)).filter(Boolean),
        el("p", null, el("a", { href: casesAddress(`op:${quoted(unit)}`) }, `All cases of ${shorten(unit, 60)}`)))))));
  },
  leave() { put(byId("mc-operators")); this.body = null; },
};

/** @type {Map<number, OperatorRow[]>} */
const opsetRows = new Map();

/** The rows as they are for the cases of one opset only. @param {number} opset @returns {OperatorRow[]} */
function atOpset(opset) {
  const known = opsetRows.get(opset);
  if (known) return known;
  const { targets } = run.operators;
  const passed = run.states.indexOf(run.state.passed);
  const gated = run.states.indexOf(run.state.gated);
  const silent = [run.state.skipped, run.state.not_run].map((state) => run.states.indexOf(state));
  /** unit -> target -> version's place -> counts by state @type {Map<number, Map<number, number>[][]>} */
  const seen = new Map();
  targets.forEach((/** @type {any} */ target, /** @type {number} */ t) => target.cells.forEach((/** @type {string} */ id, /** @type {number} */ place) => {
    const cell = run.byId.get(id);
    for (let row = run.start[cell]; row < run.start[cell + 1]; row++) {
      if (run.columns.opset[row] !== opset) continue;
      const [unit] = run.keys[run.columns.key[row]];
      if (run.units[unit][0] !== "op_support") continue;
      const places = seen.get(unit) ?? targets.map((/** @type {any} */ each) => each.tested.map(() => new Map()));
      seen.set(unit, places);
      const counts = places[t][place];
      const state = run.columns.state[row];
      counts.set(state, (counts.get(state) ?? 0) + 1);
    }
  }));
  /** @type {(text: string) => number} */
  const number = (text) => { const at = run.operators.texts.indexOf(text); return at < 0 ? run.operators.texts.push(text) - 1 : at; };
  const rows = [...seen].map(([unit, places]) => {
    let worst = 0; // over all targets: broken, then missing, then refused as a whole
    let plain = true;
    const ranges = places.map((versions, t) => {
      const { tested } = targets[t];
      /** @type {{from: number, to: number, key: string, counts: Map<number, number>}[]} */
      const parts = [];
      versions.forEach((counts, n) => {
        if (!counts.size) return;
        const states = [...counts].sort(([a], [b]) => a - b);
        const key = JSON.stringify(states);
        const last = parts.at(-1);
        if (last && last.key === key && last.to === n - 1) last.to = n;
        else parts.push({ from: n, to: n, key, counts: new Map(states) });
      });
      return parts.map(({ from, to, counts }) => {
        const state = [...counts.keys()].find((s) => !silent.includes(s)) ?? [...counts.keys()][0];
        const total = [...counts.values()].reduce((sum, n) => sum + n, 0);
        const wrong = [...counts].reduce((sum, [s, n]) => sum + (s === passed || silent.includes(s) || run.states[s].key === "fallback" ? 0 : n), 0);
        const newest = to === tested.length - 1;
        if (newest && state !== passed) worst += { bad: 100, broken: 100, missing: state === gated ? 1 : 30 }[/** @type {string} */ (run.states[state].tone)] ?? 0;
        plain &&= state === passed;
        const text = newest && from < to ? `${tested[from]}+` : from === to ? tested[from] : `${tested[from]}–${tested[to]}`;
        const told = [...counts].map(([s, n]) => `${n} ${run.states[s].text}`).join(", ");
        return /** @type {RangeData} */ ([number(text), state, 0, number(wrong ? count(wrong) : ""), number(count(total)), number(`${told}, of ${total}`), ""]);
      });
    });
    return { worst: -worst, row: /** @type {OperatorRow} */ ([run.units[unit][1], ranges, 0, 0, Number(plain)]) };
  });
  const found = rows.sort((a, b) => a.worst - b.worst || a.row[0].localeCompare(b.row[0], "en")).map(({ row }) => row);
  opsetRows.set(opset, found);
  return found;
}

/** @param {number} n */
function targetName(n) {
  const { distribution, where } = run.operators.targets[n];
  return [distribution, where].filter(Boolean).join(" · ");
}

/** @param {any} target @param {number} n */
function targetHead(target, n) {
  const newest = target.tested.at(-1);
  const missing = target.untested.map((/** @type {[string, string]} */ [version, status]) => `${version} ${run.cellState[status]?.text ?? status}`);
  return el("th", { scope: "col", class: "target" }, el("b", { dir: "auto" }, target.distribution), el("span", { dir: "auto" }, target.where),
    el("span", { class: "dim" }, target.tested.length > 1 ? `${target.tested.length} versions, newest ${newest}` : `only ${newest}`),
    missing.length > 0 && el("span", { class: "dim", title: missing.join("\n") }, `no data: ${shorten(missing.join(", "), 60)}`),
    el("b", { class: "missing t-missing", "data-target": n }));
}

/** @param {any} target @param {string} unit */
function opsetTable(target, unit) {
  /** @type {Map<number, Map<number, Map<number, number>>>} */
  const seen = new Map(); // opset -> version's place -> state -> cases
  const wanted = new Uint8Array(run.keys.length);
  run.keys.forEach((/** @type {[number, string]} */ [u], /** @type {number} */ n) => { wanted[n] = Number(run.units[u][0] === "op_support" && run.units[u][1] === unit); });
  target.cells.forEach((/** @type {string} */ id, /** @type {number} */ place) => {
    const cell = run.byId.get(id);
    for (let row = run.start[cell]; row < run.start[cell + 1]; row++) {
      if (!wanted[run.columns.key[row]]) continue;
      const opset = run.columns.opset[row];
      const places = seen.get(opset) ?? new Map();
      seen.set(opset, places);
      const states = places.get(place) ?? new Map();
      places.set(place, states);
      states.set(run.columns.state[row], (states.get(run.columns.state[row]) ?? 0) + 1);
    }
  });
  if (!seen.size) return null;
  const opsets = [...seen].sort(([a], [b]) => a - b);
  return el("table", { class: "opset-table" }, el("caption", { dir: "auto" }, `${target.distribution} · ${target.where}`),
    el("thead", null, el("tr", null, el("th", { scope: "col" }, "opset"), ...target.tested.map((/** @type {string} */ v) => el("th", { scope: "col", dir: "auto" }, v)))),
    el("tbody", null, ...opsets.map(([opset, places]) => el("tr", null, el("th", { scope: "row" }, opset || "?"),
      ...target.tested.map((/** @type {string} */ _, /** @type {number} */ n) => {
        const states = [...(places.get(n) ?? [])].sort(([a], [b]) => a - b);
        const total = states.reduce((sum, [, k]) => sum + k, 0);
        return el("td", null, ...states.slice(0, 3).map(([state, k]) => el("span", { class: `range t-${run.states[state].tone}` }, glyph(run.states[state]), el("span", { class: "vh" }, run.states[state].text), el("small", null, k < total ? ` ${k}/${total}` : ` ${k}`))));
      })))));
}

/** The frame of a view. @param {string} title @param {string} sub @param {Child[]} tools @param {...Child} children */
function section(title, sub, tools, ...children) {
  const id = `mc-h-${title.toLowerCase().replace(/\W+/g, "-")}`;
  return el("section", { "aria-labelledby": id }, el("div", { class: "head" }, el("h2", { id, tabindex: -1 }, title), el("p", { class: "sub" }, sub),
    tools.length > 0 && el("div", { class: "tools" }, ...tools)), ...children);
}
