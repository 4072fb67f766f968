// The page: what was thought, newest first, and how everything stands, over one stream of events.
import { approvals } from "./approvals.js";
import { ago, el, metric, number, plain, spark, stacked, time, when } from "./draw.js";
import { heard, judge } from "./feedback.js";
import { intentions } from "./intentions.js";
import { predictions } from "./predictions.js";

const MAX_SHOWN = 200;
const MAX_POINTS = 60;
const SIGN = { info: "●", warning: "▲", critical: "◆" };
const by = (id) => document.getElementById(id);
const history = new Map(); // metric -> last values
const shown = new Set(); // numbers of entries on the page
let status = null;
let cursor = "";

function alive(text, state) {
  by("alive").textContent = text;
  by("alive").className = `pill ${state}`;
}

// Rounded down: 100 % is said only when it is all of them.
function percent(part, whole) {
  return whole ? `${(Math.floor((1000 * part) / whole) / 10).toFixed(1)} %` : "100 %";
}

function facts() {
  if (!status) return;
  const busy = status.phase === "thinking";
  alive(status.phase === "watching" ? "awake, watching" : status.phase, status.phase.startsWith("waiting") ? "down" : busy ? "busy" : "up");
  by("model").replaceChildren(plain(status.model || "none yet"), el("small", "", `${plain(status.server)}${status.pilot ? " · pilot model" : ""}`));
  by("budget").replaceChildren(`${Math.max(0, Math.floor(status.thoughts_left))} of ${status.thoughts_per_hour} thoughts`, el("small", "", "left this hour"));
  const share = status.observed ? percent(status.habituated, status.observed) : "–";
  by("expected").replaceChildren(share, el("small", "", `of ${status.observed.toLocaleString()} observations`));
  by("tokens").replaceChildren(status.tokens_today.toLocaleString(), el("small", "", `wakes at salience ${status.threshold.toFixed(2)}`));
  const used = (status.room.rules ?? 0) + (status.room.opening ?? 0) + (status.room.turns ?? 0);
  if (used) by("context").replaceChildren(percent(used, status.context_tokens), stacked(status.room), el("small", "", `of ${status.context_tokens.toLocaleString()} tokens in use`));
  by("note").textContent = plain([status.resumed, status.note].filter(Boolean).join(" "));
  by("note").hidden = !by("note").textContent;
  by("sources").replaceChildren(...status.sources.map(source));
}

function source(each) {
  const rows = el("div", "values");
  for (const [name, value] of Object.entries(each.values).slice(0, 12)) {
    const { label, unit } = metric(name);
    const key = `${each.name}\n${name}`;
    const points = history.get(key) ?? [];
    if (points.seen !== each.last_seen_ns) {
      points.push(value);
      points.seen = each.last_seen_ns;
      if (points.length > MAX_POINTS) points.shift();
      history.set(key, points);
    }
    rows.append(el("span", "", plain(label)), el("b", "", number(value, unit)), spark(points));
  }
  const head = el("header", "", el("span", "", plain(each.name)), el("span", "soft", plain(each.state)));
  const text = each.error || (rows.childElementCount ? "" : each.text);
  const bar = el("div", "bar", el("i", ""));
  bar.firstChild.style.width = `${Math.round(100 * each.salience)}%`;
  bar.title = `surprise ${each.surprise_nats.toFixed(1)} nats, reliability ${each.precision.toFixed(2)}`;
  const seen = `${each.observations.toLocaleString()} observations, last ${ago(each.last_seen_ns)}`;
  return el("li", `card source ${each.state}`, head, el("p", "soft", seen), text ? el("p", "soft", plain(text).slice(0, 300)) : null, rows, bar);
}

function card(entry) {
  const event = entry.event;
  switch (event.kind) {
    case "thought": return thought(entry);
    case "thought_failed": return plainCard(entry, event.interrupted ? "warning" : "info", "a thought failed", event.error, event.evidence);
    case "set_aside": return plainCard(entry, "warning", "set aside", event.why, event.evidence);
    case "health": return plainCard(entry, event.state === "up" ? "info" : "warning", `${event.part} is ${event.state}`, event.text);
    case "action_result": return plainCard(entry, event.outcome === "unknown" ? "warning" : "info", `${event.tool || "action"}: ${event.outcome}`, event.text);
    case "notification": return event.intention ? plainCard(entry, event.severity, event.title, event.text, event.evidence) : null;
    case "question": return plainCard(entry, "info", "you asked", event.text);
    case "answer": return plainCard(entry, "info", "answered", event.text, event.evidence);
    case "brake": return plainCard(entry, "warning", event.on ? "acting is paused" : "it may act again", event.why);
    case "session": return plainCard(entry, "info", event.state, event.text);
    default: return null;
  }
}

function thought(entry) {
  const event = entry.event;
  const meta = el("p", "meta", el("span", "severity", `${SIGN[event.severity]} ${event.severity}`), el("time", "", when(event.at_ns)), el("span", "", `woken by ${plain(event.reason)}`), el("span", "", event.pilot ? "pilot model" : plain(event.model)));
  const expects = el("p", "soft", `Expects: ${plain(event.next_prediction)} (${Math.round(100 * event.confidence)} %)`);
  const wants = event.action_needed && event.action_details ? el("p", "soft", `Wants to ${plain(event.action_type)}: ${plain(event.action_details)}`) : null;
  const read = event.evaluated_tokens ?? -1; // -1: the server does not tell
  const cost = `${read >= 0 ? `${read} of ` : ""}${event.prompt_tokens ?? 0} tokens read, ${event.completion_tokens ?? 0} written`;
  return el("li", `card ${event.severity}`, meta, el("p", "focus", plain(event.focus)), el("p", "", plain(event.assessment)), expects, wants, evidence(event.evidence, `${cost}, ${(event.duration_s ?? 0).toFixed(1)} s`), event.evidence.length ? judge(entry.seq) : null);
}

function plainCard(entry, severity, title, text, about) {
  const meta = el("p", "meta", el("span", "severity", plain(title)), el("time", "", when(entry.event.at_ns)));
  return el("li", `card ${severity}`, meta, text ? el("p", "", plain(text)) : null, about?.length ? evidence(about) : null);
}

function evidence(seqs, cost = "") {
  const box = el("div", "");
  const button = el("button", "", `Show the ${seqs.length === 1 ? "observation" : `${seqs.length} observations`} behind it`);
  button.type = "button";
  button.setAttribute("aria-expanded", "false");
  button.addEventListener("click", async () => {
    const open = box.querySelector("pre");
    button.setAttribute("aria-expanded", String(!open));
    if (open) return open.remove();
    const pre = el("pre", "", "…");
    box.append(pre);
    try {
      const found = await (await fetch(`/api/entries?seq=${seqs.join(",")}`)).json();
      pre.textContent = found.map((each) => plain(`#${each.seq} ${time(each.event.at_ns)} ${each.event.source ?? each.event.kind}: `) + (each.event.text ?? "").split("\n").map(plain).join("\n")).join("\n") || "no longer in the journal";
    } catch {
      pre.textContent = "could not be read; is Wakeful still running?";
    }
  });
  box.append(seqs.length ? button : "", cost ? el("span", "soft", `${seqs.length ? "  ·  " : ""}${cost}`) : "");
  return box;
}

function add(entry, newest = true) {
  if (shown.has(entry.seq)) return;
  if (entry.event.kind === "quiet") return quiet(entry.event);
  if (entry.event.kind === "feedback") return heard(entry.event, newest);
  if (entry.event.kind === "thought" || entry.event.kind === "prediction_resolved") predictions();
  if (entry.event.kind.startsWith("approval_") || entry.event.kind === "action_result") approvals();
  if (entry.event.kind.startsWith("intention")) intentions();
  const element = card(entry);
  if (!element) return;
  shown.add(entry.seq);
  by("quiet").hidden = !by("quiet").dataset.told; // "nothing yet" is no longer true; a report that came stays
  if (newest) by("thoughts").prepend(element);
  else by("thoughts").append(element);
  while (by("thoughts").childElementCount > MAX_SHOWN) by("thoughts").lastElementChild.remove();
}

function quiet(event) {
  const share = percent(event.habituated, event.observations);
  const sources = Object.keys(event.last_seen_ns).length;
  by("quiet").dataset.told = "yes";
  by("quiet").hidden = false;
  by("quiet").textContent = `${time(event.at_ns)}: ${event.observations.toLocaleString()} observations since ${time(event.since_ns)}, ${share} as expected; ${sources} ${sources === 1 ? "source" : "sources"} heard, ${event.thoughts_left} thoughts left.`;
}

function follow() {
  const stream = new EventSource(cursor ? `/api/stream?after=${encodeURIComponent(cursor)}` : "/api/stream");
  stream.addEventListener("entry", (message) => {
    cursor = message.lastEventId;
    add(JSON.parse(message.data));
  });
  stream.addEventListener("status", (message) => {
    status = JSON.parse(message.data);
    facts();
  });
  stream.addEventListener("partial", (message) => {
    const { text } = JSON.parse(message.data);
    by("partial").hidden = !text;
    by("partial-text").textContent = plain(text ?? "").slice(-600);
  });
  stream.addEventListener("error", () => {
    alive("connection lost, trying again", "down");
    by("partial").hidden = true;
    if (stream.readyState === EventSource.CLOSED) setTimeout(follow, 3000);
  });
}

const past = await (await fetch("/api/events?limit=100")).json();
for (const entry of past) add(entry, false);
const last = past.find((entry) => entry.event.kind === "quiet");
if (last) quiet(last.event);
follow();
approvals();
intentions();
setInterval(facts, 10_000);
setInterval(approvals, 30_000);
setInterval(intentions, 60_000);
