// What models cost over the versions: a table, and the same as a plot. Machines never meet in one.

/** @typedef {[number, number, number, number, number, number, number, number, number, number | null, number]} FigureData
 *   row, state, run, low, high, load, memory, repeats, data sets, change, size */
/** @typedef {{distribution: string, where: string, versions: string[], cells: number[], seconds: number[]}} TrackData */
/** @typedef {{name: string, tracks: TrackData[], models: [string, string, (FigureData | null)[][]][]}} HardwareData */
/** @typedef {{value: (f: FigureData) => number, low?: (f: FigureData) => number, high?: (f: FigureData) => number,
 *   text: (v: number) => string, name: string, unit: string, up: string}} Metric */

/** @type {Record<string, Metric>} */
const METRICS = {
  latency: { name: "latency", unit: "seconds a run", up: "slower", value: (f) => f[2], low: (f) => f[3], high: (f) => f[4], text: seconds },
  throughput: { name: "throughput", unit: "runs a second", up: "faster", value: (f) => (f[2] ? 1 / f[2] : 0), low: (f) => (f[4] ? 1 / f[4] : 0), high: (f) => (f[3] ? 1 / f[3] : 0), text: rate },
  load: { name: "time to load", unit: "seconds", up: "slower", value: (f) => f[5], text: seconds },
  memory: { name: "memory at most", unit: "bytes", up: "larger", value: (f) => f[6], text: bytes },
  size: { name: "model size", unit: "bytes", up: "larger", value: (f) => f[10], text: bytes },
};
const WIDE = 40; // columns of a table that can still be read
const DRAWN = 8; // lines that can still be told apart
const DASHES = [[], [7, 4], [2, 3], [10, 3, 2, 3], [], [7, 4], [2, 3], [10, 3, 2, 3]];

/** @param {number} value */
function rate(value) {
  return `${value >= 100 ? count(Math.round(value)) : value.toPrecision(3)}/s`;
}

/** @param {number} value */
function bytes(value) {
  if (value < 1024) return plural(value, "byte");
  const power = Math.min(3, Math.floor(Math.log2(value) / 10));
  return `${Number((value / 2 ** (10 * power)).toPrecision(3))} ${["", "KiB", "MiB", "GiB"][power]}`;
}

/** What a case's model cost in the case's cell, over its data sets. @param {number} row @returns {FigureData | null} */
function figureOf(row) {
  const { unit, name } = caseOf(row);
  // As `variant_of` and `_way` in Python say it.
  const middle = name.slice(0, Math.max(0, name.lastIndexOf("/")));
  const made = (middle.startsWith(unit) ? middle.slice(unit.length) : middle).replace(/^\/+/, "");
  const variant = [made, /,((?:batch|step)\d+)$/.exec(name)?.[1]].filter(Boolean).join(" ");
  const cell = cellOf(row);
  for (const { tracks, models } of /** @type {HardwareData[]} */ (run.speed)) {
    const at = tracks.findIndex((track) => track.cells.includes(cell));
    const found = at < 0 ? null : models.find(([model, how]) => model === unit && how === variant);
    if (found) return found[2][at][tracks[at].cells.indexOf(cell)];
  }
  return null;
}

/** Runs uPlot when a plot is first looked at: it costs as much as all else before the first view. */
function plotter() {
  const text = document.getElementById("mc-plotting")?.textContent;
  // The policy knows its digest; a script in the page that is no text would run while it loads.
  if (typeof uPlot === "undefined" && text) document.head.append(el("script", null, text));
  return typeof uPlot !== "undefined";
}

/** @param {TrackData} track */
const trackName = (track) => `${track.distribution}${track.where ? ` · ${track.where}` : ""}`;

const speedView = {
  /** @type {any} */
  plot: null,
  show(/** @type {URLSearchParams} */ params) {
    const view = byId("mc-speed");
    this.drop();
    /** @type {HardwareData[]} */
    const machines = run.speed.filter((/** @type {HardwareData} */ h) => h.models.length || h.tracks.some((t) => t.seconds.some(Boolean)));
    if (!machines.length) {
      put(view, section("Speed and size", "This run measured no time.", []));
      return;
    }
    const machine = machines[Number(params.get("machine") ?? 0)] ?? machines[0];
    const sized = machine.models.some(([, , lines]) => lines.flat().some((f) => f?.[10]));
    const metric = (sized || params.get("metric") !== "size") && METRICS[params.get("metric") ?? ""] || METRICS.latency;
    const names = machine.models.map(([model, variant]) => `${model}${variant ? ` · ${variant}` : ""}`);
    const chosen = Math.max(0, Math.min(names.length - 1, Number(params.get("model") ?? 0) || 0));
    const sales = names.length ? [...new Set(machine.tracks.filter((_, n) => machine.models[chosen][2][n]?.some(Boolean)).map((t) => t.distribution))] : [];
    const sold = sales.includes(params.get("of") ?? "") ? params.get("of") ?? "" : sales[0] ?? "";
    const parts = this.parts(machine);
    const part = Math.max(0, Math.min(parts.length - 1, Number(params.get("part") ?? 0) || 0));
    const set = (/** @type {string} */ name, /** @type {string} */ usual) => (/** @type {string} */ value) => {
      go(address({ [name]: value === usual ? null : value }));
      /** @type {HTMLElement | null} */ (view.querySelector(`[data-tool="${name}"] select`))?.focus();
    };
    const tool = (/** @type {string} */ name, /** @type {HTMLElement} */ node) => { node.dataset.tool = name; return node; };
    const tools = [
      machines.length > 1 && tool("machine", choose("Machine", machines.map((h, n) => [String(n), h.name || "not told"]), String(machines.indexOf(machine)), set("machine", "0"))),
      names.length > 0 && tool("metric", choose("Show", Object.entries(METRICS).filter(([key]) => sized || key !== "size").map(([key, m]) => [key, m.name]), Object.keys(METRICS).find((key) => METRICS[key] === metric) ?? "latency", set("metric", "latency"))),
      names.length > 1 && tool("model", choose("Plot", names.map((name, n) => [String(n), name]), String(chosen), set("model", "0"))),
      parts.length > 1 && tool("part", choose("Targets", parts.map((at, n) => [String(n), this.partName(machine, parts, n)]), String(part), set("part", "0"))),
      sales.length > 1 && tool("of", choose("on", sales.map((each) => [each, each]), sold, set("of", sales[0]))),
    ];
    put(view, section("Speed and size", machine.name ? `on ${machine.name}; figures of other machines are never beside these` : "the cells do not tell what they ran on: nothing is compared", tools),
      ...(names.length ? [this.figure(machine, metric, chosen, names[chosen], sold), ...this.table(machine, metric, parts[part] ?? [])] : []),
      this.cellTimes(machine),
      el("p", { class: "quiet-note" }, "Latency is the median of a model’s repeats, over its data sets; the band of the plot and the small figures are the fastest and the slowest repeat; a band may leave the plot. A version is called slower or faster only if its repeats and those of the version before do not overlap. Throughput is one over latency: runs one after another, not batched. Model size is that of all its files, external data included" + (sized ? "." : "; this run was stored by a release that did not keep it.")));
    if (names.length) this.draw(machine, metric, chosen, sold);
  },
  /** The targets that a plot shows: of one distribution, as versions of two have no order.
   * @param {HardwareData} machine @param {number} chosen @param {string} sold */
  plotted(machine, chosen, sold) {
    return machine.tracks.map((track, n) => ({ track, line: machine.models[chosen][2][n] }))
      .filter(({ track, line }) => track.distribution === sold && line?.some(Boolean));
  },
  /** @param {HardwareData} machine @param {Metric} metric @param {number} chosen @param {string} name @param {string} sold */
  figure(machine, metric, chosen, name, sold) {
    const tracks = this.plotted(machine, chosen, sold).map(({ track }) => track);
    return el("figure", { class: "plot" },
      el("figcaption", null, el("b", { dir: "auto" }, shorten(name, 120)), `: ${metric.name} by version`,
        tracks.length > DRAWN && el("span", { class: "dim" }, `; the first ${DRAWN} of ${tracks.length} targets, the table has all`)),
      el("div", { id: "mc-plot", role: "img", "aria-label": `${metric.name} of ${shorten(name, 120)} by version; the table below has the same numbers` }),
      el("ul", { class: "plot-legend" }, ...tracks.slice(0, DRAWN).map((track, n) => el("li", null,
        svg("svg", { width: 34, height: 10, "aria-hidden": "true", focusable: "false" }, svg("path", { class: `line line-${n % 8}`, d: "M1 5H33", "stroke-dasharray": DASHES[n].join(" ") || null })),
        el("span", { dir: "auto" }, shorten(trackName(track), 100))))));
  },
  /** The targets that measured a model, so many at a time as one table can show. @param {HardwareData} machine */
  parts(machine) {
    /** @type {number[][]} */
    const parts = [];
    let columns = Infinity;
    machine.tracks.forEach((track, n) => {
      if (!machine.models.some(([, , lines]) => lines[n]?.some(Boolean))) return;
      columns += track.versions.length;
      if (columns > WIDE) { parts.push([]); columns = track.versions.length; }
      parts[parts.length - 1].push(n);
    });
    return parts;
  },
  /** Says what is in a part, so that nothing slower hides in another. @param {HardwareData} machine @param {number[][]} parts @param {number} n */
  partName(machine, parts, n) {
    const before = parts.slice(0, n).flat().length;
    const slower = machine.models.flatMap(([, , lines]) => parts[n].flatMap((at) => lines[at])).filter((f) => f && (f[9] ?? 0) > 0).length;
    return `${count(before + 1)}–${count(before + parts[n].length)} of ${count(parts.flat().length)}${slower ? `, ${count(slower)} slower` : ""}`;
  },
  /** @param {HardwareData} machine @param {Metric} metric @param {number[]} at @returns {Child[]} */
  table(machine, metric, at) {
    const wide = at.map((n) => machine.tracks[n]);
    const body = el("tbody");
    const more = moreButton();
    inParts(body, more, machine.models, ([model, variant, lines]) => el("tr", null,
      el("th", { scope: "row" }, el("a", { href: casesAddress(`model:${quoted(model)}`), dir: "auto" }, shorten(model, 80)), variant && el("span", { class: "variant dim", dir: "auto" }, shorten(variant, 120))),
      ...at.flatMap((n) => lines[n].map((f, place) => labelled(this.cell(f, lines[n].slice(0, place).findLast(Boolean) ?? null, metric), `${trackName(machine.tracks[n])}, ${machine.tracks[n].versions[place]}`)))), NODES / 2);
    return [el("div", { class: "scroll tall", role: "region", tabindex: 0, "aria-label": `${metric.name} by model and version` },
      el("table", { class: "rows speed stack" },
        el("thead", null, el("tr", null, el("th", { scope: "col", rowspan: 2 }, "Model"), ...wide.map((track) => el("th", { scope: "colgroup", colspan: track.versions.length, dir: "auto" }, trackName(track)))),
          el("tr", null, ...wide.flatMap((track) => track.versions.map((version) => el("th", { scope: "col", dir: "auto" }, version))))),
        body)), more];
  },
  /** @param {FigureData | null} f @param {FigureData | null} before @param {Metric} metric */
  cell(f, before, metric) {
    if (!f || !metric.value(f)) return el("td", { class: "n dim" }, "–", el("span", { class: "vh" }, "not measured"));
    const value = metric.value(f);
    const state = run.states[f[1]];
    const times = metric.low && before && metric.value(before) ? value / metric.value(before) : 0;
    const change = metric.low && f[9] ? el("span", { class: `delta t-${f[9] > 0 ? "bad" : "good"}` }, f[9] > 0 ? "▲ slower " : "▼ faster ", `${times >= 1 ? "+" : "−"}${Math.round(Math.abs(times - 1) * 100)} %`) : null;
    const spread = metric.low && metric.high && f[7] > 1 ? `${metric.text(metric.low(f))} – ${metric.text(metric.high(f))}` : "";
    return el("td", { class: "n" }, el("a", { class: "figure", href: caseAddress(f[0]) }, metric.text(value)), !["passed", "fallback"].includes(state.key) && el("span", { class: `t-${state.tone}`, title: state.text }, " ", glyph(state), el("span", { class: "vh" }, state.text)),
      spread && el("small", { class: "dim", title: `${plural(f[7], "repeat")}, ${plural(f[8], "data set")}` }, spread), change);
  },
  /** How long whole cells took. @param {HardwareData} machine */
  cellTimes(machine) {
    const most = Math.max(...machine.tracks.flatMap((t) => t.seconds), 0.001);
    const cells = machine.tracks.flatMap((track) => track.versions.map((_, n) => /** @type {[TrackData, number]} */ ([track, n])));
    const body = el("tbody");
    const more = moreButton();
    inParts(body, more, cells, ([track, n]) => el("tr", null, el("td", { dir: "auto" }, trackName(track)), el("td", { dir: "auto" }, el("a", { href: cellAddress(track.cells[n]) }, track.versions[n])),
      el("td", { class: "n" }, count(run.cells[track.cells[n]].counts.reduce((/** @type {number} */ sum, /** @type {[string, number]} */ [, k]) => sum + k, 0))), el("td", { class: "n" }, track.seconds[n] ? seconds(track.seconds[n]) : "–"),
      el("td", { class: "time-bar" }, svg("svg", { width: "100%", height: 9, "aria-hidden": "true", focusable: "false" }, svg("rect", { width: `${(100 * track.seconds[n]) / most}%`, height: 9 })))), NODES / 2);
    return el("details", { class: "cell-times", open: !machine.models.length }, el("summary", null, "How long whole cells took"),
      el("div", { class: "scroll", role: "region", tabindex: 0, "aria-label": "Seconds of whole cells" }, el("table", { class: "rows" }, el("thead", null, el("tr", null, ...["Target", "Version", "Cases", "Ran for", ""].map((t, n) => el(t ? "th" : "td", { scope: t ? "col" : null, class: n === 2 || n === 3 ? "n" : null }, t)))),
        body)), more);
  },
  /** @param {HardwareData} machine @param {Metric} metric @param {number} chosen @param {string} sold */
  draw(machine, metric, chosen, sold) {
    const node = document.getElementById("mc-plot");
    if (!node || !plotter()) return;
    const drawn = this.plotted(machine, chosen, sold).slice(0, DRAWN);
    const most = Math.max(...drawn.flatMap(({ line }) => line.map((f) => (f ? metric.value(f) : 0))));
    const versions = [...new Set(drawn.flatMap(({ track }) => track.versions))].sort(compareVersions);
    const look = getComputedStyle(node);
    const ink = look.getPropertyValue("--plot-ink").trim() || look.color;
    const rule = look.getPropertyValue("--plot-rule").trim() || look.color;
    const column = (/** @type {TrackData} */ track, /** @type {(FigureData | null)[]} */ line, /** @type {((f: FigureData) => number) | undefined} */ value) =>
      versions.map((version) => { const f = line[track.versions.indexOf(version)]; return f && value && value(f) ? value(f) : null; });
    /** @type {any[]} */
    const series = [{}];
    /** @type {any[]} */
    const data = [versions.map((_, n) => n)];
    /** @type {any[]} */
    const bands = [];
    drawn.forEach(({ track, line }, n) => {
      const stroke = look.getPropertyValue(`--line-${n % 8}`).trim() || look.color;
      series.push({ label: trackName(track), stroke, width: 2, dash: DASHES[n], spanGaps: true, points: { show: true, size: 6, stroke, fill: stroke } });
      data.push(column(track, line, metric.value));
      if (metric.low && metric.high) {
        const quiet = { stroke: "transparent", width: 0, points: { show: false }, spanGaps: true };
        series.push(quiet, quiet);
        data.push(column(track, line, metric.high), column(track, line, metric.low));
        bands.push({ series: [data.length - 2, data.length - 1], fill: `color-mix(in srgb, ${stroke} 15%, transparent)` });
      }
    });
    const axis = { stroke: ink, grid: { stroke: rule, width: 1 }, ticks: { stroke: rule, width: 1 }, font: `12px ${look.fontFamily}` };
    const every = (/** @type {any} */ u) => Math.ceil((versions.length * 56) / Math.max(1, u.width - 110)); // labels that have room
    const width = () => Math.max(240, Math.min(1200, node.clientWidth));
    this.plot = new uPlot({
      width: width(), height: 260, series, bands, legend: { show: false }, cursor: { show: false }, padding: [12, 24, 0, 0],
      scales: { x: { time: false, range: [-0.3, versions.length - 0.7] }, y: { range: (/** @type {any} */ _u, /** @type {number} */ _min, /** @type {number} */ max) => [0, Math.min(max || 1, most * 2) * 1.08] } },
      axes: [{ ...axis, splits: () => versions.map((_, n) => n), values: (/** @type {any} */ u, /** @type {number[]} */ at) => at.map((n) => (n % every(u) ? "" : shorten(versions[n] ?? "", 12))), space: 40 },
        { ...axis, size: 84, values: (/** @type {any} */ _u, /** @type {number[]} */ at) => at.map((v) => (v ? metric.text(v) : "0")) }],
    }, data, node);
    this.watch = new ResizeObserver(() => { const w = width(); if (this.plot && this.plot.width !== w) this.plot.setSize({ width: w, height: 260 }); });
    this.watch.observe(node);
  },
  /** @type {ResizeObserver | null} */
  watch: null,
  drop() {
    this.watch?.disconnect();
    this.plot?.destroy();
    this.plot = null;
  },
  leave() { this.drop(); put(byId("mc-speed")); },
};
