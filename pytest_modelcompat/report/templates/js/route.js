// The page's state is its address: `#/cases?q=status%3Afailed&cell=…`. A bare `#CELL` opens a cell.

/** @typedef {{view: string, params: URLSearchParams}} Route */

const VIEWS = ["overview", "operators", "parity", "speed", "cases", "environments", "about"];

/** @param {string} hash @returns {Route} */
function parseRoute(hash) {
  const raw = hash.replace(/^#/, "");
  if (raw.startsWith("/")) {
    const [view, query = ""] = raw.slice(1).split(/\?(.*)/s);
    return { view: VIEWS.includes(view) ? view : "overview", params: new URLSearchParams(query) };
  }
  const params = new URLSearchParams();
  let id = raw;
  try { id = decodeURIComponent(raw); } catch { /* half an escape: the raw text may still be an id */ }
  if (run.byId?.has(id)) params.set("cell", id);
  return { view: "overview", params };
}

/** @param {Route} route */
function hashOf({ view, params }) {
  const query = params.toString();
  return `#/${view}${query ? `?${query}` : ""}`;
}

const route = () => parseRoute(location.hash);

/** The address with some parameters changed; null removes one.
 * @param {Record<string, string | null>} changes @param {string} [view] */
function address(changes, view) {
  const now = route();
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") now.params.delete(name);
    else now.params.set(name, value);
  }
  if (view) now.view = view;
  return hashOf(now);
}

/** Goes there; a step that one can go back from unless `quietly`.
 * @param {string} hash @param {boolean} [quietly] */
function go(hash, quietly = false) {
  if (hash === location.hash) return;
  if (quietly) {
    history.replaceState(null, "", hash);
    dispatchEvent(new HashChangeEvent("hashchange"));
  } else location.hash = hash;
}

const DRAWER = { cell: null, check: null, unit: null, case: null };

/** @param {number} row @param {string} [view] */
function caseAddress(row, view) {
  const { check, unit, name } = caseOf(row);
  return address({ cell: run.cells[cellOf(row)].id, check, unit, case: name }, view);
}

/** @param {number} position @param {string} [view] */
const cellAddress = (position, view) => address({ ...DRAWER, cell: run.cells[position].id }, view);

/** A link to a list of cases. @param {string} query */
const casesAddress = (query) => address({ ...DRAWER, q: query, a: null, b: null }, "cases");

/** The row that an address speaks of, -1 for none. @param {URLSearchParams} params */
function rowAt(params) {
  const cell = run.byId.get(params.get("cell") ?? "");
  if (cell === undefined || !params.has("case")) return -1;
  for (let row = run.start[cell]; row < run.start[cell + 1]; row++) {
    const found = caseOf(row);
    if (found.name === params.get("case") && found.unit === params.get("unit") && found.check === params.get("check")) return row;
  }
  return -1;
}

/** A query value, quoted where it must be. @param {string} value */
const quoted = (value) => (/^[^\s",\\]+$/.test(value) ? value : `"${value.replace(/["\\]/g, "\\$&")}"`);
