// Shows what the server sends, in tables and texts, and switches faults. Texts of requests become text, never markup.
"use strict";

const by = (id) => document.getElementById(id);
const source = document.querySelector("[data-events]").dataset.events;
let events = null;
let news = [];

function make(name, text, properties = {}) {
  return Object.assign(document.createElement(name), { textContent: text }, properties);
}

function say(id, text) {
  if (by(id).textContent !== text) by(id).textContent = text;
}

// One piece of a cell: a time, a link, a switch, a state with its sign, or a text.
function piece({ text, at, href, rule, mark, code, of }) {
  if (at !== undefined) {
    const moment = new Date(at * 1000);
    const isToday = moment.toDateString() === new Date().toDateString();
    const shown = isToday ? moment.toLocaleTimeString() : moment.toLocaleString();
    return make("time", shown, { dateTime: moment.toISOString(), title: moment.toString() });
  }
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
  const held = body.contains(document.activeElement) ? document.activeElement : null;
  const heldAt = held?.closest("tr").sectionRowIndex;
  const fresh = [];
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
    if (table.dataset.filled && row.said && line.dataset.said !== row.said) fresh.push(row.said);
    line.dataset.said = row.said;
  }
  news.unshift(...fresh);
  table.dataset.filled = "yes";
  const box = table.parentElement;
  box.hidden = rows.length === 0;
  box.nextElementSibling.hidden = rows.length > 0;
  if (held && document.activeElement !== held) refocus(body, held, heldAt);
}

// To the same control if it was made again, else to one in the row that is there now, else to where rules are written.
function refocus(body, held, at) {
  const name = held.getAttribute("aria-label");
  const same = [...body.querySelectorAll("a, button")].find((each) => each.getAttribute("aria-label") === name);
  const near = body.rows[Math.min(at, body.rows.length - 1)]?.querySelector("a, button");
  (same ?? near ?? by("rule")).focus();
}

// Adds what is new, so that what somebody has selected stays so.
function show(target, text) {
  const held = target.textContent;
  if (text === held) return;
  const atEnd = target.scrollHeight - target.scrollTop - target.clientHeight < 40;
  if (text.startsWith(held)) target.append(text.slice(held.length));
  else target.textContent = text;
  if (atEnd) target.scrollTop = target.scrollHeight;
}

function listen() {
  if (document.hidden || (events && events.readyState !== EventSource.CLOSED)) return;
  events = new EventSource(source);
  let isOver = false; // the sandbox ends a stream after a while, and the browser opens the next
  events.onopen = () => say("connection", "live");
  events.addEventListener("end", () => { isOver = true; });
  events.onerror = () => {
    const isRefused = events.readyState === EventSource.CLOSED; // then the browser does not try again
    if (isRefused) setTimeout(listen, 3000);
    if (isRefused) say("connection", "the sandbox answered with an error; the next attempt is in 3 seconds");
    else if (!isOver) say("connection", "not connected: is the sandbox running?");
    isOver = false;
  };
  for (const target of document.querySelectorAll("[data-part]")) {
    events.addEventListener(target.dataset.part, ({ data }) => {
      (target.tBodies ? fill : show)(target, JSON.parse(data));
    });
  }
}

// A browser has few connections to one server: a page that nobody sees leaves its own to others.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) events?.close();
  else listen();
});

// At most once a second, and the latest few: a screen reader cannot read faster.
setInterval(() => {
  const more = news.length > 3 ? `; and ${news.length - 3} more` : "";
  if (news.length) by("said").textContent = news.slice(0, 3).join("; ") + more;
  news = [];
}, 1000);

// Announces what was done; what went wrong becomes the text of `problem`.
async function send(method, url, body, problem, done) {
  try {
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch(url, { method, headers, body: JSON.stringify(body) });
    const said = JSON.parse((await answer.text()) || "null");
    by(problem).textContent = answer.ok ? "" : said.error;
    if (answer.ok) news.unshift(done(said));
  } catch {
    by(problem).textContent = "The sandbox does not answer: is it running?";
  }
}

function change(method, rules) {
  return send(method, by("fault").dataset.url, rules, "problem", (left) => `Faults in force: ${left.length}`);
}

function forget() {
  if (!confirm("Delete everything that has arrived, and switch all faults off?")) return;
  send("DELETE", "state", undefined, "not-forgotten", () => "Everything is forgotten");
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
  by("forget").addEventListener("click", forget);
  by("all-off").addEventListener("click", () => change("PUT", []));
  compose();
}
listen();
