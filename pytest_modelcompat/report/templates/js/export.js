// The cases of the current query as CSV or JSON, made here and saved here; nothing leaves the page.

const FIELDS = ["cell", "matrix", "check", "unit", "case", "opset", "status", "outcome", "stage", "known", "change", "requested", "ran_on", "ratio", "signature", "reference", "attribution"];

/** @param {number} row @returns {Record<string, any>} */
function record(row) {
  const { check, unit, name } = caseOf(row);
  const cell = run.cells[cellOf(row)];
  const { columns } = run;
  return {
    cell: cell.id, matrix: cell.matrix, ...cell.axes, check, unit, case: name, opset: columns.opset[row] || "",
    status: run.statuses[columns.status[row]], outcome: run.outcomes[columns.outcome[row]], stage: run.stages[columns.stage[row]],
    known: nameOf("known", row), change: run.changes[columns.change[row]], requested: nameOf("requested", row), ran_on: nameOf("ran_on", row),
    ratio: brief(ratioOf(row)), signature: nameOf("signature", row), reference: nameOf("reference", row), attribution: nameOf("attribution", row),
  };
}

/** One CSV field; a spreadsheet must not take a name for a formula. @param {any} value */
function field(value) {
  let text = String(value ?? "");
  if (/^[=+\-@\t\r]/.test(text)) text = `'${text}`;
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** @param {"csv" | "json"} kind @param {Uint32Array} rows */
function exportRows(kind, rows) {
  const axes = run.axes.map((/** @type {[string, string]} */ [axis]) => axis);
  const names = ["cell", "matrix", ...axes, ...FIELDS.slice(2)];
  /** @type {string[]} */
  const parts = [];
  if (kind === "csv") {
    parts.push(`${names.map(field).join(",")}\r\n`);
    for (const row of rows) { const one = record(row); parts.push(`${names.map((n) => field(one[n])).join(",")}\r\n`); }
  } else {
    parts.push(`{"run":${JSON.stringify(run.info.id)},"query":${JSON.stringify(casesView.query)},"cases":[`);
    rows.forEach((row, n) => parts.push(`${n ? ",\n" : "\n"}${JSON.stringify(record(row))}`));
    parts.push("\n]}\n");
  }
  save(`cases.${kind}`, parts, kind === "csv" ? "text/csv" : "application/json");
  announce(`${plural(rows.length, "case")} saved`);
}
