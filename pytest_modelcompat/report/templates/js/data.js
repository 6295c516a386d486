// Unpacks what payload.py packed: dictionaries, columns, and details when they are looked at.

/**
 * @typedef {{key: string, glyph: string, letter: string, text: string, tone: string}} State
 * @typedef {{id: string, matrix: string, axes: Record<string, string>, faces: Record<string, string>,
 *   status: string, stage: string, outcome: string, reason: string, known: string,
 *   environment: Record<string, string>, attestation: Record<string, unknown>,
 *   seconds: Record<string, number>, notes: string[], repro: string, commands: [string, string][], lead: string, tone: string,
 *   glyph: string, headline: string, note: string, label: string, new: number, bad: number,
 *   measured: boolean, counts: [string, number][], bar: [string, number, number, number][]}} Cell
 * @typedef {Uint8Array | Uint16Array | Uint32Array | Int16Array} Column
 */

const ARRAYS = { uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, int16: Int16Array };

/** Everything the page knows; filled by `unpackAll`. @type {any} */
const run = {};
/** @type {Map<number, Promise<Record<string, any>>>} */
const chunks = new Map();
const KEPT_CHUNKS = 12;

/** @param {string} id @returns {Promise<ArrayBuffer>} */
async function unpack(id) {
  const text = atob(byId(id).textContent ?? "");
  const bytes = new Uint8Array(text.length);
  for (let n = 0; n < text.length; n++) bytes[n] = text.charCodeAt(n); // ten times as fast as Uint8Array.from
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

async function unpackAll() {
  const [meta, columns] = await Promise.all([unpack("mc-meta"), unpack("mc-columns")]);
  Object.assign(run, JSON.parse(new TextDecoder().decode(meta)));
  run.columns = {};
  run.arrays.forEach((/** @type {any} */ array, /** @type {number} */ n) => {
    const make = ARRAYS[/** @type {keyof typeof ARRAYS} */ (array.type)];
    run.columns[array.name] = new make(columns, array.offset, run.rows);
  });
  run.state = Object.fromEntries(run.states.map((/** @type {State} */ s) => [s.key, s]));
  run.cellState = Object.fromEntries(run.cellStates.map((/** @type {State} */ s) => [s.key, s]));
  run.byId = new Map(run.cells.map((/** @type {Cell} */ cell, /** @type {number} */ n) => [cell.id, n]));
}

/** The cell of a row: the last whose start is not beyond it. @param {number} row @returns {number} */
function cellOf(row) {
  let low = 0;
  let high = run.cells.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (run.start[middle] <= row) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** @param {number} row */
function caseOf(row) {
  const [unit, name] = run.keys[run.columns.key[row]];
  const [check, unitName] = run.units[unit];
  return { check, unit: unitName, name };
}

/** @param {string} column @param {number} row @returns {string} */
const nameOf = (column, row) => run.names[column][run.columns[column][row]];

/** Error over tolerance; null where there is none. @param {number} row @returns {number | null} */
const ratioOf = (row) => ratioFrom(run.columns.ratio[row]);

/** The same from what the column holds. @param {number} raw @returns {number | null} */
function ratioFrom(raw) {
  const { scale, none, zero, infinite } = run.ratio;
  if (raw === none) return null;
  if (raw === zero) return 0;
  return raw === infinite ? Infinity : 10 ** (raw / scale);
}

/** Error over tolerance in few characters, as text.py writes it. @param {number | null} value */
function brief(value) {
  if (value === null) return "";
  if (value === Infinity) return "∞";
  if (value === 0) return "0";
  if (value < 0.01 || value >= 10_000) return value.toExponential(0).replace("e+", "e");
  if (value < 1) return value.toFixed(2);
  return value < 10 ? value.toFixed(1) : count(Math.round(value));
}

/** The row of a case in a cell, -1 where there is none. @param {number} cell @param {number} key */
function rowOf(cell, key) {
  const keys = run.columns.key;
  for (let row = run.start[cell]; row < run.start[cell + 1]; row++) if (keys[row] === key) return row;
  return -1;
}

/** What only the drawer shows. @param {number} row @returns {Promise<Record<string, any>>} */
async function detail(row) {
  for (let n = 0; n < run.chunks.length; n++) {
    const [first, last] = run.chunks[n];
    if (row < first || row > last) continue;
    let chunk = chunks.get(n);
    if (!chunk) {
      chunk = unpack(`mc-details-${n}`).then((raw) => JSON.parse(new TextDecoder().decode(raw)));
      chunks.set(n, chunk);
      // The oldest goes first; a chunk is back in milliseconds.
      if (chunks.size > KEPT_CHUNKS) chunks.delete(chunks.keys().next().value ?? 0);
    }
    const found = (await chunk)[row];
    if (found) return found;
  }
  return {};
}

/** The command that runs a case again. @param {number} row */
function reproOf(row) {
  const { unit, name } = caseOf(row);
  const names = { [run.marks.case]: name, [run.marks.unit]: unit,
    [run.marks.dotted]: unit.replaceAll("::", "."), [run.marks.cell]: run.cells[cellOf(row)].id };
  return nameOf("repro", row).replace(/[\x01-\x04]/g, (mark) => /** @type {Record<string, string>} */ (names)[mark] ?? mark);
}

/** The case in the cells of its target, in order of version.
 * @param {number} row @returns {{version: string, cell: number, row: number}[]} */
function overVersions(row) {
  const cell = cellOf(row);
  const lane = run.lanes.find((/** @type {any} */ l) => l.stops.some((/** @type {any} */ s) => s[1] === cell));
  if (!lane) return [];
  const key = run.columns.key[row];
  return lane.stops.map((/** @type {[string, number]} */ [version, position]) => {
    const at = rowOf(position, key);
    return { version, cell: position, row: at };
  });
}

/** The measured cell before a cell in its lane, -1 for none. @param {number} cell */
function cellBefore(cell) {
  const lane = run.lanes.find((/** @type {any} */ l) => l.stops.some((/** @type {any} */ s) => s[1] === cell));
  if (!lane) return -1;
  const at = lane.stops.findIndex((/** @type {[string, number]} */ s) => s[1] === cell);
  const before = lane.stops.slice(0, at).findLast((/** @type {[string, number]} */ s) => run.cells[s[1]].measured);
  return before ? before[1] : -1;
}

/** What changed between the packages of two cells: `numpy 1.26.4 → 2.2.6`; null where one is not
 * known. @param {number} a @param {number} b @returns {string[] | null} */
function packagesBetween(a, b) {
  const [left, right] = [a, b].map((cell) => /** @type {string[]} */ (run.environments[run.cells[cell].environment.id]?.packages ?? []));
  if (!left.length || !right.length) return null;
  const versions = (/** @type {string[]} */ list) => new Map(list.map((text) => /** @type {[string, string]} */ (text.split("=="))));
  const [old, now] = [versions(left), versions(right)];
  return [...new Set([...old.keys(), ...now.keys()])].sort().filter((name) => old.get(name) !== now.get(name))
    .map((name) => (!old.has(name) ? `+ ${name} ${now.get(name)}` : !now.has(name) ? `− ${name} ${old.get(name)}` : `${name} ${old.get(name)} → ${now.get(name)}`));
}

/** @type {Promise<any> | null} */
let pastRuns = null;

/** How a case ended in earlier runs: null where this report knows of none.
 * @param {number} row @returns {Promise<{runs: [string, string][], letters: string | null, flaky: boolean, states: Record<string, string>} | null>} */
async function overRuns(row) {
  if (!run.past) return null;
  pastRuns ??= unpack("mc-past").then((raw) => JSON.parse(new TextDecoder().decode(raw)));
  const past = await pastRuns;
  return { runs: past.runs, letters: past.rows[row] ?? null, flaky: past.flaky.includes(row), states: past.letters };
}
