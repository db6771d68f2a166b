// The event log of a feature, the newest first, with filters; what is written meanwhile
// comes in by the stream.

import { getOnce } from "./api.js";
import { code, copyButton, empty, h, name } from "./dom.js";
import { recent } from "./live.js";
import { replace } from "./route.js";
import { SEVERITY, icon, moment, number, plural, when, words } from "./state.js";

const A_PAGE = 1000;
const MOST = 5000; // events that are read at most
const SHOWN = 200; // at once; more by a button
const TYPES = {
	indexed: ["MissionDossierArtifactIndexed", "Indexed", "good"],
	missing: ["MissionDossierArtifactMissing", "Missing", "bad"],
	snapshot: ["MissionDossierSnapshotComputed", "Snapshot", "info"],
	drift: ["MissionDossierParityDriftDetected", "Drift", "warn"],
};
const KIND_OF = Object.fromEntries(Object.entries(TYPES).map(([key, [type]]) => [type, key]));

let page = null;
let log = null; // { about, events, ids, next, cut }
let shown = SHOWN;

export function connect(given) {
	page = given;
}

// The log is read from its oldest event on; with the points of the history at hand, the
// reading can begin near its end.
function beginning(history) {
	const points = history?.points ?? [];
	return points.length > 200 ? points.at(-200).event_id : null;
}

async function fetchLog(query, since) {
	const events = [];
	let next = since;
	let more = true;
	while (more && events.length < MOST) {
		const answer = await getOnce(`/api/dossier/events?${query}&limit=${A_PAGE}${next === null ? "" : `&since=${next}`}`);
		events.push(...answer.events);
		next = answer.next_since;
		more = answer.more;
	}
	return { events, next, more };
}

export async function load(query, params, history, slug) {
	if (log === null || log.query !== query) {
		const since = beginning(history);
		const { events, next, more } = await fetchLog(query, since);
		log = { query, events, next, begun: since !== null, more };
		shown = SHOWN;
	} else if (!log.more && recent.some((event) => event.aggregate_id === slug && event.event_id > (log.next ?? ""))) {
		const { events, next, more } = await fetchLog(query, log.next);
		log.events.push(...events);
		log.next = next ?? log.next;
		log.more = more;
	}
	return log;
}

function keptBy(params) {
	const type = TYPES[params.type]?.[0];
	const parts = (params.q ?? "").toLowerCase().split(/\s+/).filter((part) => part !== "");
	return (event) => (type === undefined || event.event_type === type) && (parts.length === 0 || parts.every((part) => text(event).includes(part)));
}

const texts = new WeakMap();

function text(event) {
	if (!texts.has(event)) texts.set(event, `${event.event_id} ${pathOf(event)} ${JSON.stringify(event.payload.context_diagnostics ?? {})}`.toLowerCase());
	return texts.get(event);
}

function pathOf(event) {
	const { payload } = event;
	return payload.context_diagnostics?.relative_path ?? payload.artifact_id?.path ?? payload.expected_identity?.path ?? payload.context_diagnostics?.artifact_key ?? "";
}

export function draw(log, params) {
	const found = log.events.filter(keptBy(params)).reverse();
	const rest = found.length - shown;
	const more = () => {
		shown += SHOWN;
		page.paint();
	};
	return h(
		"section.card",
		{ key: "events", label: "Events" },
		h("div.bar", h("h2", "Events"), filters(log, params), h("span.quiet", { role: "status" }, plural(found.length, "event"))),
		found.length === 0 ? nothing(log, params) : h("ol.events", found.slice(0, shown).map(drawEvent)),
		rest > 0 && h("div.actions.middle", h("button", { onclick: more }, `Show ${number(Math.min(SHOWN, rest))} more`)),
		log.begun && h("p.quiet", "Older events are not listed here; dossierd events shows all of them."),
		log.more && h("p.quiet", `The log goes on; only ${number(log.events.length)} events from its begin are listed. dossierd events shows all of them.`),
	);
}

function filters(log, params) {
	const chip = (key, title) => {
		const count = log.events.filter(keptBy({ ...params, type: key })).length;
		return h("button.chip", { key, "aria-pressed": String((params.type ?? "") === key), onclick: () => replace({ type: key }) }, title, " ", h("span.count", number(count)));
	};
	return [
		h("input.search", { type: "search", key: "q", label: "Filter events", placeholder: "Filter ( / )", value: params.q ?? "", oninput: (event) => replace({ q: event.currentTarget.value }) }),
		h("div.chips", { key: "types", role: "group", label: "Type" }, chip("", "All"), Object.entries(TYPES).map(([key, [, title]]) => chip(key, title))),
	];
}

function nothing(log, params) {
	if (log.events.length === 0) return empty("Nothing is in the log yet.", "Each change of the feature is written down here.");
	return empty("No event meets the filters.", h("button", { onclick: () => replace({ q: "", type: "" }) }, "Show all events"));
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
