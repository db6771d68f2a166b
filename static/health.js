// The daemon: how well it watches, and what waits for delivery.

import { get } from "./api.js";
import { card, facts, h, name, table } from "./dom.js";
import { href } from "./route.js";
import { mark, number, place, plural, span, watch, when, whenExactly } from "./state.js";

const unwatched = (row) => row.watch.state !== "live";

// Does anything need a look?
export function unwell({ health, roots, features }) {
	return health.watch_fault !== null || health.warnings.length > 0 || roots.some(unwatched) || features.some(unwatched);
}

export async function load() {
	const [status, sync] = await Promise.all([get("/api/status"), get("/api/sync/status")]);
	return { status, sync };
}

export function title() {
	return "Health – dossierd";
}

export function draw({ status, sync }, params, listing) {
	return [
		h("h1", { tabindex: "-1", key: "title" }, "Health"),
		card("Watching", drawWatching(status, listing)),
		card("Delivery", drawDelivery(sync)),
		card("Daemon", drawDaemon(status)),
	];
}

function drawWatching(status, { roots, features, pending }) {
	const sick = features.filter(unwatched);
	const notes = status.warnings.map((note) => h("p.notice", name(note)));
	if (status.watch_fault !== null) notes.unshift(h("p.notice", h("strong", "Nothing can be watched: "), status.watch_fault));
	const all = features.length === 0 ? mark("quiet", "Nothing is registered.")
		: sick.length === 0 ? mark("good", `All ${plural(features.length, "feature")} are watched live.`)
		: mark("warn", `${number(sick.length)} of ${plural(features.length, "feature")} are not watched live.`);
	return [
		h("p", all),
		notes,
		sick.length > 0 && table("Features that are not watched live", ["Feature", "Watching", "Last scan"], sick.map((row) => ({
			key: row.id,
			cells: [h("a", { href: href({ feature: row.id }), "data-stop": "" }, name(row.slug)), watch(row.watch), when(row.last_scanned_at)],
		}))),
		roots.length > 0 && table("Registered", ["Registered", "Features", "Watching", "Since"], roots.map((root) => ({
			key: root.id,
			cells: [label(root, features), number(root.features), watch(root.watch), when(root.added_at)],
		}))),
		facts([
			["By", name(status.watch_backend)],
			["First scans", pending.length > 0 || !status.ready ? mark("info", `${number(pending.length)} to come`) : mark("good", "done")],
			["Overflows", status.overflows === 0 ? "none" : `${plural(status.overflows, "queue overflow")}; each was followed by a full scan`],
			["Missed events", status.missed_events === 0 ? "none" : `${plural(status.missed_events, "change")} found by a scan only`],
			["Fresh reads in vain", status.fresh_timeouts > 0 && number(status.fresh_timeouts)],
			["Scans", number(status.scans)],
		]),
	];
}

// A root has no name of its own over TCP; its features say whose it is.
function label(root, features) {
	const first = features.find((row) => row.root_id === root.id);
	return h("span", root.kind, " ", first === undefined ? name(root.id) : name(root.kind === "feature" ? first.slug : place(first, { features })));
}

function drawDelivery(sync) {
	if (!sync.configured) return [h("p", mark("quiet", "Nothing is delivered to a back end.")), h("p.quiet", "None is configured; all events stay in the logs of their features.")];
	const age = sync.oldest_pending_age_seconds;
	return [
		h("p", sync.paused ? mark("warn", "Paused; dossierd sync resume goes on.") : sync.pending === null ? mark("warn", "Not known yet: the first scans have not ended.") : sync.pending === 0 ? mark("good", "Everything is delivered.") : mark("info", `${plural(sync.pending, "event")} wait.`)),
		facts([
			["Pending", known(sync.pending)],
			["Oldest", age !== null && `waits for ${span(age)}`],
			["Delivered", known(sync.delivered)],
			["Duplicate", known(sync.duplicate)],
			["Rejected", sync.rejected > 0 ? mark("bad", number(sync.rejected)) : sync.rejected === 0 ? "none" : known(sync.rejected)],
		]),
		sync.sinks.map(drawSink),
	];
}

// What is not known is no zero.
function known(count) {
	return count === null ? "not known yet" : number(count);
}

function drawSink({ name: sink, target, state, reason, fault }) {
	const kind = { idle: "good", sending: "info" }[state] ?? "warn";
	return facts([
		["Sink", name(`${sink}, ${target}`)],
		["State", mark(kind, state, reason && `: ${reason}`)],
		["Fault", fault && mark("bad", fault)],
	]);
}

function drawDaemon(status) {
	return facts([
		["Version", name(status.version)],
		["Running since", whenExactly(status.started_at)],
		["Process", String(status.pid)],
		["Address", status.http !== null && name(status.http)],
		["Login", status.tcp_auth === "none" ? mark("warn", "none: anyone on this machine may read this") : "by token"],
		["Registered", `${plural(status.roots, "root")}, ${plural(status.features, "feature")}`],
		["Followers", number(status.followers)],
	]);
}
