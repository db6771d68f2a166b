// The event log of a feature, the newest first, with filters; what is written meanwhile
// comes in by the stream.

import { getOnce } from "./api.js";
import { announce, chip, code, copyButton, empty, h, name, searchField } from "./dom.js";
import { recent } from "./live.js";
import { replace } from "./route.js";
import { SEVERITY, icon, moment, number, plural, when, words } from "./state.js";

const A_PAGE = 200;
const TYPES = {
	indexed: ["MissionDossierArtifactIndexed", "Indexed", "good"],
	missing: ["MissionDossierArtifactMissing", "Missing", "bad"],
	snapshot: ["MissionDossierSnapshotComputed", "Snapshot", "info"],
	drift: ["MissionDossierParityDriftDetected", "Drift", "warn"],
};
const KIND_OF = Object.fromEntries(Object.entries(TYPES).map(([key, [type]]) => [type, key]));

let page = null;
let log = null; // { query, type, events (newest first), ids, next, more, heard }

export function connect(given) {
	page = given;
}

function fetchPage({ query, type }, before) {
	const parts = new URLSearchParams({ order: "newest", limit: A_PAGE, ...(type !== "" && { type }), ...(before !== null && { before }) });
	return getOnce(`/api/dossier/events?${query}&${parts}`);
}

// Puts in what is not there yet, in the order of the log. Whether any was there tells of a gap.
function merge(mine, found) {
	const fresh = found.filter((event) => !mine.ids.has(event.event_id));
	for (const event of fresh) mine.ids.add(event.event_id);
	mine.events = [...mine.events, ...fresh].sort((a, b) => (a.event_id < b.event_id ? 1 : -1));
	return fresh.length < found.length;
}

function begin(mine, answer) {
	mine.events = [];
	mine.ids = new Set();
	merge(mine, answer.events);
	mine.next = answer.next_before;
	mine.more = answer.more;
}

// What the stream tells is read from the log, since it does not tell features of one name apart.
export async function load(query, params, overview) {
	const type = Object.hasOwn(TYPES, params.type ?? "") ? params.type : "";
	const { feature_slug: slug } = await overview;
	const heard = recent.findLast((event) => event.aggregate_id === slug);
	const known = log?.query === query && log.type === type ? log : null;
	if (known !== null && known.heard === heard) return known;
	const mine = known ?? { query, type };
	const answer = await fetchPage(mine, null);
	if (known === null || (!merge(mine, answer.events) && answer.more)) begin(mine, answer);
	mine.heard = heard;
	log = mine;
	return mine;
}

async function loadOlder(mine, button) {
	button.disabled = true;
	try {
		const { next } = mine;
		const answer = await fetchPage(mine, next);
		// It may have been read anew meanwhile.
		if (mine.next === next) {
			merge(mine, answer.events);
			[mine.next, mine.more] = [answer.next_before, answer.more];
		}
	} catch (error) {
		announce(error.message);
	}
	button.disabled = false;
	page.paint();
}

function keptBy(params) {
	const type = Object.hasOwn(TYPES, params.type ?? "") ? TYPES[params.type][0] : undefined;
	const parts = (params.q ?? "").toLowerCase().split(/\s+/).filter((part) => part !== "");
	return (event) => (type === undefined || event.event_type === type) && (parts.length === 0 || parts.every((part) => text(event).includes(part)));
}

function text(event) {
	return `${event.event_id} ${pathOf(event)} ${JSON.stringify(event.payload.context_diagnostics ?? {})}`.toLowerCase();
}

function pathOf(event) {
	const { payload } = event;
	return payload.context_diagnostics?.relative_path ?? payload.artifact_id?.path ?? payload.expected_identity?.path ?? payload.context_diagnostics?.artifact_key ?? "";
}

export function draw(log, params) {
	const found = log.events.filter(keptBy(params));
	const said = log.more ? `${number(found.length)} of the newest ${number(log.events.length)}` : plural(found.length, "event");
	const older = (event) => loadOlder(log, event.currentTarget);
	return h(
		"section.card",
		{ key: "events", label: "Events" },
		h("div.bar", h("h2", "Events"), filters(params), h("span.quiet", { role: "status" }, said)),
		found.length === 0 ? nothing(log, params) : h("ol.events", found.map(drawEvent)),
		log.more && h("div.actions.middle", h("button", { onclick: older }, "Show older events")),
	);
}

function filters(params) {
	const show = (type) => () => {
		replace({ type });
		page.refresh();
	};
	const type = (key, title) => chip(title, (params.type ?? "") === key, show(key), key);
	return [
		searchField("Filter events", "Filter ( / )", params.q, (q) => replace({ q })),
		h("div.chips", { key: "types", role: "group", label: "Type" }, type("", "All"), Object.entries(TYPES).map(([key, [, title]]) => type(key, title))),
	];
}

function nothing(log, params) {
	if (log.events.length === 0 && log.type === "") return empty("Nothing is in the log yet.", "Each change of the feature is written down here.");
	return empty("No event meets the filters.", h("button", { onclick: () => { replace({ q: "", type: "" }); page.refresh(); } }, "Show all events"));
}

const SAYS = {
	indexed: ({ payload }) => [name(pathOf({ payload })), h("span.quiet", ` ${number(payload.content_ref?.size_bytes ?? 0)} B, `, (payload.content_ref?.hash ?? "").slice(0, 12))],
	missing: ({ payload }) => [name(pathOf({ payload })), h("span.quiet", ` ${words(payload.context_diagnostics?.reason_code ?? "missing")}; `, name(payload.remediation_hint ?? ""))],
	snapshot: ({ payload }) => {
		const about = payload.context_diagnostics ?? {};
		return [`${number(payload.artifact_count)} present, ${about.required_missing ?? 0} missing, `, name(words(about.completeness_status ?? "")), ", ", name(words(about.parity_status ?? "")), h("span.quiet", ` ${about.scan_kind ?? ""} scan`)];
	},
	drift: ({ payload }) => {
		const about = payload.context_diagnostics ?? {};
		const count = (kind) => { try { return JSON.parse(about[kind] ?? "[]").length; } catch { return 0; } };
		const counts = ["added", "removed", "changed", "moved"].map((kind) => [kind, count(kind)]).filter(([, n]) => n > 0);
		return [name(about.severity ?? ""), ": ", counts.map(([kind, n]) => `${n} ${kind}`).join(", ") || name(words(payload.drift_kind ?? ""))];
	},
};

function drawEvent(event) {
	const kind = KIND_OF[event.event_type];
	const [, title, shape] = TYPES[kind] ?? [null, event.event_type, "unknown"];
	const severity = kind === "drift" ? (SEVERITY[event.payload.context_diagnostics?.severity] ?? shape) : shape;
	const open = (toggle) => {
		const box = toggle.currentTarget;
		if (box.open && box.lastChild.childNodes.length === 0) box.lastChild.append(h("pre", { tabindex: "0" }, JSON.stringify(event, null, 2).split("\n").map((line) => [line, document.createTextNode("\n")])));
	};
	return h(
		"li",
		{ key: event.event_id },
		h("details", { ontoggle: open },
			h("summary", icon(severity), h("span.event-type", title), h("span.what", SAYS[kind]?.(event) ?? ""), when(event.timestamp)),
			h("p.small-text", code(event.event_id), " ", moment(event.timestamp), " ", copyButton(event.event_id, "event id")),
			h("div", { own: "payload" })),
	);
}
