// Environments: a row per cell, and the difference of any two.

const ENVIRONMENT = ["Cell", "Status", "Environment", "Lock", "Made in", "Ran for", "Why"];

const environmentsView = {
  show(/** @type {URLSearchParams} */ params) {
    const view = byId("mc-environments");
    if (!view.firstChild) {
      const body = el("tbody");
      const more = moreButton();
      const worst = (/** @type {number} */ n) => run.cellStates.indexOf(run.cellState[run.cells[n].status]);
      put(view, section("Environments", `${plural(Object.keys(run.environments).length, "environment")} for ${plural(run.cells.length, "cell")}`, []),
        el("div", { id: "mc-compare", class: "compare" }), el("div", { class: "scroll tall", role: "region", tabindex: 0, "aria-label": "Environments of the cells" },
          el("table", { class: "rows environments stack" }, el("thead", null, el("tr", null, ...ENVIRONMENT.map((t) => el("th", { scope: "col", class: / (in|for)$/.test(t) ? "n" : null }, t)))), body)), more);
      // What was not measured comes first: of many cells, those are the ones asked for.
      inParts(body, more, run.cells.map((/** @type {Cell} */ _, /** @type {number} */ n) => n).sort((/** @type {number} */ a, /** @type {number} */ b) => worst(a) - worst(b)), (/** @type {number} */ n) => this.row(run.cells[n], n));
    }
    put(byId("mc-compare"), ...this.compare(run.byId.get(params.get("a") ?? ""), run.byId.get(params.get("b") ?? "")));
  },
  /** @param {Cell} cell @param {number} n */
  row(cell, n) {
    const { environment, seconds: took } = cell;
    const made = (took.resolve ?? 0) + (took.install ?? 0);
    const row = el("tr", null, el("td", null, el("a", { href: cellAddress(n), dir: "auto" }, shorten(cellName(cell), 160))), el("td", null, chip(run.cellState[cell.status] ?? run.state.no_data)),
      el("td", { dir: "auto" }, [environment.kind, environment.image !== "host" && environment.image, environment.python && `Python ${environment.python}`].filter(Boolean).join(" · ")),
      el("td", { class: "mono dim" }, (environment.lock_digest ?? "").replace("sha256:", "").slice(0, 12)), el("td", { class: "n" }, made ? seconds(made) : ""), el("td", { class: "n" }, took.run ? seconds(took.run) : ""),
      el("td", { class: "clip-cell dim", dir: "auto" }, shorten(cell.reason.split("\n")[0], 120)));
    for (const n of [3, 4, 5]) labelled(row.cells[n], ENVIRONMENT[n]);
    return row;
  },
  /** @param {number | undefined} a @param {number | undefined} b @returns {Child[]} */
  compare(a, b) {
    const options = /** @type {[string, string][]} */ ([["", "choose a cell"], ...run.cells.map((/** @type {Cell} */ c) => [c.id, cellName(c)])]);
    const tools = el("p", { class: "tools" }, choose("Compare", options, a === undefined ? "" : run.cells[a].id, (v) => this.pick("a", v)), choose("with", options, b === undefined ? "" : run.cells[b].id, (v) => this.pick("b", v)));
    if (a === undefined || b === undefined) return [tools];
    const [left, right] = [facing(run.cells[a]), facing(run.cells[b])];
    const names = [...new Set([...left.keys(), ...right.keys()])];
    const differ = names.filter((name) => left.get(name) !== right.get(name));
    const shown = (/** @type {string | undefined} */ v) => (v === undefined ? el("span", { class: "dim" }, "absent") : shorten(v, 300));
    return [tools, el("p", { class: "quiet-note" }, `${count(differ.length)} of ${plural(names.length, "fact")} differ`),
      differ.length > 0 && el("div", { class: "scroll", role: "region", tabindex: 0, "aria-label": "Differences" }, el("table", { class: "rows difference" },
        el("thead", null, el("tr", null, el("th", { scope: "col" }, "Fact"), el("th", { scope: "col", dir: "auto" }, shorten(cellName(run.cells[a]), 120)), el("th", { scope: "col", dir: "auto" }, shorten(cellName(run.cells[b]), 120)))),
        el("tbody", null, ...differ.map((name) => el("tr", null, el("th", { scope: "row", dir: "auto" }, shorten(name, 120)), el("td", { dir: "auto" }, shown(left.get(name))), el("td", { dir: "auto" }, shown(right.get(name))))))))];
  },
  /** @param {"a" | "b"} name @param {string} value */
  pick(name, value) {
    go(address({ [name]: value || null }));
    byId("mc-compare").querySelectorAll("select")[name === "a" ? 0 : 1].focus();
  },
  leave() { put(byId("mc-environments")); },
};

/** Everything about a cell's environment, flat. @param {Cell} cell @returns {Map<string, string>} */
function facing(cell) {
  /** @type {Map<string, string>} */
  const out = new Map();
  const walk = (/** @type {string} */ name, /** @type {any} */ value) => {
    if (value && typeof value === "object" && !Array.isArray(value)) for (const [k, v] of Object.entries(value)) walk(name ? `${name}.${k}` : k, v);
    else if (value !== "" && value !== null && value !== undefined) out.set(name, flat(value));
  };
  walk("", cell.axes);
  for (const text of run.environments[cell.environment.id]?.packages ?? []) {
    const [name, version] = text.split("==");
    out.set(`package ${name}`, version ?? "");
  }
  for (const name of ["kind", "image_digest", "lock_digest"]) walk(name, cell.environment[name]);
  walk("found", cell.attestation);
  return out;
}
