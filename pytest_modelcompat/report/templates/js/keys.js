// Single keys: they can be switched off (some people speak to their computer), and never act while
// one types.

const KEYS = [
  ["/", "go to the query"], ["n, p", "next and previous new failure (or failure, where none is new)"],
  ["↑ ↓ ← →", "move in the matrix, the heat map and the list"], ["Enter", "open what is marked"],
  ["Esc", "close the drawer, then leave the query"], ["?", "this help"],
];

let single = true;

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  const target = /** @type {HTMLElement} */ (event.target);
  const typing = target.matches("input:not([type=checkbox]), textarea, select") || target.isContentEditable;
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "Escape") {
    if (!byId("mc-drawer").hidden) { event.preventDefault(); drawer.close(); }
    else if (typing) target.blur();
    return;
  }
  if (typing || !single) return;
  if (event.key === "/") { event.preventDefault(); toQuery(); }
  else if (event.key === "?") { event.preventDefault(); help(); }
  else if (event.key === "n" || event.key === "p") { event.preventDefault(); nextNew(event.key === "n" ? 1 : -1); }
}

function toQuery() {
  if (route().view !== "cases") go(casesAddress(route().params.get("q") ?? ""));
  // The view is drawn when the address has changed.
  setTimeout(() => byId("mc-query").focus(), 0);
  if (document.getElementById("mc-query")) byId("mc-query").focus();
}

/** @type {Uint32Array | null} */
let fresh = null;

/** @param {1 | -1} by */
function nextNew(by) {
  if (!fresh) {
    fresh = run.since ? search(compile("since:new-fail")) : new Uint32Array(0);
    if (!fresh.length) fresh = search(compile("is:new"));
    if (!fresh.length) fresh = search(compile("is:failure"));
  }
  if (!fresh.length) { announce("No case fails"); return; }
  const at = rowAt(route().params);
  let n = fresh.indexOf(at);
  n = n < 0 ? (by > 0 ? 0 : fresh.length - 1) : (n + by + fresh.length) % fresh.length;
  go(caseAddress(fresh[n]));
  announce(`${n + 1} of ${fresh.length}`);
}

function help() {
  const before = /** @type {HTMLElement | null} */ (document.activeElement);
  const box = el("input", { type: "checkbox", checked: single, change: () => { single = box.checked; } });
  const dialog = el("dialog", { "aria-labelledby": "mc-help-title", close: () => { dialog.remove(); before?.focus(); } },
    el("h2", { id: "mc-help-title" }, "Keys"), el("dl", { class: "kv" }, ...KEYS.map(([key, what]) => el("div", null, el("dt", null, el("kbd", null, key)), el("dd", null, what)))),
    el("p", null, el("label", null, box, " Single keys are on")), el("button", { type: "button", click: () => dialog.close() }, "Close"));
  document.body.append(dialog);
  dialog.showModal();
}
