// The query box: `status:failed provider:CUDA* onnxruntime:>=1.20 -op:Conv error:"no space"`.
// Words are joined by and; commas within a word by or; a leading minus negates.

/**
 * @typedef {{not: boolean, key: string, values: string[], text: string}} Word
 * @typedef {{cells: Uint8Array, keys: Uint8Array, columns: [Column, Uint8Array][],
 *   free: {keys: Uint8Array, cells: Uint8Array, signatures: Uint8Array, not: boolean}[],
 *   ratio: ((value: number | null) => boolean)[], problems: string[]}} Filter
 */

/** Splits a query into words; quotes take spaces and commas literally. @param {string} text @returns {Word[]} */
function words(text) {
  const found = [];
  const pattern = /(-?)(?:([\w.\-]+(?:@[^\s":,]+)?):)?((?:"(?:[^"\\]|\\.)*"?|[^\s",]|,)+)/gu;
  for (const match of text.matchAll(pattern)) {
    const [whole, minus, key, rest] = match;
    const values = [];
    for (const part of rest.matchAll(/((?:"(?:[^"\\]|\\.)*"?|[^",])+)/gu)) {
      values.push(part[1].replace(/"((?:[^"\\]|\\.)*)"?/gu, (_, inner) => inner.replace(/\\(.)/gu, "$1")));
    }
    found.push({ not: minus === "-", key: (key ?? "").toLowerCase(), values, text: whole });
  }
  return found;
}

/** A shell pattern, without regard to case. @param {string} pattern @returns {(text: string) => boolean} */
function glob(pattern) {
  const wanted = pattern.toLowerCase();
  if (!/[*?]/.test(wanted)) return (text) => text.toLowerCase() === wanted;
  const source = wanted.replace(/[.+^${}()|[\]\\]/g, "\\$&").replace(/\*+/g, ".*").replace(/\?/g, ".");
  const regexp = new RegExp(`^${source}$`, "su");
  return (text) => regexp.test(text.toLowerCase());
}

/** Sorts versions: numbers by value, a pre-release before its release. @param {string} a @param {string} b */
function compareVersions(a, b) {
  const parts = (/** @type {string} */ text) =>
    (text.toLowerCase().match(/\d+|[a-z]+/g) ?? []).map((p) => (/\d/.test(p) ? Number(p) : p));
  const [left, right] = [parts(a), parts(b)];
  for (let n = 0; n < Math.max(left.length, right.length); n++) {
    const x = left[n] ?? 0;
    const y = right[n] ?? 0;
    if (x === y) continue;
    if (typeof x === "number" && typeof y === "number") return x - y;
    const rank = (/** @type {string | number} */ p) => (typeof p === "number" ? 0 : p === "post" ? 1 : -1);
    return rank(x) - rank(y) || (x < y ? -1 : 1);
  }
  return 0;
}

/** `>=1.20`, `1.17..1.20`, `1.2*` or a plain value; comparisons all hold, plain ones any.
 * @param {string[]} values @returns {(text: string) => boolean} */
function versions(values) {
  /** @type {((text: string) => boolean)[]} */
  const all = [];
  /** @type {((text: string) => boolean)[]} */
  const any = [];
  for (const value of values) {
    const compared = /^(>=|<=|==|!=|>|<)\s*(.+)$/.exec(value);
    const range = /^(.+?)\.\.(.+)$/.exec(value);
    if (compared) {
      const [, sign, bound] = compared;
      all.push((text) => {
        const c = compareVersions(text, bound);
        return { ">=": c >= 0, "<=": c <= 0, "==": c === 0, "!=": c !== 0, ">": c > 0, "<": c < 0 }[sign] ?? false;
      });
    } else if (range) any.push((text) => compareVersions(text, range[1]) >= 0 && compareVersions(text, range[2]) <= 0);
    else any.push(glob(value));
  }
  return (text) => all.every((test) => test(text)) && (!any.length || any.some((test) => test(text)));
}

/** @param {string[]} values @returns {(text: string) => boolean} */
function contains(values) {
  const wanted = values.map((v) => v.toLowerCase());
  return (text) => wanted.some((w) => text.toLowerCase().includes(w));
}

/** @param {string[]} values @returns {(text: string) => boolean} */
function named(values) {
  const tests = values.map(glob);
  return (text) => tests.some((test) => test(text));
}

/** @param {unknown[]} list @param {(item: any, n: number) => boolean} test @param {boolean} not */
function mask(list, test, not) {
  const out = new Uint8Array(Math.max(1, list.length));
  list.forEach((item, n) => { out[n] = Number(test(item, n) !== not); });
  return out;
}

/** @param {Uint8Array} into @param {Uint8Array} other */
function narrow(into, other) {
  for (let n = 0; n < into.length; n++) into[n] &= other[n];
}

const COLUMNS = { status: "statuses", outcome: "outcomes", stage: "stages" };
const NAMES = ["known", "attribution", "output"];
const CHANGE_WORDS = ["new", "fixed", "still", "added", "moved", "back", "no-data", "known-new", "flaky"];

/** What may stand before a colon, with what it means; the page's help shows it. */
function vocabulary() {
  const axes = run.axes.map((/** @type {[string, string]} */ [, short]) => [`${short}:`, "an axis of the matrix; versions take >=, <, .."]);
  return [
    ["status:", `how a case ended: ${run.statuses.join(", ")}`],
    ["is:", `${CHANGE_WORDS.join(", ")} (against the version before); failure, known, measured, info, ok`],
    ["change:", `against the version before: ${run.words.filter((/** @type {any} */ w) => w[1].length).map((/** @type {any} */ w) => w[0]).join(", ")}`],
    ...(run.since ? [["since:", `against the baseline: ${run.since.kinds.filter(Boolean).join(", ")}`]] : []),
    ["op:", "an operator, by name (Conv) or in full (ai.onnx::Conv)"],
    ["model:", "a model"], ["unit:", "an operator or a model"], ["case:", "a case's name"],
    ["opset:", "a number, >=17, 13..17"], ["stage:", `where it ended: ${run.stages.join(", ")}`],
    ["error:", "words in the normalised message"], ["signature:", "the whole normalised message"],
    ["ran:", "the provider that really ran nodes"], ["ratio:", "error over tolerance: >1, <=0.1"],
    ["known:", "a known issue's id"], ["cell:", "a cell's id"],
    ["status@TARGET:", "how the same case ended elsewhere: TARGET is a value of an axis (openvino, 1.24.4, CPU), several joined by + (1.24.4+3.11), * any. “status:failed status@1.24.4:passed” fails here and passes there, “-status@*:passed” passes nowhere. Other words before @ do the same"],
    ...axes,
    ...distributions().map((name) => [`${name}:`, "its version: 1.24.4, >=1.20, 1.17..1.20"]),
  ];
}

/** @returns {string[]} */
function distributions() {
  return [...new Set(run.cells.map((/** @type {Cell} */ c) => (c.axes.framework ?? "").split("==")[0]))].filter(Boolean);
}

/** Turns a query into masks over the dictionaries. @param {string} text @returns {Filter} */
function compile(text) {
  /** @type {Filter} */
  const filter = {
    cells: new Uint8Array(run.cells.length).fill(1), keys: new Uint8Array(run.keys.length).fill(1),
    columns: [], free: [], ratio: [], problems: [],
  };
  const axes = new Map(run.axes.flatMap((/** @type {[string, string]} */ [axis, short]) => [[axis.toLowerCase(), axis], [short.toLowerCase(), axis]]));
  const sold = new Map(distributions().map((name) => [name.toLowerCase(), name]));
  const byCell = (/** @type {(c: Cell) => boolean} */ test, /** @type {boolean} */ not) => narrow(filter.cells, mask(run.cells, test, not));
  const byKey = (/** @type {(check: string, unit: string, name: string) => boolean} */ test, /** @type {boolean} */ not) =>
    narrow(filter.keys, mask(run.keys, ([unit, name]) => test(run.units[unit][0], run.units[unit][1], name), not));
  const byColumn = (/** @type {string} */ name, /** @type {string[]} */ list, /** @type {(t: string, n: number) => boolean} */ test, /** @type {boolean} */ not) => {
    // A code beyond the dictionary is a word of a later schema: it matches nothing but a negation.
    const out = new Uint8Array(Math.max(256, list.length)).fill(Number(not));
    out.set(mask(list, test, not));
    filter.columns.push([run.columns[name], out]);
  };
  for (const { not, key, values, text: word } of words(text)) {
    if (key.includes("@")) elsewhere(filter, word, not);
    else if (!key) {
      const test = contains(values);
      filter.free.push({
        not, keys: mask(run.keys, ([unit, name]) => test(run.units[unit][1]) || test(name), false),
        cells: mask(run.cells, (cell) => test(cell.id) || Object.values(cell.axes).some((v) => test(String(v))), false),
        signatures: mask(run.names.signature, test, false),
      });
    } else if (key === "change") {
      const codes = changeCodes(values);
      if (!codes.length) filter.problems.push(`no change is called “${shorten(values.join(","), 40)}”; there are ${run.words.map((/** @type {any} */ w) => w[0]).join(", ")}`);
      byColumn("change", run.changes, (t) => codes.includes(t), not);
    } else if (key === "since" && run.since) {
      const wanted = values.map((v) => v.toUpperCase().replaceAll("_", "-"));
      for (const [n, value] of wanted.entries()) if (!run.since.kinds.includes(value)) filter.problems.push(`no change is called “${shorten(values[n], 40)}”; there are ${run.since.kinds.filter(Boolean).join(", ")}`);
      byColumn("since", run.since.kinds, (t) => t !== "" && wanted.includes(t), not);
    } else if (key === "is") is(filter, values, not, byColumn);
    else if (key in COLUMNS) {
      /** @type {string[]} */
      const known = run[COLUMNS[/** @type {keyof typeof COLUMNS} */ (key)]];
      const wanted = values.map((v) => v.replaceAll("-", "_").replaceAll(" ", "_"));
      wanted.forEach((value, n) => {
        if (!known.some(glob(value))) filter.problems.push(`no ${key} is called “${shorten(values[n], 40)}”; there are ${known.join(", ")}`);
      });
      byColumn(key, known, named(wanted), not);
    }
    else if (NAMES.includes(key)) byColumn(key, run.names[key], named(values), not);
    else if (key === "error") byColumn("signature", run.names.signature, contains(values), not);
    else if (key === "signature") byColumn("signature", run.names.signature, (t) => values.includes(t), not);
    else if (key === "reference") byColumn(key, run.names[key], contains(values), not);
    else if (key === "ran") byColumn("ran_on", run.names.ran_on, (t) => Object.keys(t ? JSON.parse(t) : {}).some((p) => values.some((v) => glob(v)(p) || glob(v)(p.replace("ExecutionProvider", "")))), not);
    else if (key === "opset") byColumn("opset", Array.from({ length: 512 }, (_, n) => String(n)), versions(values), not);
    else if (key === "op") { const t = named(values); byKey((check, unit) => check === "op_support" && (t(unit) || t(unit.slice(unit.lastIndexOf(":") + 1))), not); }
    else if (key === "model") { const t = named(values); byKey((check, unit) => check !== "op_support" && t(unit), not); }
    else if (key === "unit") { const t = named(values); byKey((_, unit) => t(unit), not); }
    else if (key === "case") { const t = named(values); const some = contains(values); byKey((_c, _u, name) => t(name) || some(name), not); }
    else if (key === "check") { const t = named(values); byKey((check) => t(check), not); }
    else if (key === "cell") { const t = named(values); byCell((cell) => t(cell.id), not); }
    else if (key === "matrix") { const t = named(values); byCell((cell) => t(cell.matrix), not); }
    else if (key === "ratio") { const t = ratioTest(values); filter.ratio.push((v) => (v !== null && t(v)) !== not); }
    else if (sold.has(key)) { const t = versions(values); const name = sold.get(key); byCell((cell) => { const [d, v] = (cell.axes.framework ?? "").split("=="); return d === name && t(v ?? ""); }, not); }
    else if (key === "provider") { const t = named(values); byCell((cell) => t(cell.axes.provider ?? "") || t((cell.axes.provider ?? "").replace("ExecutionProvider", "")), not); }
    else if (axes.has(key)) { const axis = /** @type {string} */ (axes.get(key)); const t = versions(values); byCell((cell) => axis in cell.axes && t(cell.axes[axis]), not); }
    else filter.problems.push(`“${shorten(word, 60)}”: nothing here is called ${shorten(key, 40)}`);
  }
  return filter;
}

/** `status@1.24.4+3.11:passed`: the same case in any cell that has all these values of axes.
 * @param {Filter} filter @param {string} word @param {boolean} not */
function elsewhere(filter, word, not) {
  const [, key, where, rest] = /^-?([^@]*)@([^:]*):(.*)$/s.exec(word) ?? [];
  const inner = compile(`${key}:${rest}`);
  const wanted = where.split("+").map(glob);
  // A framework is also known by its name and its version, a provider without its ending.
  const values = (/** @type {Cell} */ c) => Object.values(c.axes).flatMap((v) => [v, ...v.split("=="), v.replace("ExecutionProvider", "")]);
  const there = mask(run.cells, (c) => { const has = values(c); return wanted.every((test) => has.some(test)); }, false);
  if (!there.includes(1)) filter.problems.push(`no cell is “${shorten(where, 40)}”: values of axes are asked for, joined by +`);
  filter.problems.push(...inner.problems);
  narrow(inner.cells, there);
  const hit = new Uint8Array(filter.keys.length).fill(Number(not));
  for (const row of search(inner)) hit[run.columns.key[row]] = Number(!not);
  narrow(filter.keys, hit);
}

/** @param {string[]} values @returns {(v: number) => boolean} */
function ratioTest(values) {
  const tests = values.map((value) => {
    const [, sign, bound] = /^(>=|<=|>|<|)\s*(.*)$/.exec(value) ?? [];
    const limit = Number(bound);
    return (/** @type {number} */ v) => (sign === ">" ? v > limit : sign === "<" ? v < limit : sign === "<=" ? v <= limit : v >= limit);
  });
  return (v) => tests.every((test) => test(v));
}

/** The codes that the words of change stand for. @param {string[]} values @returns {string[]} */
function changeCodes(values) {
  const wanted = values.map((v) => v.toUpperCase().replaceAll("_", "-"));
  return run.words.flatMap((/** @type {[string, string[]]} */ [word, codes]) => (wanted.includes(word) ? codes : []));
}

/** @param {Filter} filter @param {string[]} values @param {boolean} not @param {Function} byColumn */
function is(filter, values, not, byColumn) {
  const change = values.filter((v) => CHANGE_WORDS.includes(v)).map((v) => v.replace("-", "_"));
  const outcomes = { failure: ["not_ok", "xpass"], known: ["xfail"], xpass: ["xpass"], ok: ["ok"], info: ["info"] };
  if (change.length === values.length) return byColumn("change", run.changes, (/** @type {string} */ t) => change.includes(t), not);
  if (values.includes("measured")) return byColumn("status", run.statuses, (/** @type {string} */ t) => t !== "skipped" && t !== "not_run", not);
  if (values.every((v) => run.state[v])) return byColumn("state", run.states.map((/** @type {State} */ s) => s.key), (/** @type {string} */ t) => values.includes(t), not);
  const wanted = values.flatMap((v) => outcomes[/** @type {keyof typeof outcomes} */ (v)] ?? []);
  if (!wanted.length) return filter.problems.push(`nothing can be “is:${shorten(values.join(","), 40)}”`);
  return byColumn("outcome", run.outcomes, (/** @type {string} */ t) => wanted.includes(t), not);
}

/** One pass over one column: simple loops over typed arrays are what browsers are fast at.
 * @param {Uint8Array} alive @param {Column} column @param {Uint8Array} wanted */
function pass(alive, column, wanted) {
  for (let row = 0; row < alive.length; row++) alive[row] &= wanted[column[row]];
}

/** The rows that a query finds, in the order of the run. @param {Filter} filter @returns {Uint32Array} */
function search(filter) {
  const { cells, keys, columns, free, ratio } = filter;
  const { key, signature } = run.columns;
  const alive = new Uint8Array(run.rows);
  cells.forEach((wanted, cell) => { if (wanted) alive.fill(1, run.start[cell], run.start[cell + 1]); });
  if (keys.includes(0)) pass(alive, key, keys);
  for (const [column, wanted] of columns) pass(alive, column, wanted);
  for (const words of free) {
    for (let cell = 0; cell < run.cells.length; cell++) {
      for (let row = run.start[cell]; row < run.start[cell + 1]; row++) {
        const hit = words.keys[key[row]] | words.cells[cell] | words.signatures[signature[row]];
        alive[row] &= hit ^ Number(words.not);
      }
    }
  }
  for (const test of ratio) {
    const codes = new Uint8Array(2 ** 16); // of 16 bits, the sign among them
    for (let raw = -(2 ** 15); raw < 2 ** 15; raw++) codes[raw & 0xffff] = Number(test(ratioFrom(raw)));
    const { ratio: values } = run.columns;
    for (let row = 0; row < alive.length; row++) alive[row] &= codes[values[row] & 0xffff];
  }
  const found = new Uint32Array(run.rows);
  let n = 0;
  for (let row = 0; row < alive.length; row++) if (alive[row]) found[n++] = row;
  return found.subarray(0, n);
}

/** Worst first, otherwise in their order: a counting sort over the states. @param {Uint32Array} rows */
function worstFirst(rows) {
  const { state, change } = run.columns;
  const NEW = run.changes.indexOf("new");
  const width = run.states.length;
  const ranks = new Uint8Array(rows.length);
  const ends = new Uint32Array(2 * width + 1);
  for (let n = 0; n < rows.length; n++) {
    ranks[n] = (change[rows[n]] === NEW ? 0 : width) + state[rows[n]];
    ends[ranks[n] + 1]++;
  }
  for (let n = 1; n < ends.length; n++) ends[n] += ends[n - 1];
  const out = new Uint32Array(rows.length);
  for (let n = 0; n < rows.length; n++) out[ends[ranks[n]]++] = rows[n];
  return out;
}

/** How often each code of a column is among some rows.
 * @param {Uint32Array} rows @param {Column} column @param {number} codes */
function countsOf(rows, column, codes) {
  const counts = new Uint32Array(codes);
  for (let n = 0; n < rows.length; n++) counts[column[rows[n]]]++;
  return counts;
}
