// The matrix pivoted by other axes. The first pivot is in the page already (grid.py); this one
// draws the same for any choice of columns, facets and rows.

/** @typedef {{label: string[], squares: number[][], times: number, bad: number[]}} MatrixRow */

const FIRST_PIVOT = { columns: "framework", facets: "distribution", rows: "", every: "" };
const MAX_SQUARES = 200; // drawn at once, as in grid.py; "show all" draws the others
const STACK = 3; // cells shown in one square; the others are counted

/** @param {Cell} cell @param {string} axis @returns {string} */
function axisValue(cell, axis) {
  if (axis === "distribution") return (cell.axes.framework ?? "").split("==")[0];
  if (axis === "matrix") return cell.matrix;
  return cell.axes[axis] ?? "";
}

/** axis -> value -> what it is called @type {Map<string, Map<string, string>>} */
const faces = new Map();

/** @param {string} axis @param {string} value @param {string} facets */
function valueFace(axis, value, facets) {
  if (axis === "framework") return facets === "distribution" ? value.split("==")[1] ?? value : value.replace("==", " ");
  let known = faces.get(axis);
  if (!known) faces.set(axis, known = new Map(run.cells.map((/** @type {Cell} */ c) => [c.axes[axis], c.faces[axis]])));
  return known.get(value) ?? (value || "–");
}

/** @param {URLSearchParams} params */
function pivotOf(params) {
  const axes = pivotAxes().map(([axis]) => axis);
  const pick = (/** @type {string} */ name, /** @type {string} */ usual, /** @type {string[]} */ more) => {
    const value = params.get(name);
    return value !== null && (axes.includes(value) || more.includes(value)) ? value : usual;
  };
  return {
    columns: pick("columns", FIRST_PIVOT.columns, []), facets: pick("facets", FIRST_PIVOT.facets, ["none"]),
    rows: pick("rows", FIRST_PIVOT.rows, []), every: params.get("every") === "1" ? "1" : "",
  };
}

/** @type {[string, string][] | null} */
let foundAxes = null;

/** @returns {[string, string][]} */
function pivotAxes() {
  if (foundAxes) return foundAxes;
  /** @type {[string, string][]} */
  const axes = run.axes.filter((/** @type {[string, string]} */ [axis]) => axis === "framework" || run.varying.has(axis));
  if (distributions().length > 1) axes.push(["distribution", "distribution"]);
  if (new Set(run.cells.map((/** @type {Cell} */ c) => c.matrix)).size > 1) axes.push(["matrix", "matrix"]);
  return foundAxes = axes;
}

/** @param {string} a @param {string} b */
const naturally = (a, b) => compareVersions(a.split("==")[1] ?? a, b.split("==")[1] ?? b) || a.localeCompare(b, "en", { numeric: true });

/** What a cell's square says, as a number: equal ones look alike. @type {Uint32Array | null} */
let looks = null;

function allLooks() {
  if (looks) return looks;
  const known = new Map();
  looks = Uint32Array.from(run.cells, ({ status, counts, new: fresh, headline, note }) => {
    const text = JSON.stringify([status, counts, fresh, headline, note]);
    if (!known.has(text)) known.set(text, known.size);
    return known.get(text);
  });
  return looks;
}

/** How bad a row is: broken cells, failing cases, cells that did not run. @param {number[]} cells */
function badness(cells) {
  let broken = 0, bad = 0, silent = 0;
  for (const n of cells) {
    const cell = run.cells[n];
    broken += Number(run.cellState[cell.status]?.tone === "broken");
    bad += cell.bad;
    silent += Number(!cell.measured);
  }
  return [broken, bad, silent];
}

/** @param {Cell} cell @param {number} position */
function cellFace(cell, position) {
  const state = run.state[cell.lead] ?? run.cellState[cell.lead];
  return el("a", { class: `cell t-${cell.tone}${cell.measured ? "" : " silent"}`, href: `#${encodeURIComponent(cell.id)}`, "data-cell": position },
    el("span", { class: "cell-head" }, glyph({ ...state, glyph: cell.glyph }), el("span", { class: "cell-word" }, cell.headline),
      cell.new > 0 && el("b", { class: "new" }, `${count(cell.new)} new`)),
    cell.bar.length > 0 && bar(cell.bar),
    el("span", { class: "cell-note", dir: "auto" }, cell.note), el("span", { class: "vh" }, `; ${shorten(cell.label, 600)}`));
}

/** @param {{columns: string, facets: string, rows: string, every: string}} pivot */
function drawGrid(pivot) {
  const every = pivotAxes().map(([axis]) => axis);
  const rest = every.filter((axis) => axis !== pivot.columns && axis !== pivot.facets && axis !== "distribution"
    && !(axis === "framework" && pivot.columns === "distribution"));
  const rowAxes = pivot.rows ? [pivot.rows] : rest;
  /** @type {Map<string, number[]>} */
  const facets = new Map();
  run.cells.forEach((/** @type {Cell} */ cell, /** @type {number} */ n) => {
    const facet = pivot.facets === "none" ? "" : axisValue(cell, pivot.facets);
    const same = facets.get(facet);
    if (same) same.push(n);
    else facets.set(facet, [n]);
  });
  return [...facets].map(([facet, cells]) => drawFacet(pivot, rowAxes, facet, cells));
}

/** @param {{columns: string, facets: string, every: string}} pivot @param {string[]} rowAxes @param {string} facet @param {number[]} cells */
function drawFacet(pivot, rowAxes, facet, cells) {
  const columns = [...new Set(cells.map((n) => axisValue(run.cells[n], pivot.columns)))].sort(naturally);
  const place = new Map(columns.map((value, n) => [value, n]));
  /** @type {Map<string, MatrixRow>} */
  const rows = new Map();
  for (const n of cells) {
    const cell = run.cells[n];
    const label = rowAxes.filter((axis) => axis in cell.axes || axis === "matrix" || axis === "distribution")
      .map((axis) => valueFace(axis, axisValue(cell, axis), pivot.facets));
    const key = JSON.stringify(label);
    const row = rows.get(key) ?? { label, squares: columns.map(() => /** @type {number[]} */ ([])), times: 1, bad: [] };
    row.squares[/** @type {number} */ (place.get(axisValue(cell, pivot.columns)))].push(n);
    rows.set(key, row);
  }
  const joined = collapse([...rows.values()]);
  for (const row of joined) row.bad = badness(row.squares.flat());
  joined.sort(({ bad: x, label: a }, { bad: y, label: b }) => y[0] - x[0] || y[1] - x[1] || y[2] - x[2] || naturally(a.join(), b.join()));
  const most = pivot.every ? joined.length : Math.max(4, Math.floor(MAX_SQUARES / columns.length));
  const left = joined.length - most;
  joined.length = Math.min(joined.length, most);
  const title = pivot.facets === "none" ? "All cells" : valueFace(pivot.facets, facet, "none");
  const heads = columns.map((value) => valueFace(pivot.columns, value, pivot.facets));
  return el("div", { class: "scroll", role: "region", tabindex: 0, "aria-label": `Matrix of ${shorten(title, 80)}` },
    el("table", { class: "grid stack" }, el("caption", { dir: "auto" }, el("span", null, title)),
      el("thead", null, el("tr", null, el("td"), ...heads.map((head) => el("th", { scope: "col", dir: "auto" }, head)))),
      el("tbody", null, ...joined.map((row) => el("tr", null,
        el("th", { scope: "row", dir: "auto" }, el("span", { class: "row-name" }, shorten(row.label.join(", ") || "every target", 300)), row.times > 1 && el("span", { class: "times" }, `${row.times} alike`)),
        ...row.squares.map((/** @type {number[]} */ square, /** @type {number} */ n) => labelled(drawSquare(square), heads[n])))))),
    left > 0 && el("p", { class: "quiet-note" }, `and ${plural(left, "more row")}, less bad `, el("a", { href: address({ every: "1" }) }, "show all")));
}

/** Rows that say the same become one. @param {MatrixRow[]} rows @returns {MatrixRow[]} */
function collapse(rows) {
  const same = new Map();
  const look = allLooks();
  for (const row of rows) {
    const key = row.squares.map((square) => square.map((n) => look[n]).join()).join(";");
    const known = same.get(key);
    if (known) { known.times += 1; known.label = known.label.map((/** @type {string} */ text, /** @type {number} */ n) => (text.split(" / ").includes(row.label[n]) ? text : `${text} / ${row.label[n]}`)); }
    else same.set(key, row);
  }
  return [...same.values()];
}

/** @param {number[]} square */
function drawSquare(square) {
  if (!square.length) return el("td", null, el("span", { class: "none", title: "not in the matrix" }, el("span", { "aria-hidden": "true" }, "\u00a0"), el("span", { class: "vh" }, "not in the matrix")));
  const worst = square.map((n) => ({ n, bad: badness([n]) })).sort(({ bad: x }, { bad: y }) => y[0] - x[0] || y[1] - x[1] || y[2] - x[2]).map(({ n }) => n);
  const more = worst.length - STACK;
  return el("td", { class: worst.length > 1 ? "stack" : null }, ...worst.slice(0, STACK).map((n) => cellFace(run.cells[n], n)),
    more > 0 && el("span", { class: "dim" }, `and ${more} more`));
}

/** The newest versions are what one comes for; they are at the end of what does not fit. */
function newest() {
  for (const node of [...document.querySelectorAll("#mc-grid .scroll")].slice(0, 3)) if (!node.scrollLeft) node.scrollLeft = node.scrollWidth;
}

const matrixView = {
  /** @type {Node[]} */
  first: [],
  drawn: "",
  /** @type {Node[]} */
  away: [],
  /** Out of the page while another view is shown: a page of many cells stays light. */
  leave() {
    this.away = [...byId("mc-overview").childNodes];
    put(byId("mc-overview"));
  },
  back() {
    if (!this.away.length) return;
    byId("mc-overview").append(...this.away.splice(0));
    requestAnimationFrame(newest);
  },
  at: "",
  show(/** @type {URLSearchParams} */ params) {
    this.back();
    const at = params.get("at") ?? "";
    if (at !== this.at && ["verdict", "matrix", "changes"].includes(at)) {
      const title = byId(`mc-h-${at}`);
      title.tabIndex = -1;
      title.focus({ preventScroll: true });
      title.scrollIntoView({ block: "start" });
    }
    this.at = at;
    const grid = byId("mc-grid");
    if (!this.first.length) {
      requestAnimationFrame(newest);
      this.first = [...grid.childNodes];
      this.drawn = JSON.stringify(FIRST_PIVOT);
      for (const table of grid.querySelectorAll("table")) roving(table, "a.cell");
    }
    const pivot = pivotOf(params);
    const key = JSON.stringify(pivot);
    if (key === this.drawn) return;
    this.drawn = key;
    put(byId("mc-pivot"), ...this.tools(pivot));
    if (key === JSON.stringify(FIRST_PIVOT)) { grid.replaceChildren(...this.first); return; }
    put(grid, ...drawGrid(pivot));
    requestAnimationFrame(newest);
    for (const table of grid.querySelectorAll("table")) roving(table, "a.cell");
  },
  /** @param {{columns: string, facets: string, rows: string, every: string}} pivot */
  tools(pivot) {
    const axes = pivotAxes();
    const set = (/** @type {string} */ name, /** @type {string} */ usual) => (/** @type {string} */ value) => {
      go(address({ [name]: value === usual ? null : value }));
      byId("mc-pivot").querySelectorAll("select")[["columns", "rows", "facets"].indexOf(name)].focus();
    };
    return [
      choose("Columns", axes, pivot.columns, set("columns", FIRST_PIVOT.columns)),
      choose("Rows", [["", "all other axes"], ...axes], pivot.rows, set("rows", FIRST_PIVOT.rows)),
      choose("Facets", [["none", "none"], ...(axes.some(([a]) => a === "distribution") ? [] : [/** @type {[string, string]} */ (["distribution", "distribution"])]), ...axes], pivot.facets, set("facets", FIRST_PIVOT.facets)),
    ];
  },
};
