// Model × cell as a heat map: colour by powers of ten of error over tolerance, the number in it.

const HEAT_WORDS = ["exact", "≤ 0.001", "≤ 0.01", "≤ 0.1", "≤ 1", "≤ 10", "≤ 100", "> 100"];

const parityView = {
  show() {
    const view = byId("mc-parity");
    if (view.firstChild) return;
    const { columns, rows } = run.parity;
    if (!rows.length) {
      put(view, section("Parity", "This run compared no model.", []));
      return;
    }
    const said = el("p", { class: "heat-said", role: "status" }, "Point at or move to a number to read more of it; Enter opens it.");
    const table = el("table", { class: "heat" }, el("thead", null, this.spans(columns, (c) => c.distribution, "sold"), this.spans(columns, (c) => `${c.distribution}\n${c.where}`, "families"),
      el("tr", null, el("td"), ...columns.map((/** @type {any} */ c) => el("th", { scope: "col", dir: "auto" }, c.version)))),
    el("tbody", null, ...rows.map((/** @type {any} */ row) => this.row(row, columns, said))));
    const legend = el("p", { class: "heat-legend" }, "error / tolerance", ...HEAT_WORDS.map((text, n) => el("span", { class: `h${n}` }, text)),
      el("span", { class: "dim" }, "within tolerance up to 1"));
    put(view, section("Parity", `${plural(rows.length, "model")}, worst first; of each the worst data set${run.parity.reference ? `; against ${run.parity.reference}` : ""}`, [], legend, said,
      el("div", { class: "scroll tall", role: "region", tabindex: 0, "aria-label": "Error over tolerance by model and cell" }, table)));
    roving(table, "button.heat-cell");
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
  /** @param {any} row @param {any[]} columns @param {HTMLElement} said */
  row(row, columns, said) {
    const more = [row.outputs.length ? row.outputs.join(", ") : "", !run.parity.reference && row.reference && `against ${row.reference}`,
      row.datasets > 1 ? `${row.datasets} data sets` : ""].filter(Boolean).join(" · ");
    return el("tr", null, el("th", { scope: "row" },
      el("a", { href: casesAddress(`model:${quoted(row.model)}`), dir: "auto" }, shorten(row.model, 80)),
      row.variant && el("span", { class: "variant", dir: "auto" }, shorten(row.variant, 120)), el("span", { class: "dim", dir: "auto" }, shorten(more, 200))),
    ...row.cells.map((/** @type {any} */ cell, /** @type {number} */ n) => el("td", null, cell ? this.cell(row, cell, columns[n], said) : null)));
  },
  /** @param {any} row @param {any[]} cell @param {any} column @param {HTMLElement} said */
  cell(row, [at, state, text, step, within, measured, total], column, said) {
    const known = run.states[state];
    const odd = !["passed", "failed"].includes(known.key);
    const sets = measured ? `${within} of ${plural(measured, "compared data set")} within tolerance${total > measured ? `, ${total - measured} not compared` : ""}` : "nothing compared";
    const label = `${row.model}${row.variant ? ` ${row.variant}` : ""}, ${column.distribution} ${column.version}, ${column.where}: ${known.text}${step >= 0 ? `, error ${text} × tolerance` : ""}; ${sets}`;
    const tell = () => {
      said.textContent = label;
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
