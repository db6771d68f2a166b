// All features by project and checkout, what needs attention first; and in short, beside one.

import { byId, chip, empty, h, name, searchField, table } from "./dom.js";
import { href, read, replace } from "./route.js";
import { completeness, icon, mark, needsAttention, number, parity, place, plural, rank, reasons, watch, when, words, worst } from "./state.js";

const SHOWS = [
	["", "All", () => true],
	["attention", "Need attention", needsAttention],
	["incomplete", "Incomplete", (row) => row.completeness_status !== "complete"],
	["drifted", "Drifted", (row) => row.severity !== null],
	["unwatched", "Degraded watching", (row) => row.watch.state !== "live"],
];

const HOLD_MS = 5000;

let order = []; // ids as they were drawn last
let orderOf = "";
let pointed = -Infinity; // when the pointer moved over the list last
let sideQuery = "";
let repaint = () => {};

export function connect(page) {
	repaint = page.paint;
}

export async function load() {
	return null;
}

export function title(_, listing) {
	const due = listing.features.filter(needsAttention).length;
	return due === 0 ? "dossierd" : `(${due}) dossierd`;
}

function matches(row, query) {
	const text = `${row.slug} ${row.project_slug} ${row.branch ?? ""} ${row.mission_type ?? ""} ${row.current_step ?? ""}`.toLowerCase();
	return query.toLowerCase().split(/\s+/).every((part) => text.includes(part));
}

// What needs attention first. While somebody points at the list or has the focus in it, the
// order stays.
function sorted(rows, about, box) {
	const held = about === orderOf && box !== null && (performance.now() - pointed < HOLD_MS || box.contains(document.activeElement));
	const places = new Map(order.map((id, i) => [id, i]));
	const at = (row) => (held ? (places.get(row.id) ?? Infinity) : rank(row));
	const out = [...rows].sort((a, b) => at(a) - at(b) || (a.slug < b.slug ? -1 : a.slug > b.slug ? 1 : 0));
	orderOf = about;
	order = out.map((row) => row.id);
	return out;
}

function grouped(rows, listing) {
	const groups = new Map();
	for (const row of rows) {
		const key = `${row.root_id}\n${row.project_slug}\n${row.branch ?? ""}`;
		if (!groups.has(key)) groups.set(key, { key, label: place(row, listing), root: row.root_id, rows: [] });
		groups.get(key).rows.push(row);
	}
	return [...groups.values()];
}

export function draw(_, params, listing) {
	const all = listing.features;
	const heading = h("h1", { tabindex: "-1", key: "title" }, "Features");
	if (all.length === 0) return [heading, notices(listing), nothing(listing)];
	const show = SHOWS.find(([key]) => key === (params.show ?? "")) ?? SHOWS[0];
	const query = params.q ?? "";
	const found = all.filter((row) => matches(row, query));
	const rows = sorted(found.filter(show[2]), `${show[0]}\n${query}`, byId("groups"));
	return [
		h("div.bar", { key: "bar" }, heading, searchField("Search features", "Search ( / )", query, (q) => replace({ q })), chips(found, show[0])),
		notices(listing),
		h("p.summary", { key: "summary" }, summary(all, rows)),
		h("div", { key: "groups", id: "groups", onpointermove: () => { pointed = performance.now(); } }, rows.length === 0 ? none() : grouped(rows, listing).map((group) => drawGroup(group, listing))),
	];
}

function summary(all, rows) {
	const due = all.filter(needsAttention).length;
	const state = due === 0 ? mark("good", "Nothing needs attention.") : mark("warn", `${number(due)} of ${number(all.length)} need attention; they come first.`);
	return rows.length === all.length ? state : [state, h("span.quiet", ` ${plural(rows.length, "feature")} shown.`)];
}

function chips(found, current) {
	const buttons = SHOWS.map(([key, text, test]) => chip([text, " ", h("span.count", number(found.filter(test).length))], key === current, () => replace({ show: key })));
	return h("div.chips", { key: "chips", role: "group", label: "Show" }, buttons);
}

function none() {
	const clear = h("button", { onclick: () => replace({ q: "", show: "" }) }, "Show all features");
	return empty("No feature matches.", clear);
}

function notices(listing) {
	const { health, pending, roots } = listing;
	const notes = [...health.warnings];
	const names = pending.slice(0, 9).map((row) => row.slug).join(", ");
	if (names || !health.ready) notes.unshift(`Still scanning, ${plural(pending.length, "feature")} to come: ${names}`);
	if (health.watch_fault !== null) notes.unshift(`Nothing can be watched: ${health.watch_fault}`);
	for (const root of roots) {
		if (root.watch.state === "detached") notes.push(`A registered ${root.kind} cannot be reached: ${root.watch.reason ?? "its directory is gone"}`);
	}
	return notes.length > 0 && h("div.notice", { key: "notices" }, notes.map((note) => h("p", note)));
}

function nothing(listing) {
	if (listing.pending.length > 0) return empty("Nothing is known yet.");
	if (listing.roots.length > 0) {
		return empty("The registered projects have no features yet.", "A directory below ", h("code", "kitty-specs/"), " is a feature as soon as it is there.");
	}
	return empty("No feature is registered.", "Run ", h("code", "dossierd add PATH"), " with a project or a feature directory. It appears here by itself.");
}

const COLUMNS = ["Feature", "Step, mission", "Completeness", "Parity", "Artifacts", "Last change"];

function drawGroup(group, listing) {
	const root = listing.roots.find((row) => row.id === group.root);
	const due = group.rows.filter(needsAttention).length;
	return h(
		"section.group",
		{ key: group.key },
		h("h2", name(group.label), h("span.quiet", ` ${plural(group.rows.length, "feature")}`, due > 0 && `, ${number(due)} to look at`), root !== undefined && root.watch.state !== "live" && [" ", watch(root.watch)]),
		table(`Features of ${group.label}`, COLUMNS, group.rows.map(drawRow)),
	);
}

function drawRow(row) {
	const why = reasons(row, false);
	const link = h("a", { href: href({ feature: row.id }), "data-stop": "" }, name(row.slug));
	return {
		key: row.id,
		cells: [
			h("div.feature-name", icon(worst(row)), h("div", link, why.length > 0 && h("div.small-text", why.join(" · ")))),
			h("span", name(row.current_step ?? "step unknown"), h("span.quiet", " ", name(row.mission_type ?? "mission unknown"))),
			completeness(row.completeness_status, row.missing_required_count),
			parity(row.parity_status, row.severity),
			h("span.number", number(row.artifact_total)),
			when(row.computed_at),
		],
	};
}

export function drawSide(listing, params) {
	const rows = listing.features.filter((row) => matches(row, sideQuery)).sort((a, b) => (a.slug < b.slug ? -1 : 1));
	const field = searchField("Search features", "Search features", sideQuery, (q) => { sideQuery = q; repaint(); });
	const groups = grouped(rows, listing).map((group) =>
		h("section", { key: group.key }, h("h2", name(group.label)), h("ul", group.rows.map((row) => sideRow(row, params)))),
	);
	return [field, h("div.side-groups", { key: "groups" }, groups.length === 0 ? h("p.quiet", "No feature matches.") : groups)];
}

function sideRow(row, params) {
	const current = row.id === params.feature || row.slug === params.feature;
	const tab = read().tab;
	const why = needsAttention(row) ? reasons(row).join(", ") : "nothing to look at";
	const link = h(
		"a",
		{ href: href({ feature: row.id, tab }), "aria-current": current ? "page" : null, title: `${row.slug}: ${words(row.current_step ?? "step unknown")}, ${why}` },
		icon(worst(row)), name(row.slug), h("span.unseen", `: ${why}`),
	);
	return h("li", { key: row.id }, link);
}
