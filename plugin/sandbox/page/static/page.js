// Shows what the server sends, in tables and texts, and switches faults. Texts of requests become text, never markup.
"use strict";

const by = (id) => document.getElementById(id);
const source = document.querySelector("[data-events]").dataset.events;
let events = null;
let news = [];

function make(name, text, properties = {}) {
  return Object.assign(document.createElement(name), { textContent: text }, properties);
}

// One piece of a cell: a link, a switch, a state with its sign, or a text.
function piece({ text, href, rule, mark, code, of }) {
  if (rule !== undefined) {
    const button = make("button", text, { type: "button", onclick: () => change("DELETE", [rule]) });
    button.setAttribute("aria-label", `${text}: ${of}`);
    return button;
  }
  if (href !== undefined) {
    const link = make("a", text, { href });
    link.setAttribute("aria-label", `${text}: ${of}`);
    return link;
  }
  const part = make(code ? "code" : "span", text);
  if (mark) part.dataset.mark = mark;
  return part;
}

// Changes only what has changed, so that the focus stays where it is.
function fill(table, rows) {
  const body = table.tBodies[0];
  const wanted = new Set(rows.map((row) => row.key));
  const known = new Map();
  for (const line of [...body.rows]) {
    if (wanted.has(line.dataset.key)) known.set(line.dataset.key, line);
    else line.remove();
  }
  let place = body.firstElementChild;
  for (const row of rows) {
    let line = known.get(row.key);
    if (line === undefined) {
      line = document.createElement("tr");
      line.dataset.key = row.key;
      row.cells.forEach((_, number) => line.append(make(number ? "td" : "th", "", number ? {} : { scope: "row" })));
    }
    if (line === place) place = place.nextElementSibling;
    else body.insertBefore(line, place);
    row.cells.forEach((cell, number) => {
      const text = JSON.stringify(cell);
      if (line.cells[number].dataset.held === text) return;
      line.cells[number].dataset.held = text;
      line.cells[number].replaceChildren(...cell.flatMap((each) => [piece(each), " "]));
    });
    if (table.dataset.filled && row.said && line.dataset.said !== row.said) news.push(row.said);
    line.dataset.said = row.said;
  }
  table.dataset.filled = "yes";
  const box = table.parentElement;
  box.hidden = rows.length === 0;
  box.nextElementSibling.hidden = rows.length > 0;
}

function show(target, text) {
  const atEnd = target.scrollHeight - target.scrollTop - target.clientHeight < 40;
  target.textContent = text;
  if (atEnd) target.scrollTop = target.scrollHeight;
}

function listen() {
  events = new EventSource(source);
  events.onopen = () => { by("connection").textContent = "live"; };
  events.onerror = () => { by("connection").textContent = "not connected: is the sandbox running?"; };
  for (const target of document.querySelectorAll("[data-part]")) {
    events.addEventListener(target.dataset.part, ({ data }) => {
      (target.tBodies ? fill : show)(target, JSON.parse(data));
    });
  }
}

// A browser has few connections to one server: a page that nobody sees leaves its own to others.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) events.close();
  else if (events.readyState === EventSource.CLOSED) listen();
});

// At most once a second, and the latest few: a screen reader cannot read faster.
setInterval(() => {
  if (news.length) by("said").textContent = news.slice(-3).join("; ");
  news = [];
}, 1000);

async function change(method, rules) {
  const headers = { "Content-Type": "application/json" };
  try {
    const answer = await fetch(by("fault").dataset.url, { method, headers, body: JSON.stringify(rules) });
    const said = await answer.json();
    by("problem").textContent = answer.ok ? "" : said.error;
    if (answer.ok) news.push(`Faults in force: ${said.length}`);
  } catch {
    by("problem").textContent = "The sandbox does not answer: is it running?";
  }
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function commands() {
  const rule = by("rule").value.trim();
  const header = quoted("Content-Type: application/json");
  by("by-curl").textContent =
    `curl -X POST -H ${header} -d ${quoted(JSON.stringify([rule]))} ${by("fault").dataset.url}`;
  by("by-start").textContent = `buildferry sandbox --fault ${quoted(rule)}`;
}

function compose() {
  by("rule").value = `${by("where").value} ${by("what").value}${by("count").value}`;
  by("does").textContent = by("what").selectedOptions[0].dataset.does;
  commands();
}

if (by("fault")) {
  for (const id of ["where", "what", "count"]) by(id).addEventListener("change", compose);
  by("rule").addEventListener("input", commands);
  by("fault").addEventListener("submit", (event) => {
    event.preventDefault();
    change("POST", [by("rule").value.trim()]);
  });
  by("forget").addEventListener("click", () => fetch("state", { method: "DELETE" }));
  compose();
}
listen();
