// The drawer: everything about one case or one cell, beside the view it was opened from.

/** @type {HTMLElement | null} */
let openedFrom = null;
let shownIn = "";

const drawer = {
  show(/** @type {URLSearchParams} */ params) {
    const node = byId("mc-drawer");
    const id = params.get("cell");
    const cell = id === null ? undefined : run.byId.get(id);
    if (cell === undefined) { this.hide(); return; }
    const row = rowAt(params);
    const key = `${id}\n${row}`;
    if (key === shownIn && !node.hidden) return;
    if (node.hidden) openedFrom = /** @type {HTMLElement | null} */ (document.activeElement);
    shownIn = key;
    node.hidden = false;
    document.documentElement.classList.add("with-drawer");
    put(node, ...(row >= 0 ? caseDrawer(row) : cellDrawer(cell)));
    node.scrollTop = 0;
    mark(row >= 0 ? -1 : cell);
    const title = byId("mc-drawer-title");
    title.tabIndex = -1;
    title.focus({ preventScroll: true });
  },
  hide() {
    const node = byId("mc-drawer");
    if (node.hidden) return;
    const inside = node.contains(document.activeElement) || document.activeElement === document.body;
    node.hidden = true;
    shownIn = "";
    document.documentElement.classList.remove("with-drawer");
    put(node);
    mark(-1);
    if (inside && openedFrom?.isConnected) openedFrom.focus();
  },
  close() { go(address(DRAWER)); },
};

/** Shows which cell of the matrix is open. @param {number} position */
function mark(position) {
  for (const node of document.querySelectorAll(".cell.open")) node.classList.remove("open");
  if (position >= 0) document.querySelector(`#mc-grid a[href="#${CSS.escape(encodeURIComponent(run.cells[position].id))}"]`)?.classList.add("open");
}

/** @param {string} kicker @param {string} title @param {...Child} more */
function drawerHead(kicker, title, ...more) {
  return el("header", null, el("div", { class: "drawer-top" }, el("span", { class: "dim" }, kicker),
    el("button", { type: "button", class: "close", "aria-label": "Close", click: () => drawer.close() }, "✕")),
  el("h2", { id: "mc-drawer-title", dir: "auto" }, shorten(title, 300)), ...more);
}

/** @param {number} row @returns {Child[]} */
function caseDrawer(row) {
  const { check, unit, name } = caseOf(row);
  const position = cellOf(row);
  const cell = run.cells[position];
  const change = run.changes[run.columns.change[row]];
  const words = { new: "worked with the version before", fixed: "did not work with the version before", still: "failed with the version before too", added: "not measured with the version before", moved: "ran on the provider asked for with the version before", back: "fell back with the version before", no_data: "was measured with the version before", known_new: "worked with the version before, and a known issue says that it fails" };
  const known = nameOf("known", row);
  const issue = run.issues[known];
  const ran = nameOf("ran_on", row);
  const reference = nameOf("reference", row);
  const more = el("div", { class: "drawer-more", "aria-busy": "true" });
  detail(row).then((d) => { put(more, ...caseDetails(row, d)); more.removeAttribute("aria-busy"); });
  /** @type {HTMLButtonElement} */
  const link = el("button", { type: "button", click: () => copy(location.href, link) }, "Copy link");
  /** @type {HTMLButtonElement} */
  const issueText = el("button", { type: "button", click: async () => copy(asIssue(row, await detail(row)), issueText) }, "Copy as issue");
  return [
    drawerHead(check === "op_support" ? "Operator case" : `${check} case`, unit, el("p", { class: "drawer-case", dir: "auto" }, shorten(name, 600)),
      el("p", { class: "chips" }, chip(stateOf(row), known && stateOf(row).key === "known" ? `known: ${run.statuses[run.columns.status[row]]}` : undefined), change === "new" && el("b", { class: "new" }, "new"), run.since && run.since.kinds[run.columns.since[row]] ? el("span", { class: "dim" }, `${run.since.kinds[run.columns.since[row]]} since the baseline; `) : null, change && words[/** @type {keyof typeof words} */ (change)] ? el("span", { class: "dim" }, words[/** @type {keyof typeof words} */ (change)]) : null),
      el("p", { class: "drawer-buttons" }, step(-1), step(1), link, issueText)),
    facts([
      ["cell", el("a", { href: cellAddress(position) }, shorten(cellName(cell), 200))],
      ["asked for", nameOf("requested", row)],
      ["ran on", ran ? Object.entries(JSON.parse(ran)).map(([p, n]) => `${p} (${plural(Number(n), "node")})`).join(", ") : "no evidence"],
      ["ended at", run.stages[run.columns.stage[row]]],
      ["outcome", run.outcomes[run.columns.outcome[row]]?.replace("_", " ")],
      ["known issue", known && (issue && /^https?:/.test(issue) ? el("a", { href: issue, rel: "noreferrer noopener" }, known) : known)],
      ["lock", (cell.environment.lock_digest ?? "").replace("sha256:", "").slice(0, 16)],
      ["opset", run.columns.opset[row] || ""],
      ["reference", reference && referenceName(reference)],
      ["attributed to", nameOf("attribution", row)],
      ...costs(row),
    ]),
    more, check === "op_support" ? null : spreadOf(row), historyStrip(row), runsStrip(row), environmentStep(position), command("Run it again (its own environment, by nox and uv)", reproOf(row)), ...otherCommands(cell),
  ];
}

/** What the case's model costs here. @param {number} row @returns {[string, Child][]} */
function costs(row) {
  const f = figureOf(row);
  const cost = (/** @type {string} */ key) => f && METRICS[key].value(f) ? METRICS[key].text(METRICS[key].value(f)) : "";
  return ["latency", "load", "memory", "size"].map((key) => [METRICS[key].name, cost(key)]);
}

/** Ways to the same environment without this project. @param {Cell} cell @returns {Child[]} */
function otherCommands(cell) {
  if (!cell.commands.length) return [];
  return [el("details", { class: "other-ways" }, el("summary", null, "Its environment by hand: uv, docker"), ...cell.commands.map(([label, text]) => command(label, text)))];
}

/** What else changed since the version before. @param {number} position */
function environmentStep(position) {
  const before = cellBefore(position);
  if (before < 0) return null;
  const found = packagesBetween(before, position);
  const link = el("a", { href: address({ ...DRAWER, a: run.cells[before].id, b: run.cells[position].id }, "environments") }, "all differences");
  return el("div", { class: "env-step" }, el("h3", null, "Environment against the version before"),
    el("p", { dir: "auto" }, found === null ? "not known" : found.length ? `${found.length === 1 ? "only " : ""}${found.slice(0, 12).join(", ")}${found.length > 12 ? `, and ${found.length - 12} more` : ""}${found.length === 1 ? " changed" : ""}` : "the same packages", "; ", link));
}

/** All data sets of the model in this cell. @param {number} row */
function spreadOf(row) {
  const dots = dataSets(row).length > 1 ? distribution(row) : null;
  return dots && el("div", null, el("h3", null, "All its data sets here"), dots);
}

/** @param {1 | -1} by */
function step(by) {
  const rows = casesView.found;
  const at = rows.indexOf(rowAt(route().params));
  const to = at < 0 ? -1 : at + by;
  return el("button", { type: "button", disabled: to < 0 || to >= rows.length, "aria-label": by > 0 ? "Next case of the list" : "Previous case of the list", click: () => go(caseAddress(rows[to])) }, by > 0 ? "Next" : "Previous");
}

/** What facts of a mismatch are called. */
const FACT = { first: "first wrong at", sqnr: "signal to noise, dB", cosine: "cosine similarity", dtype: "type" };

/** @param {number} row @param {Record<string, any>} d @returns {Child[]} */
function caseDetails(row, d) {
  const { error, mismatch: m, reason, attribution_detail: tried, seconds: took } = d;
  const usual = new Set(["output", "kind", "ratio", "max_abs", "max_rel", "max_ulp", "index", "actual", "expected", "bad", "total", "beyond", "of"]);
  const bad = m && (m.bad ?? m.beyond);
  const value = m?.ratio === undefined ? ratioOf(row) : Number(m.ratio);
  return [
    reason && el("p", null, clean(reason)),
    error && el("div", null, el("h3", null, "Message"), error.message && el("pre", { class: "message", dir: "auto" }, clean(error.message)),
      error.left_out > 0 && el("p", { class: "dim" }, `${count(error.left_out)} more characters are in cases.jsonl.gz`),
      facts([["type", error.type && clean(error.type)], ["signal", error.signal && clean(error.signal)], ["exit code", error.exit_code ?? null], ["rule", error.rule && clean(error.rule)], ["signature", nameOf("signature", row)]]),
      error.output && el("details", null, el("summary", null, "What the process printed"), el("pre", { class: "message", dir: "auto" }, clean(error.output)))),
    m && el("div", null, el("h3", null, "Worst element"), facts([
      ["output", m.output !== undefined && clean(m.output)], ["what differs", m.kind && clean(m.kind)],
      ["error / tolerance", value === null || Number.isNaN(value) ? "" : `${brief(value)} ×`],
      ["at", m.index && `[${flat(m.index)}]`], ["got", m.actual !== undefined && flat(m.actual)], ["expected", m.expected !== undefined && flat(m.expected)],
      ["largest error", m.max_abs !== undefined && flat(m.max_abs)], ["relative", m.max_rel !== undefined && flat(m.max_rel)], ["in ulp", m.max_ulp !== undefined && flat(m.max_ulp)],
      ["beyond tolerance", bad !== undefined && `${bad} of ${flat(m.total ?? m.of ?? "?")} elements`],
      ...Object.entries(m).filter(([k]) => !usual.has(k)).map(([k, v]) => /** @type {[string, Child]} */ ([FACT[/** @type {keyof typeof FACT} */ (k)] ?? clean(k).replaceAll("_", " "), flat(v)])),
    ])),
    tried && el("div", null, el("h3", null, "Tried again"), facts(Object.entries(tried).map(([k, v]) => [clean(k).replaceAll("_", " "), flat(v)]))),
    took && facts(Object.entries(took).filter(([, v]) => typeof v === "number").map(([k, v]) => [clean(k), seconds(v)])),
  ];
}

/** The case over the versions of its target. @param {number} row */
function historyStrip(row) {
  const stops = overVersions(row);
  if (stops.length < 2) return null;
  const rights = stops.map(({ row: at }) => (at < 0 || ["not_run", "skipped"].includes(stateOf(at).key) ? null : ["passed", "fallback"].includes(stateOf(at).key)));
  const bad = rights.findIndex((right, n) => right === false && rights.slice(0, n).includes(true));
  const good = bad < 0 ? -1 : rights.slice(0, bad).lastIndexOf(true);
  const told = bad < 0 ? null : el("p", null, "first bad version ", el("b", null, stops[bad].version), `, after ${stops[good].version} was right`);
  return el("div", null, el("h3", null, "Over the versions"), told, el("ol", { class: "strip" }, ...stops.map(({ version, cell, row: at }) => {
    const state = at < 0 ? run.state.no_data : stateOf(at);
    const inner = [el("span", { class: "dim", dir: "auto" }, version), chip(state)];
    return el("li", null, at === row ? el("span", { class: "here", "aria-current": "true" }, ...inner) : el("a", { href: at < 0 ? cellAddress(cell) : caseAddress(at) }, ...inner));
  })));
}

/** The case over earlier runs. @param {number} row */
function runsStrip(row) {
  if (!run.past) return null;
  const node = el("div", { class: "over-runs" });
  overRuns(row).then((past) => {
    if (!past) return;
    const { runs, letters, flaky, states } = past;
    put(node, el("h3", null, `Over ${plural(runs.length, "run")}`), letters === null ? el("p", { class: "dim" }, "ended alike in all of them that measured it")
      : el("ol", { class: "strip runs" }, ...runs.map(([id, started], n) => {
        const state = run.state[states[letters[n]]] ?? run.state.no_data;
        return el("li", null, el("span", { class: "here-not", title: id }, el("span", { class: "dim" }, shorten(started.slice(0, 10) || id, 12)), chip(state)));
      })), flaky && el("p", null, el("b", null, "flaky"), ": it went to and fro in one and the same environment"));
  });
  return node;
}

/** @param {number} row @param {Record<string, any>} d */
function asIssue(row, d) {
  const { unit, name } = caseOf(row);
  const cell = run.cells[cellOf(row)];
  const m = d.mismatch;
  const fence = (/** @type {string} */ text) => { const f = "`".repeat(Math.max(3, ...[...text.matchAll(/`+/g)].map((x) => x[0].length + 1))); return `${f}\n${text}\n${f}`; };
  return [
    `${unit}: ${stateOf(row).text} on ${cellName(cell)}`, "", `Case: ${name}`,
    ...Object.entries(cell.axes).map(([axis, value]) => `- ${axis}: ${value}`),
    ...Object.entries(cell.attestation.versions ?? {}).map(([k, v]) => `- ${k} ${v}`), "",
    d.error?.message && fence(clean(d.error.message)), m && `Worst element: output ${flat(m.output)} at [${flat(m.index)}], got ${flat(m.actual)}, expected ${flat(m.expected)}, error / tolerance ${flat(m.ratio)}.`,
    "", `Over the versions: ${overVersions(row).map((s) => `${s.version} ${s.row < 0 ? "no data" : stateOf(s.row).text}`).join(", ")}.`, "", "To reproduce:", fence(reproOf(row)),
  ].filter((line) => line !== undefined && line !== false && line !== null).join("\n");
}

/** @param {number} position @returns {Child[]} */
function cellDrawer(position) {
  /** @type {Cell} */
  const cell = run.cells[position];
  const state = run.cellState[cell.status] ?? run.state.no_data;
  const environment = run.environments[cell.environment.id] ?? {};
  const total = cell.counts.reduce((sum, [, n]) => sum + n, 0);
  /** @type {HTMLButtonElement} */
  const link = el("button", { type: "button", click: () => copy(location.href, link) }, "Copy link");
  return [
    drawerHead("Cell", cellName(cell), el("p", { class: "chips" }, chip(state), cell.stage && !cell.measured && el("span", { class: "dim" }, `at ${cell.stage}`), cell.known && el("span", { class: "dim" }, `known as ${cell.known}`)),
      el("p", { class: "drawer-buttons" }, link, el("a", { class: "button", href: address({ ...DRAWER, a: cell.id }, "environments") }, "Compare environment"))),
    cell.reason && el("pre", { class: "message", dir: "auto" }, shorten(cell.reason, 4000)),
    cell.bar.length > 0 && bar(cell.bar),
    el("h3", null, plural(total, "case")),
    el("p", { class: "chips" }, ...cell.counts.map(([key, n]) => el("a", { class: "narrow", href: casesAddress(`cell:${quoted(cell.id)} is:${key}`) }, counted(run.state[key], n)))),
    cell.new > 0 && el("p", null, el("a", { href: casesAddress(`cell:${quoted(cell.id)} is:new`) }, `${plural(cell.new, "case")} newly failing against the version before`)),
    el("h3", null, "Axes"), facts(Object.entries(cell.axes)),
    el("h3", null, "Environment"), facts([
      ["kind", cell.environment.kind], ["image", cell.environment.image], ["image digest", cell.environment.image_digest], ["python", cell.environment.python], ["lock", cell.environment.lock ?? cell.environment.lock_digest],
      ...Object.entries(cell.seconds).map(([k, v]) => /** @type {[string, Child]} */ ([`${k} took`, seconds(v)])),
    ]),
    Object.keys(cell.attestation).length > 0 && el("div", null, el("h3", null, "What was really there"), facts(Object.entries(cell.attestation).map(([k, v]) => [k.replaceAll("_", " "), shorten(flat(v), 2000)]))),
    ...cell.notes.map((note) => el("p", null, note)),
    environment.packages?.length > 0 && el("details", null, el("summary", null, plural(environment.packages.length, "package")), el("pre", { class: "message", dir: "ltr" }, environment.packages.join("\n"))),
    environment.log?.trim() && el("details", null, el("summary", null, "End of the log"), el("pre", { class: "message", dir: "ltr" }, shorten(environment.log, 20_000))),
    environmentStep(position),
    cell.repro && command("Run it again (its own environment, by nox and uv)", cell.repro), ...otherCommands(cell),
    facts([["cell id", el("code", null, cell.id)]]),
  ];
}
