// Starts when the page is there, and follows its address.

/** @type {Record<string, {show: (params: URLSearchParams) => void, leave?: () => void}>} */
const VIEW = {
  overview: matrixView, operators: operatorsView, parity: parityView, speed: speedView, cases: casesView,
  environments: environmentsView, about: { show: () => {} },
};

let current = "";

function follow() {
  const { view, params } = route();
  if (view !== current) {
    // The overview is in the page from the start, so it leaves even if it was never shown.
    VIEW[current || (view === "overview" ? "" : "overview")]?.leave?.();
    for (const name of VIEWS) byId(`mc-${name}`).hidden = name !== view;
    if (current) scrollTo(0, 0);
    current = view;
    const nav = byId("mc-nav");
    for (const link of nav.querySelectorAll("a")) {
      if (link.dataset.view === view) {
        link.setAttribute("aria-current", "page");
        if (small()) link.scrollIntoView({ inline: "center", block: "nearest" });
      } else link.removeAttribute("aria-current");
    }
  }
  VIEW[view].show(params);
  for (const table of document.querySelectorAll("table.stack:not([role])")) keepTable(table);
  drawer.show(params);
}

function navigation() {
  const { operators, parity } = run;
  /** @type {[string, string, number | null][]} */
  const entries = [["overview", "Overview", null], ["operators", "Operators", operators.rows.length], ["parity", "Parity", parity.rows.length], ["speed", "Speed", null],
    ["cases", "Cases", run.rows], ["environments", "Environments", Object.keys(run.environments).length], ["about", "About", null]];
  const nav = byId("mc-nav");
  put(nav, ...entries.map(([view, text, n]) => el("a", { href: `#/${view}`, "data-view": view }, text, n === null ? null : el("span", { class: "dim" }, count(n)))),
    el("button", { type: "button", class: "help", click: help }, "Keys ", el("kbd", null, "?")));
  nav.hidden = false;
}

/** What an export takes. @returns {Uint32Array} */
const exported = () => (casesView.list ? casesView.found : Uint32Array.from({ length: run.rows }, (_, n) => n));

async function start() {
  try {
    await unpackAll();
  } catch (problem) {
    byId("mc-main").prepend(el("p", { class: "alarm", role: "alert" }, `The data inside this page could not be unpacked (${problem}). What is shown below is complete as far as it goes.`));
    return;
  }
  run.varying = new Set(run.axes.map((/** @type {[string, string]} */ [axis]) => axis).filter((/** @type {string} */ axis) => new Set(run.cells.map((/** @type {Cell} */ c) => c.axes[axis])).size > 1));
  document.documentElement.classList.add("js");
  navigation();
  put(byId("mc-pivot"), ...matrixView.tools(pivotOf(new URLSearchParams())));
  put(byId("mc-export"), el("h3", null, "Take it along"), el("p", null, "The cases of the current query, or all where nothing was asked yet; the same buttons stand beside the query box in ", el("a", { href: "#/cases" }, "Cases"), "."),
    el("p", { class: "drawer-buttons" }, ...(/** @type {("csv" | "json")[]} */ (["csv", "json"])).map((kind) => el("button", { type: "button", click: () => exportRows(kind, exported()) }, kind.toUpperCase()))));
  put(byId("mc-keys"), el("h3", null, "Keys"), el("dl", { class: "kv" }, ...KEYS.map(([key, what]) => el("div", null, el("dt", null, el("kbd", null, key)), el("dd", null, what)))));
  byId("mc-grid").addEventListener("click", (event) => {
    const link = /** @type {HTMLElement} */ (event.target).closest("a.cell");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    // The same drawer as the bare `#CELL` opens, without losing the pivot.
    event.preventDefault();
    const id = decodeURIComponent((link.getAttribute("href") ?? "").slice(1));
    if (run.byId.has(id)) go(cellAddress(run.byId.get(id)));
  });
  addEventListener("hashchange", follow);
  addEventListener("beforeprint", () => matrixView.back()); // the overview is what is printed
  addEventListener("keydown", onKey);
  follow();
  document.documentElement.dataset.ready = "true";
}

if (document.readyState === "loading") addEventListener("DOMContentLoaded", start);
else start();
