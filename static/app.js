// The page: all features, what needs attention first, and one feature in full, live.
//
// Everything shown comes from the API and is hostile text: it goes into text nodes only.
// The token is kept in this tab's sessionStorage and sent as a header, so no other page
// and no other tab ever sends it.
"use strict";

const TOKEN = "dossierd-token";
const SILENCE_MS = 45000; // three heartbeats
const SETTLE_MS = 150;
const MAX_WAIT_MS = 30000;

const byId = (id) => document.getElementById(id);

// What was shown last, by address: an answer that is the same is not drawn again, so that
// focus and selection stay where they are.
const known = new Map();
let turn = 0; // grows with each draw; what an older one fetched is dropped
let redraw = null;
let failures = 0;

// ---------------------------------------------------------------- the API

class ApiError extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

function headers() {
  const token = sessionStorage.getItem(TOKEN);
  return token === null ? {} : { Authorization: `Bearer ${token}` };
}

async function failure(response) {
  let detail = `the daemon answered ${response.status}`;
  try {
    const problem = await response.json();
    if (typeof problem.detail === "string") detail = `${problem.title}: ${problem.detail}`;
  } catch {
    // Not a problem document: the status has to do.
  }
  return new ApiError(response.status, detail);
}

async function get(path) {
  const last = known.get(path);
  const conditions = last === undefined ? {} : { "If-None-Match": last.etag };
  const response = await fetch(path, {
    headers: { ...headers(), ...conditions },
    cache: "no-store",
  });
  if (response.status === 304 && last !== undefined) return last.value;
  if (!response.ok) throw await failure(response);
  const value = await response.json();
  const etag = response.headers.get("ETag");
  if (etag !== null) known.set(path, { etag, value });
  return value;
}

async function allArtifacts(query) {
  const rows = [];
  let cursor = "";
  do {
    const page = await get(`/api/dossier/artifacts?${query}${cursor}`);
    rows.push(...page.artifacts);
    cursor = page.next_cursor === null ? "" : `&cursor=${encodeURIComponent(page.next_cursor)}`;
  } while (cursor !== "");
  return rows;
}

// ---------------------------------------------------------------- elements

// Characters that would act on the text around them are shown by their number.
function visible(text) {
  return String(text).replace(
    /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (c) => `\\u{${c.codePointAt(0).toString(16)}}`,
  );
}

function make(tag, name, ...children) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  for (const child of children) {
    if (child === null || child === undefined) continue;
    element.append(child instanceof Node ? child : visible(child));
  }
  return element;
}

const name = (text) => make("bdi", "", text);

function link(feature) {
  const anchor = make("a", "", name(feature.slug));
  anchor.href = `#feature=${encodeURIComponent(feature.id)}`;
  return anchor;
}

function table(caption, columns, rows) {
  const head = columns.map((column) => {
    const cell = make("th", "", column);
    cell.scope = "col";
    return cell;
  });
  const element = make(
    "table",
    "",
    make("thead", "", make("tr", "", ...head)),
    make("tbody", "", ...rows),
  );
  element.setAttribute("aria-label", caption);
  return make("div", "scroll", element);
}

function list(items) {
  return make("ul", "", ...items.map((item) => make("li", "", ...[item].flat())));
}

function facts(pairs) {
  const parts = pairs.filter(([, value]) => value !== null && value !== undefined);
  return make("dl", "", ...parts.flatMap(([term, value]) => [make("dt", "", term), make("dd", "", value)]));
}

const words = (text) => String(text).replaceAll("_", " ");

function moment(text) {
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? text : date.toLocaleString();
}

// ---------------------------------------------------------------- what a state means

const COMPLETENESS = { complete: "good", incomplete: "bad", unknown: "warn" };
const PARITY = {
  in_sync: "good",
  drifted: "warn",
  moved: "warn",
  no_baseline: "quiet",
  baseline_rejected: "warn",
  error: "bad",
};

// Lower comes first: what a person should look at.
function rank(feature) {
  if (feature.watch.state === "detached" || feature.parity_status === "error") return 0;
  if (feature.severity === "error") return 1;
  if (feature.completeness_status === "incomplete") return 2;
  if (feature.severity === "warning") return 3;
  if (feature.anomaly_count > 0) return 4;
  if (feature.severity === "info") return 5;
  if (feature.completeness_status === "unknown") return 6;
  return feature.watch.state === "live" ? 8 : 7;
}

function completeness(status, missing) {
  const count = missing > 0 ? `, ${missing} missing` : "";
  return make("span", COMPLETENESS[status] ?? "warn", `${status}${count}`);
}

function parity(status, severity) {
  const grade = severity === null || status === "error" ? "" : ` (${severity})`;
  const kind = severity === "error" ? "bad" : (PARITY[status] ?? "warn");
  return make("span", kind, `${words(status)}${grade}`);
}

function watch(state) {
  const why = state.reason ?? (state.since === undefined ? "" : `since ${moment(state.since)}`);
  const text = why === "" ? state.state : `${state.state}: ${why}`;
  return make("span", state.state === "live" ? "quiet" : "warn", text);
}

// ---------------------------------------------------------------- the list

function drawList(listing) {
  const features = listing.features
    .map((feature, order) => ({ feature, order }))
    .sort((a, b) => rank(a.feature) - rank(b.feature) || a.order - b.order)
    .map(({ feature }) => feature);
  const body = [];
  const health = listing.health;
  const notes = [...health.warnings];
  if (!health.ready) notes.unshift("The first scans are still running; what is shown is not complete.");
  if (health.watch_fault !== null) notes.unshift(`Nothing can be watched: ${health.watch_fault}`);
  if (notes.length > 0) body.push(make("div", "notice", list(notes)));
  if (features.length === 0) {
    body.push(
      make("p", "", "No feature is registered. Run ", make("code", "", "dossierd add PATH"), " with a project or a feature directory."),
    );
  } else {
    const due = features.filter((feature) => rank(feature) < 6).length;
    const summary = due === 0 ? "Nothing needs attention." : `${due} of ${features.length} need attention; they come first.`;
    body.push(make("p", "quiet", summary));
    body.push(table("Features", ["Feature", "Project", "Mission, step", "Completeness", "Parity", "Artifacts", "Anomalies", "Watch"], features.map(featureRow)));
  }
  byId("list-body").replaceChildren(...body);
}

function featureRow(feature) {
  const first = make("th", "name", link(feature));
  first.scope = "row";
  const mission = `${feature.mission_type ?? "unknown"}, ${feature.current_step ?? "unknown"}`;
  const project = feature.branch === null ? feature.project_slug : `${feature.project_slug} @ ${feature.branch}`;
  return make(
    "tr",
    "",
    first,
    make("td", "name", name(project)),
    make("td", "", name(mission)),
    make("td", "", completeness(feature.completeness_status, feature.missing_required_count)),
    make("td", "", parity(feature.parity_status, feature.severity)),
    make("td", "number", feature.artifact_total),
    make("td", "number", feature.anomaly_count),
    make("td", "", watch(feature.watch)),
  );
}

// ---------------------------------------------------------------- one feature

function drawFeature(overview, drift, artifacts) {
  byId("feature-title").replaceChildren(name(overview.feature_slug));
  const steps = overview.steps.map((step) => {
    const met = `${step.present.length} of ${step.required.length} required`;
    return `${step.step_id}${step.current ? " (current)" : ""}: ${step.required.length === 0 ? "nothing required" : met}`;
  });
  const counts = overview.artifact_counts;
  byId("feature-body").replaceChildren(
    facts([
      ["Completeness", completeness(overview.completeness_status, overview.missing_required_count)],
      ["Parity", parity(overview.parity_status, overview.drift.severity)],
      ["Mission", name(`${overview.mission_type ?? "unknown"}, version ${overview.manifest_version ?? "unknown"}`)],
      ["Step", name(`${overview.current_step ?? "unknown"} (${overview.step_source})`)],
      ["Artifacts", `${counts.total}: ${counts.required_present} of ${counts.required} required present, ${counts.optional_present} of ${counts.optional} others; ${overview.unrecognised} unrecognised, ${overview.ignored} ignored`],
      ["Project", name(overview.branch === null ? overview.project_slug : `${overview.project_slug} @ ${overview.branch}`)],
      ["Parity hash", make("code", "", overview.parity_hash_sha256)],
      ["Tree hash", make("code", "", overview.tree_hash)],
      ["Baseline", baseline(overview.baseline)],
      ["Watch", watch(overview.watch)],
      ["Log", overview.store.failing === null ? null : make("span", "bad", `cannot be written: ${overview.store.failing}`)],
      ["Last scan", moment(overview.last_scanned_at)],
    ]),
    make("h3", "", "Missing"),
    missingList(overview),
    make("h3", "", "Drift"),
    driftList(drift),
    make("h3", "", "Anomalies"),
    overview.anomalies.length === 0
      ? make("p", "quiet", "None.")
      : list(overview.anomalies.map((a) => [make("span", a.severity === "error" ? "bad" : "warn", `${a.severity}: `), name(a.message)])),
    make("h3", "", "Steps"),
    steps.length === 0 ? make("p", "quiet", "The mission is not known.") : list(steps),
    make("h3", "", `Artifacts (${artifacts.length})`),
    artifactTable(artifacts),
  );
}

function baseline(summary) {
  if (summary === null) return "none";
  const note = summary.note === null ? "" : `: ${summary.note}`;
  const state = summary.accepted ? "accepted" : "of another context, so it does not count";
  return name(`${moment(summary.captured_at)}, ${state}${note}`);
}

function missingList(overview) {
  if (overview.missing.length > 0) {
    return list(
      overview.missing.map((m) => [
        make("code", "", m.relative_path ?? m.path_patterns.join(" or ")),
        ` ${words(m.reason_code)} (${m.manifest_step}); `,
        name(m.remediation_hint),
      ]),
    );
  }
  const text = overview.completeness_status === "complete" ? "Nothing." : "It cannot be told: the mission or its step is not known.";
  return make("p", "quiet", text);
}

function driftList(drift) {
  const items = [
    ...drift.removed.map((path) => ["removed ", make("code", "", path)]),
    ...drift.changed.map((path) => ["changed ", make("code", "", path)]),
    ...drift.added.map((path) => ["added ", make("code", "", path)]),
    ...drift.moved.map((move) => ["moved ", make("code", "", move.from), " to ", make("code", "", move.to)]),
  ];
  const notes = [];
  if (drift.message !== null) notes.push(drift.message);
  if (!drift.names_known) notes.push("The baseline was written by another tool and names no artifacts.");
  if (items.length === 0 && notes.length === 0) notes.push("None.");
  const said = notes.map((note) => make("p", "quiet", note));
  return make("div", "", ...said, items.length === 0 ? null : list(items));
}

function artifactTable(artifacts) {
  const rows = artifacts.map((a) => {
    const state = a.is_present ? make("span", "good", "present") : make("span", a.required_status === "required" ? "bad" : "warn", words(a.error_reason ?? "absent"));
    const first = make("th", "name", name(a.relative_path));
    first.scope = "row";
    return make(
      "tr",
      "",
      first,
      make("td", "", a.artifact_class),
      make("td", "", a.required_status),
      make("td", "", state),
      make("td", "", a.wp_id ?? ""),
      make("td", "number", a.size_bytes),
      make("td", "", a.content_hash_sha256 === null ? "" : make("code", "", a.content_hash_sha256.slice(0, 12))),
    );
  });
  if (rows.length === 0) return make("p", "quiet", "None.");
  return table("Artifacts", ["Path", "Class", "Required", "State", "Work package", "Bytes", "SHA-256"], rows);
}

// ---------------------------------------------------------------- drawing

function show(section) {
  for (const id of ["login", "list", "feature"]) byId(id).hidden = id !== section;
}

function say(problem) {
  const element = byId("problem");
  element.hidden = problem === "";
  const text = visible(problem);
  if (element.textContent !== text) element.textContent = text;
}

function chosen() {
  const match = /^#feature=(.+)$/.exec(location.hash);
  if (match === null) return null;
  try {
    return decodeURIComponent(match[1]);
  } catch {
    return null;
  }
}

// What is drawn at the moment, to see whether it changed.
let drawn = [];

async function draw() {
  turn += 1;
  const mine = turn;
  const id = chosen();
  try {
    let values;
    if (id === null) {
      values = [await get("/api/features")];
    } else {
      const query = `feature=${encodeURIComponent(id)}`;
      values = await Promise.all([
        get(`/api/dossier/overview?${query}`),
        get(`/api/dossier/drift?${query}`),
        allArtifacts(query).then((rows) => ({ rows, text: JSON.stringify(rows) })),
      ]);
    }
    if (mine !== turn) return;
    failures = 0;
    say("");
    const marks = [id, ...values.map((value) => value.text ?? value)];
    if (marks.length !== drawn.length || marks.some((mark, i) => mark !== drawn[i])) {
      keepingFocus(() => {
        if (id === null) drawList(values[0]);
        else drawFeature(values[0], values[1], values[2].rows);
      });
      drawn = marks;
    }
    document.title = id === null ? "dossierd" : `${visible(values[0].feature_slug)} – dossierd`;
    show(id === null ? "list" : "feature");
  } catch (error) {
    if (mine !== turn) return;
    if (error instanceof ApiError && error.status === 401) loggedOut();
    else if (error instanceof ApiError) say(error.message);
    else say("The daemon does not answer. It is tried again.");
  }
}

// A link that had the focus has it again after the redraw.
function keepingFocus(change) {
  const href = document.activeElement instanceof HTMLAnchorElement ? document.activeElement.hash : "";
  change();
  if (href.startsWith("#feature=") && document.activeElement === document.body) {
    const anchors = [...document.querySelectorAll("#list-body a")];
    anchors.find((anchor) => anchor.hash === href)?.focus();
  }
}

function soon() {
  if (redraw !== null) return;
  redraw = setTimeout(() => {
    redraw = null;
    draw();
  }, SETTLE_MS);
}

function loggedOut() {
  sessionStorage.removeItem(TOKEN);
  known.clear();
  drawn = [];
  say("");
  byId("list-body").replaceChildren();
  byId("feature-body").replaceChildren();
  byId("connection").textContent = "";
  document.title = "dossierd";
  show("login");
}

// ---------------------------------------------------------------- live

// Events say that something changed; what is now is always asked for. So a stream that
// breaks or lags costs one redraw and nothing else.
async function follow() {
  const abort = new AbortController();
  let silence = setTimeout(() => abort.abort(), SILENCE_MS);
  try {
    const response = await fetch("/api/dossier/events?follow=true", {
      headers: headers(),
      cache: "no-store",
      signal: abort.signal,
    });
    if (!response.ok) throw await failure(response);
    byId("connection").textContent = "Live";
    failures = 0;
    // What happened before the stream began is not in it.
    soon();
    const reader = response.body.getReader();
    for (;;) {
      const { done } = await reader.read();
      if (done) return;
      clearTimeout(silence);
      silence = setTimeout(() => abort.abort(), SILENCE_MS);
      soon();
    }
  } finally {
    clearTimeout(silence);
    abort.abort();
  }
}

async function stayLive() {
  for (;;) {
    try {
      await follow();
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) {
        loggedOut();
        return;
      }
      failures += 1;
    }
    byId("connection").textContent = "Reconnecting…";
    const wait = Math.min(MAX_WAIT_MS, 500 * 2 ** Math.min(failures, 6));
    await new Promise((resolve) => setTimeout(resolve, wait));
    soon();
  }
}

// ---------------------------------------------------------------- start

// Trades the one-time code in the address for a session, and takes it out of the address
// and the history first.
async function login() {
  const match = /^#code=([A-Za-z0-9_-]+)$/.exec(location.hash);
  if (match === null) return;
  history.replaceState(null, "", "/");
  const response = await fetch("/api/session", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ code: match[1] }),
    cache: "no-store",
  });
  if (!response.ok) throw await failure(response);
  const session = await response.json();
  sessionStorage.setItem(TOKEN, session.token);
}

async function start() {
  let refused = "";
  try {
    await login();
  } catch (error) {
    refused = error instanceof ApiError ? error.message : "The daemon does not answer; run dossierd open again.";
  }
  await draw();
  if (!byId("login").hidden) {
    say(refused);
    return;
  }
  stayLive();
}

addEventListener("hashchange", async () => {
  if (location.hash.startsWith("#code=")) {
    // A second dossierd open in this tab: begin anew.
    location.reload();
    return;
  }
  await draw();
  if (!byId("list").hidden) byId("list-title").focus();
  if (!byId("feature").hidden) byId("feature-title").focus();
  scrollTo(0, 0);
});

start();
