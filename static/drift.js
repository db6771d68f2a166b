// How a feature differs from its baseline, by name, with what may be accepted at once.

import { get } from "./api.js";
import { askToCapture } from "./baseline.js";
import { code, empty, facts, h, hash, name } from "./dom.js";
import { href } from "./route.js";
import { SEVERITY, mark, parity, plural, whenExactly, words } from "./state.js";

const SHOWN = 1000;
const KINDS = ["removed", "changed", "added", "moved"];

let page = null;
let chosen = { feature: "", paths: new Set() };

export function connect(given) {
	page = given;
}

export async function load(query) {
	const [drift, context] = await Promise.all([get(`/api/dossier/drift?${query}`), get(`/api/dossier/baseline?${query}`)]);
	return { drift, context };
}

// The severities of single names follow the rules of the whole.
function differences({ drift, context }, overview) {
	const accepted = new Map((context.baseline?.artifacts ?? []).map((row) => [row.path, row]));
	const missing = new Set(overview.missing.map((row) => row.relative_path));
	const gone = (path) => (accepted.get(path)?.required_status === "required" ? "error" : "warning");
	const unread = (path) => (missing.has(path) ? "error" : "warning");
	return [
		...drift.removed.map((path) => ({ kind: "removed", path, severity: gone(path), was: accepted.get(path) })),
		...drift.changed.map((path) => ({ kind: "changed", path, severity: unread(path), was: accepted.get(path) })),
		...drift.added.map((path) => ({ kind: "added", path, severity: "info" })),
		...drift.moved.map(({ from, to }) => ({ kind: "moved", path: to, from, severity: "info" })),
	];
}

export function draw(data, params, { overview, query }) {
	if (chosen.feature !== overview.feature_id) chosen = { feature: overview.feature_id, paths: new Set() };
	const rows = differences(data, overview);
	return [drawAgainst(data, rows, overview, query), drawRows(rows, data.drift, overview, query)];
}

function capture(query, text, kind = "") {
	return h(`button${kind}`, { onclick: () => askToCapture(query, null, page.refresh) }, text);
}

function drawAgainst({ drift, context }, rows, overview, query) {
	const baseline = context.baseline;
	if (baseline === null) {
		return h("section.card", { key: "against" }, empty("There is no baseline to differ from.", "Capture one when the feature is as it should be; from then on this page names what changed."), h("div.actions", capture(query, "Capture baseline…", ".primary")));
	}
	const counts = KINDS.map((kind) => [kind, rows.filter((row) => row.kind === kind).length]).filter(([, count]) => count > 0);
	return h(
		"section.card",
		{ key: "against" },
		h("h2", "Against the baseline"),
		facts([
			["State", h("span", parity(drift.parity_status, drift.severity), counts.length > 0 && h("span.quiet", ` ${counts.map(([kind, count]) => `${count} ${kind}`).join(", ")}`))],
			["Baseline", h("span", "captured ", whenExactly(baseline.captured_at), " by ", name(baseline.captured_by))],
			["Branch", baseline.checkout_branch && h("span", name(baseline.checkout_branch), baseline.git_sha && [" at ", code(baseline.git_sha.slice(0, 12))])],
			["Note", baseline.note && name(baseline.note)],
			["Expected", hash(drift.expected_hash)],
			["Actual", hash(drift.actual_hash)],
			["Other context", drift.rejected_components.length > 0 && drift.rejected_components.map(words).join(", ")],
		]),
		drift.message !== null && h("p.notice", name(drift.message)),
		h("div.actions", capture(query, rows.length > 0 ? "Accept everything…" : "Capture again…")),
	);
}

function drawRows(rows, drift, overview, query) {
	if (rows.length === 0) {
		if (drift.parity_status === "in_sync") return h("section.card", { key: "rows" }, h("p", mark("good", "Everything is as it was accepted.")));
		if (!drift.names_known) return h("section.card", { key: "rows" }, h("p.notice", "The baseline was written by another tool and names no artifacts. Capture again to see names from then on."));
		return null;
	}
	const paths = [...chosen.paths].filter((path) => rows.some((row) => row.path === path));
	const all = paths.length === rows.length;
	const toggleAll = (event) => {
		chosen.paths = new Set(event.currentTarget.checked ? rows.map((row) => row.path) : []);
		page.paint();
	};
	const accept = () => askToCapture(query, all ? null : expand(rows.filter((row) => chosen.paths.has(row.path))), () => { chosen.paths.clear(); page.refresh(); });
	return h(
		"section.card",
		{ key: "rows", label: "Differences" },
		h("div.bar", h("h2", plural(rows.length, "difference")),
			h("label.check", h("input", { type: "checkbox", checked: all, onchange: toggleAll }), "Choose all"),
			h("button.primary", { disabled: paths.length === 0, onclick: accept }, `Accept chosen (${paths.length})…`)),
		h("ul.differences", rows.slice(0, SHOWN).map((row) => drawRow(row, overview, query))),
		rows.length > SHOWN && h("p.quiet", `and ${rows.length - SHOWN} more; accept everything, or narrow it down with dossierd drift`),
	);
}

// A move is accepted by both of its names.
function expand(rows) {
	return rows.flatMap((row) => (row.kind === "moved" ? [row.from, row.path] : [row.path]));
}

function drawRow(row, overview, query) {
	const id = `d-${row.kind}-${row.path}`;
	const feature = overview.feature_id;
	const tick = (event) => {
		if (event.currentTarget.checked) chosen.paths.add(row.path);
		else chosen.paths.delete(row.path);
		page.paint();
	};
	const target = row.was === undefined ? { path: row.path } : { artifact: row.was.artifact_key };
	const link = row.kind === "removed" ? name(row.path) : h("a", { href: href({ feature, tab: "artifacts", ...target }), "data-stop": "" }, name(row.path));
	const compare = row.kind === "changed" && row.was !== undefined && h("a.button.small", { href: href({ feature, tab: "artifacts", ...target, mode: "diff" }), label: `Difference of ${row.path}` }, "Difference");
	const accept = h("button.small", { label: `Accept ${row.path}`, onclick: () => askToCapture(query, expand([row]), page.refresh) }, "Accept…");
	return h(
		"li",
		{ key: id },
		h("input", { type: "checkbox", checked: chosen.paths.has(row.path), label: `Choose ${row.path}`, onchange: tick }),
		h("span.kind", mark(row.kind === "moved" ? "moved" : SEVERITY[row.severity], row.kind), h("span.quiet.small-text", ` ${row.severity}`)),
		h("span.what", row.kind === "moved" && [name(row.from), " → "], link),
		h("span.acts", compare, accept),
	);
}
