// One feature: its head with the tabs, and the overview: steps, what is missing, hashes,
// baseline, anomalies. The other tabs are in their own files.

import * as artifacts from "./artifacts.js";
import { get, send } from "./api.js";
import { askToCapture, askToClear } from "./baseline.js";
import { announce, card, code, empty, facts, h, hash, name, table } from "./dom.js";
import * as drift from "./drift.js";
import * as history from "./history.js";
import { href } from "./route.js";
import { SEVERITY, completeness, icon, mark, number, parity, place, plural, watch, when, whenExactly, words } from "./state.js";

const SHOWN = 200; // of what is missing, and of anomalies

const tabs = { overview: { load: async () => null, draw: drawOverview }, artifacts, drift, history };
const TITLES = { overview: "Overview", artifacts: "Artifacts", drift: "Drift", history: "History" };

let page = { refresh() {}, paint() {} };

export function connect(given) {
	page = given;
	for (const tab of Object.values(tabs)) tab.connect?.(given);
}

const tabOf = (params) => (Object.hasOwn(tabs, params.tab ?? "") ? params.tab : "overview");

export async function load(params, listing) {
	const query = `feature=${encodeURIComponent(params.feature)}`;
	const tab = tabOf(params);
	const overview = get(`/api/dossier/overview?${query}`);
	const [own, about] = await Promise.all([tabs[tab].load(query, params, overview, listing), overview]);
	return { overview: about, tab, own, query };
}

export function title({ overview }) {
	return `${overview.feature_slug} – dossierd`;
}

export function draw({ overview, tab, own, query }, params, listing) {
	return [drawHead(overview, tab, listing), h(`div.tab.tab-${tab}`, { key: tab }, tabs[tab].draw(own, params, { overview, query }))];
}

export function after({ tab, own }, params) {
	tabs[tab].after?.(own, params);
}

export function keys({ tab, own }, params) {
	return tabs[tab].keys?.(own, params) ?? {};
}

// An event of the stream, for what a tab keeps by itself.
export function heard(event) {
	artifacts.heard(event);
}

function drawHead(overview, tab, listing) {
	const id = overview.feature_id;
	const row = listing.features.find((feature) => feature.id === id);
	const counts = { artifacts: overview.artifact_counts.total, drift: driftCount(overview.drift) };
	const links = Object.keys(tabs).map((key) =>
		h("a", { href: href({ feature: id, tab: key === "overview" ? "" : key }), "aria-current": key === tab ? "page" : null }, TITLES[key], counts[key] > 0 && h("span.count", number(counts[key]))),
	);
	return h(
		"header.head",
		{ key: "head" },
		h("p.crumb", h("a", { href: href({}) }, "All features"), h("span.quiet", " / ", row !== undefined && name(place(row, listing)))),
		h("h1", { tabindex: "-1" }, name(overview.feature_slug)),
		h("p.marks", overview.completeness_status === "unknown" ? mark("unknown", "completeness unknown") : completeness(overview.completeness_status, overview.missing_required_count), parity(overview.parity_status, overview.drift.severity), watch(overview.watch), h("span.quiet", "changed ", when(overview.computed_at))),
		h("nav.tabs", { label: "Parts of the feature" }, links),
	);
}

function driftCount(summary) {
	return summary.added + summary.removed + summary.changed + summary.moved;
}

function drawOverview(_, params, { overview, query }) {
	return [
		card("Steps", drawSteps(overview)),
		card(overview.missing.length === 0 ? "Missing" : `Missing (${number(overview.missing.length)})`, drawMissing(overview)),
		h("div.columns", { key: "columns" }, [
			card("Counts and hashes", drawCounts(overview)),
			card("Baseline", drawBaseline(overview, query)),
		]),
		card(overview.anomalies.length === 0 ? "Anomalies" : `Anomalies (${number(overview.anomalies.length)})`, drawAnomalies(overview)),
		card("Watching and log", drawKeeping(overview)),
	];
}

// Done, current, missing or ahead; and how many of what it requires are there.
function stepState(step, at, current) {
	const lacks = step.missing.length;
	if (step.current) return lacks === 0 ? ["good", "current"] : ["bad", `current, ${lacks} missing`];
	if (current === -1) return lacks === 0 ? ["unknown", "met"] : ["unknown", `${lacks} not there`];
	if (at > current) return ["quiet", lacks === 0 && step.required.length > 0 ? "ahead, all there" : "ahead"];
	return lacks === 0 ? ["good", "done"] : ["bad", `${lacks} missing`];
}

function drawSteps(overview) {
	if (overview.steps.length === 0) {
		return empty("The mission is not known, so completeness is not either.", "Set ", h("code", "mission_type"), " in ", h("code", "meta.json"), ", or register the feature with ", h("code", "dossierd add --mission"), ".");
	}
	const current = overview.steps.findIndex((step) => step.current);
	const items = overview.steps.map((step, i) => {
		const [kind, text] = stepState(step, i, current);
		const asked = step.required.length;
		const met = asked === 0 ? "nothing required" : `${step.present.length} of ${asked} required`;
		const link = h("a", { href: href({ feature: overview.feature_id, tab: "artifacts", step: step.step_id }) }, name(step.step_id));
		const className = `li.step.${step.current ? "now" : i > current && current !== -1 ? "later" : "past"}`;
		return h(className, { key: step.step_id, "aria-current": step.current ? "step" : null }, icon(kind), h("div", link, h("div.step-state", text), h("div.quiet.small-text", met)));
	});
	const source = { explicit: "set by hand", meta: "from meta.json", inferred: "inferred from what is there", unknown: "unknown" };
	const note = overview.current_step === null
		? ["The step is unknown; an unknown step is never complete. Set it with ", h("code", `dossierd step ${overview.feature_slug} STEP`), "."]
		: ["At ", name(overview.current_step), `, ${source[overview.step_source] ?? words(overview.step_source)}; mission `, name(overview.mission_type ?? "unknown"), overview.manifest_version !== null && [", version ", name(overview.manifest_version)], "."];
	return [h("ol.steps", items), h("p.quiet", note)];
}

function drawMissing(overview) {
	if (overview.missing.length > 0) {
		const rows = overview.missing.slice(0, SHOWN).map((row) => missingRow(row, overview));
		return [table("Missing artifacts", ["Artifact", "Why", "What to do"], rows), rest(overview, overview.missing, { required: "required" })];
	}
	if (overview.completeness_status === "complete") return h("p", mark("good", "Nothing required is missing."));
	return h("p", mark("unknown", "It cannot be told: the mission or its step is not known."));
}

function rest(overview, rows, filters) {
	const target = { feature: overview.feature_id, tab: "artifacts", present: "!present", ...filters };
	return rows.length > SHOWN && h("p", { key: "rest" }, h("a", { href: href(target) }, `and ${number(rows.length - SHOWN)} more among the artifacts`));
}

function missingRow(row, overview) {
	const path = row.relative_path ?? row.path_patterns.join(" or ");
	const step = row.manifest_step === "required_always" ? "always required" : `required by ${row.manifest_step}`;
	const link = h("a", { href: href({ feature: overview.feature_id, tab: "artifacts", artifact: row.artifact_key, path: row.relative_path }), "data-stop": "" }, name(path));
	const kind = row.blocking ? "bad" : "warn";
	return {
		key: row.artifact_key,
		cells: [
			[link, h("div.quiet.small-text", name(step), !row.blocking && ", not blocking", row.was_present && ", was there before")],
			[mark(kind, words(row.reason_code)), row.reason_detail !== null && h("div.quiet.small-text", name(row.reason_detail))],
			name(row.remediation_hint),
		],
	};
}

function drawCounts(overview) {
	const counts = overview.artifact_counts;
	const others = [];
	if (overview.unrecognised > 0) others.push(`${number(overview.unrecognised)} unrecognised`);
	if (overview.ignored > 0) others.push(`${number(overview.ignored)} ignored`);
	return facts([
		["Required", `${number(counts.required_present)} of ${number(counts.required)} present`],
		["Optional", `${number(counts.optional_present)} of ${number(counts.optional)} present`],
		["Others", others.length > 0 && others.join(", ")],
		["Parity hash", hash(overview.parity_hash_sha256, "parity hash")],
		["Tree hash", hash(overview.tree_hash, "tree hash")],
	]);
}

function drawBaseline(overview, query) {
	const baseline = overview.baseline;
	const capture = (text) => h("button", { onclick: () => askToCapture(query, null, page.refresh) }, text);
	if (baseline === null) {
		return [
			h("p", mark("quiet", "No baseline was captured in this context.")),
			h("p.quiet", "A baseline is the state that you accept. From then on the page names what differs from it."),
			h("div.actions", capture("Capture baseline…")),
		];
	}
	const same = baseline.parity_hash_sha256 === overview.parity_hash_sha256;
	return [
		facts([
			["State", baseline.accepted ? parity(overview.parity_status, overview.drift.severity) : mark("warn", "of another context, so it does not count")],
			["Captured", whenExactly(baseline.captured_at)],
			["By", name(baseline.captured_by)],
			["Branch", baseline.checkout_branch !== null && name(baseline.checkout_branch)],
			["Note", baseline.note !== null && name(baseline.note)],
			["Parity hash", h("span.hash", h("code", { title: baseline.parity_hash_sha256 }, baseline.parity_hash_sha256), h("span.quiet", same ? "same as now" : "differs from now"))],
		]),
		overview.drift.message !== null && h("p.quiet", name(overview.drift.message)),
		h("div.actions",
			h("a.button", { href: href({ feature: overview.feature_id, tab: "drift" }) }, driftCount(overview.drift) > 0 ? `See ${plural(driftCount(overview.drift), "difference")}` : "See drift"),
			capture("Capture again…"),
			h("button", { onclick: () => askToClear(query, baseline, page.refresh) }, "Clear…")),
	];
}

function drawAnomalies(overview) {
	if (overview.anomalies.length === 0) return h("p", mark("good", "None."));
	const items = overview.anomalies.slice(0, SHOWN).map((row, i) => {
		const target = row.artifact_key === null ? null : href({ feature: overview.feature_id, tab: "artifacts", artifact: row.artifact_key, path: row.relative_path });
		return h("li", { key: `${row.code}${row.artifact_key ?? i}` }, mark(SEVERITY[row.severity] ?? "warn", row.severity), " ",
			target === null ? name(row.message) : h("a", { href: target, "data-stop": "" }, name(row.message)));
	});
	return [h("ul.plain-list", items), rest(overview, overview.anomalies)];
}

function drawKeeping(overview) {
	const store = overview.store;
	const rescan = async (event) => {
		const button = event.currentTarget;
		button.disabled = true;
		try {
			await send("POST", `/api/features/${encodeURIComponent(overview.feature_id)}/rescan`);
			announce("Scanned in full.");
		} catch (error) {
			announce(error.message);
		}
		button.disabled = false;
		page.refresh();
	};
	return [
		facts([
			["Watching", watch(overview.watch)],
			["Last scan", when(overview.last_scanned_at)],
			["Log", store.failing === null
				? mark("good", store.location === "project" ? "written in the project" : "written in the daemon's own directory", store.fallback_reason !== null && `: ${store.fallback_reason}`)
				: mark("bad", `cannot be written: ${store.failing}. Events are kept in memory and tried again.`)],
			["Repaired", store.repaired_bytes > 0 && `${plural(store.repaired_bytes, "byte")} of a torn last line were cut off`],
			["Snapshot", code(overview.snapshot_id)],
		]),
		h("div.actions", h("button.small", { onclick: rescan }, "Scan again in full")),
	];
}
