// Elements are made here and nowhere else. Text goes in as text nodes; no markup is ever parsed.

const SVG = "http://www.w3.org/2000/svg";
const ICONS = ["gated", "timed_out"]; // drawn in the page's <defs>; see parts.html

/**
 * @typedef {Node | string | number | null | undefined | false} Child
 * @typedef {Record<string, string | number | boolean | null | undefined | ((event: any) => void)>} Attributes
 */

// The same characters as text.py: what acts instead of showing is made visible.
const ODD = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** @param {unknown} text @returns {string} */
function clean(text) {
  return String(text).replace(ODD, (odd) => {
    const code = odd.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    if (code === 0x7f) return "\u2421";
    if (code >= 0xd800 && code <= 0xdfff) return "\ufffd";
    return `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
  });
}

/** @param {Element} node @param {Attributes | null} attributes @param {Child[]} children */
function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name, value);
    else if (name.startsWith("on") || name === "style") throw new Error(`no ${name} attributes`);
    else if (name === "href" && !/^(#|https?:)/.test(String(value))) continue;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : String(child));
  }
}

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag @param {Attributes | null} [attributes] @param {...Child} children
 * @returns {HTMLElementTagNameMap[T]}
 */
function el(tag, attributes = null, ...children) {
  const node = document.createElement(tag);
  fill(node, attributes, children);
  return node;
}

/** @param {string} tag @param {Attributes | null} [attributes] @param {...Child} children */
function svg(tag, attributes = null, ...children) {
  const node = document.createElementNS(SVG, tag);
  fill(node, attributes, children);
  return node;
}

/** @param {string} id @returns {HTMLElement} */
function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no ${id}`);
  return found;
}

/** @param {Element} node @param {...Child} children */
function put(node, ...children) {
  node.replaceChildren();
  fill(node, null, children);
}

/** Whether rows are cards: as media.css has it. */
const small = () => matchMedia("(max-width: 760px)").matches;

const NODES = 5_000; // about as many as a table may add to the page

/** Puts as many rows into a table as the page can hold; the button brings as many more.
 * @template T @param {HTMLElement} body @param {HTMLButtonElement} button @param {T[]} rows
 * @param {(row: T) => Element} draw @param {number} [most] */
function inParts(body, button, rows, draw, most = NODES) {
  let shown = 0;
  const more = () => {
    const from = shown;
    for (let nodes = 0; nodes < most && shown < rows.length; shown++) {
      const row = draw(rows[shown]);
      body.append(keepTable(row));
      nodes += 1 + row.querySelectorAll("*").length;
    }
    button.hidden = shown >= rows.length;
    button.textContent = `Show more (${count(rows.length - shown)} left)`;
    // A button that is gone must not take the focus with it.
    const next = from && button.hidden ? /** @type {HTMLElement | null} */ (body.children[from]?.querySelector("a, button")) : null;
    next?.focus();
  };
  put(body);
  button.onclick = more;
  more();
}

const moreButton = () => el("button", { type: "button", class: "show-more" });

/** A whole number; by hand, as the browser's own way loads tables of all languages first. @param {number} n */
const count = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ",");

/** @param {number} n @param {string} one @param {string} [many] */
const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

/** @param {string} text @param {number} width */
const shorten = (text, width) => (text.length <= width ? text : `${text.slice(0, width - 1)}…`);

/** Tells screen readers what changed. @param {string} text */
function announce(text) {
  byId("mc-live").textContent = text;
}

/** @param {string} text @param {HTMLElement} button */
async function copy(text, button) {
  const before = button.textContent;
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // A page opened from disk may not have the clipboard: the old way still works there.
    const area = el("textarea", { class: "vh", "aria-hidden": "true", tabindex: -1 });
    area.value = text;
    document.body.append(area);
    area.select();
    done = document.execCommand("copy");
    area.remove();
    button.focus();
  }
  button.textContent = done ? "Copied" : "Not allowed here";
  announce(button.textContent);
  setTimeout(() => { button.textContent = before; }, 1500);
}

/** @param {string} name @param {BlobPart[]} parts @param {string} type */
function save(name, parts, type) {
  const url = URL.createObjectURL(new Blob(parts, { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Says that a table is one where its rows are laid out as cards (`.stack` in media.css), which
 * browsers would else no longer tell anybody. @template {Element} T @param {T} node @returns {T} */
function keepTable(node) {
  const roles = { TABLE: "table", THEAD: "rowgroup", TBODY: "rowgroup", TR: "row", TD: "cell" };
  for (const each of [node, ...node.querySelectorAll("thead, tbody, tr, th, td")]) {
    const role = each.tagName === "TH" ? (each.getAttribute("scope") === "row" ? "rowheader" : "columnheader") : roles[/** @type {keyof typeof roles} */ (each.tagName)];
    if (role) each.setAttribute("role", role);
  }
  return node;
}

/** @param {HTMLElement} square @param {string} text what its column is called @returns {HTMLElement} */
function labelled(square, text) {
  square.dataset.label = clean(text);
  return square;
}
