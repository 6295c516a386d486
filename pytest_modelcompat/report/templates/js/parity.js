// Model × cell as a heat map: colour by powers of ten of error over tolerance, the number in it.

const HEAT_WORDS = ["exact", "≤ −3", "≤ −2", "≤ −1", "≤ 0", "≤ 1", "≤ 2", "> 2"];
const STRIP = { from: -6, to: 4, width: 460 }; // powers of ten of error over tolerance

/** The data sets of a model in a cell, given one of them. @param {number} row @returns {number[]} */
function dataSets(row) {
  const { unit, name } = caseOf(row);
  const stem = name.slice(0, name.lastIndexOf("/") + 1);
  const cell = cellOf(row);
  const found = [];
  for (let at = run.start[cell]; at < run.start[cell + 1]; at++) {
    const other = caseOf(at);
    if (other.unit === unit && other.name.startsWith(stem) && !other.name.slice(stem.length).includes("/")) found.push(at);
  }
  return found;
}

/** How far off each data set is, as dots on a line of powers of ten. @param {number} row */
function distribution(row) {
  const rows = dataSets(row);
  const seen = rows.map((at) => ({ at, state: stateOf(at), ratio: ratioOf(at) ?? (["passed", "fallback"].includes(stateOf(at).key) ? 0 : null) }));
  const known = seen.filter(({ ratio }) => ratio !== null);
  if (!known.length) return null;
  const { from, to, width } = STRIP;
  const x = (/** @type {number} */ ratio) => 14 + ((width - 28) * (Math.min(to, Math.max(from, ratio > 0 ? Math.log10(ratio) : from)) - from)) / (to - from);
  const sorted = known.map(({ ratio }) => Number(ratio)).sort((a, b) => a - b);
  const worst = sorted.at(-1) ?? 0;
  const middle = sorted[(sorted.length - 1) >> 1];
  const exact = sorted.filter((ratio) => ratio === 0).length;
  const text = `${plural(known.length, "data set")}: median ${brief(middle)} ×, worst ${brief(worst)} × tolerance${exact ? `, ${count(exact)} exact` : ""}${known.length < seen.length ? `; ${plural(seen.length - known.length, "other")} without a number` : ""}`;
  const marks = [-6, -4, -2, 0, 2, 4];
  return el("figure", { class: "spread" }, svg("svg", { viewBox: `0 0 ${width} 46`, role: "img", "aria-label": text },
    svg("rect", { class: "spread-beyond", x: x(1), y: 2, width: width - 14 - x(1), height: 26 }),
    svg("path", { class: "spread-axis", d: `M14 28H${width - 14}` }), svg("path", { class: "spread-limit", d: `M${x(1)} 2V32` }),
    ...marks.map((mark) => svg("text", { x: x(10 ** mark), y: 42, "text-anchor": "middle" }, mark === 0 ? "tolerance" : mark === from ? "0" : `10^${mark}`)),
    ...known.map(({ ratio, state }, n) => svg("circle", { class: `t-${state.tone}`, cx: x(Number(ratio)).toFixed(1), cy: 15 + ((n * 7) % 17) - 8, r: 3.4 }))),
  el("figcaption", null, text));
}

/** @param {any} column */
const columnName = (column) => `${column.distribution} ${column.version}`;

const parityView = {
  show() {
    const view = byId("mc-parity");
    if (view.firstChild) return;
    const { columns, rows } = run.parity;
    if (!rows.length) {
      put(view, section("Parity", "This run compared no model.", []));
      return;
    }
    const said = el("p", { role: "status" }, "Point at or move to a number to read more of it; Enter opens it.");
    const spread = el("div", { class: "heat-spread" });
    this.spread = spread;
    const table = el("table", { class: "heat stack" }, el("thead", null, this.spans(columns, (c) => c.distribution, "sold"), this.spans(columns, (c) => `${c.distribution}\n${c.where}`, "families"),
      el("tr", null, el("td"), ...columns.map((/** @type {any} */ c) => el("th", { scope: "col", dir: "auto" }, c.version)))),
    el("tbody", null, ...rows.map((/** @type {any} */ row, /** @type {number} */ n) => this.row(row, columns, said, rows[n - 1]?.model === row.model))));
    const legend = el("p", { class: "heat-legend" }, "log₁₀(error / tolerance)", ...HEAT_WORDS.map((text, n) => el("span", { class: `h${n}` }, text)),
      el("span", { class: "dim" }, "0 is the tolerance; the number in a cell is error / tolerance"));
    put(view, section("Parity", `${plural(rows.length, "model")}, worst first; of each the worst data set${run.parity.reference ? `; against ${run.parity.reference}` : ""}`, [], legend, el("div", { class: "heat-said" }, said, spread),
      el("div", { class: "scroll tall", role: "region", tabindex: 0, "aria-label": "Error over tolerance by model and cell" }, table)), this.producers(columns));
    roving(table, "button.heat-cell");
  },
  /** @type {HTMLElement | null} */
  spread: null,
  /** Each way of making models against each runtime. @param {any[]} columns */
  producers(columns) {
    const { producers } = run.parity;
    if (!producers.length) return null;
    const table = el("table", { class: "heat stack" }, el("thead", null, this.spans(columns, (c) => c.distribution, "sold"), this.spans(columns, (c) => `${c.distribution}\n${c.where}`, "families"),
      el("tr", null, el("td"), ...columns.map((c) => el("th", { scope: "col", dir: "auto" }, c.version)))),
    el("tbody", null, ...producers.map((/** @type {any} */ each) => el("tr", null, el("th", { scope: "row" }, el("span", { class: "variant made", dir: "auto" }, shorten(each.variant, 120)), el("span", { class: "dim" }, plural(each.models, "model"))),
      ...each.cells.map((/** @type {any} */ cell, /** @type {number} */ n) => {
        if (!cell) return el("td", { class: "nothing" });
        const [at, state, step, right, total] = cell;
        const worst = run.states[state];
        const label = `${each.variant} on ${columns[n].distribution} ${columns[n].version}, ${columns[n].where}: ${right}/${total} models right, worst ${worst.text}`;
        return el("td", { "data-label": columnName(columns[n]) }, el("button", { type: "button", class: `heat-cell ${step >= 0 ? `h${step}` : `t-${worst.tone} no-number`}`, "aria-label": label, title: label, click: () => go(caseAddress(at)) },
          `${right}/${total}`, right < total && glyph(worst)));
      })))));
    roving(table, "button.heat-cell");
    return el("section", { class: "producers", "aria-labelledby": "mc-h-producers" }, el("div", { class: "head" }, el("h3", { id: "mc-h-producers" }, "Producer × runtime"),
      el("p", { class: "sub" }, "models with the right answer, of those that the producer made; colour and Enter: the worst of them")),
    el("div", { class: "scroll", role: "region", tabindex: 0, "aria-label": "Producers by runtime" }, table));
  },
  /** A header row of neighbours that share a name. @param {any[]} columns @param {(column: any) => string} name @param {string} kind */
  spans(columns, name, kind) {
    /** @type {[string, number][]} */
    const spans = [];
    for (const column of columns) {
      const last = spans.at(-1);
      if (last && last[0] === name(column)) last[1] += 1;
      else spans.push([name(column), 1]);
    }
    return el("tr", { class: kind }, el("td"), ...spans.map(([text, span]) => el("th", { scope: "colgroup", colspan: span, dir: "auto" }, el("span", { class: span > 1 ? "wide" : null }, text.split("\n").at(-1)))));
  },
  /** @param {any} row @param {any[]} columns @param {HTMLElement} said @param {boolean} again */
  row(row, columns, said, again) {
    const more = [row.outputs.length ? row.outputs.join(", ") : "", !run.parity.reference && row.reference && `against ${row.reference}`,
      row.datasets > 1 ? `${row.datasets} data sets` : ""].filter(Boolean).join(" · ");
    return el("tr", { class: again ? "again" : null }, el("th", { scope: "row" },
      el("a", { href: casesAddress(`model:${quoted(row.model)}`), dir: "auto" }, shorten(row.model, 80)),
      row.variant && el("span", { class: "variant", dir: "auto" }, shorten(row.variant, 120)), el("span", { class: "dim", dir: "auto" }, shorten(more, 200))),
    ...row.cells.map((/** @type {any} */ cell, /** @type {number} */ n) => el("td", { "data-label": columnName(columns[n]), class: cell ? null : "nothing" }, cell ? this.cell(row, cell, columns[n], said) : null)));
  },
  /** @param {any} row @param {any[]} cell @param {any} column @param {HTMLElement} said */
  cell(row, [at, state, text, step, within, measured, total], column, said) {
    const known = run.states[state];
    const odd = !["passed", "failed"].includes(known.key);
    const sets = measured ? `${within} of ${plural(measured, "compared data set")} within tolerance${total > measured ? `, ${total - measured} not compared` : ""}` : "nothing compared";
    const label = `${row.model}${row.variant ? ` ${row.variant}` : ""}, ${column.distribution} ${column.version}, ${column.where}: ${known.text}${step >= 0 ? `, error ${text} × tolerance` : ""}; ${sets}`;
    const tell = () => {
      said.textContent = label;
      const dots = distribution(at);
      put(/** @type {HTMLElement} */ (this.spread), dots);
      detail(at).then(({ mismatch: m }) => {
        if (!m || said.textContent !== label) return;
        const where = [m.output !== undefined && `output ${clean(m.output)}`, m.index && `worst at [${flat(m.index)}]`, m.actual !== undefined && `got ${flat(m.actual)}, expected ${flat(m.expected)}`];
        said.textContent = `${label}; ${where.filter(Boolean).join(", ")}`;
      });
    };
    return el("button", { type: "button", class: `heat-cell ${step >= 0 ? `h${step}` : `t-${known.tone} no-number`}`, "aria-label": label, focus: tell, mouseenter: tell, click: () => go(caseAddress(at)) },
      step >= 0 ? text : glyph(known), odd && step >= 0 && glyph(known));
  },
  leave() { put(byId("mc-parity")); },
};
