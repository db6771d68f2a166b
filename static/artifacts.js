// The artifacts of a feature: filters with counts, the table, and one artifact beside it.

import * as detail from "./detail.js";
import { announce, byId, empty, h, name, searchField } from "./dom.js";
import { Grid } from "./grid.js";
import { go, change, read, replace } from "./route.js";
import { heard as rowHeard, rowsOf } from "./rows.js";
import { bytes, icon, number, presence } from "./state.js";

const FILTERS = [
	{ key: "class", label: "Class", of: (row) => row.artifact_class },
	{ key: "wp", label: "Work package", of: (row) => row.wp_id ?? "none" },
	{ key: "step", label: "Step", of: (row) => row.step_id ?? "none" },
	{ key: "required", label: "Required", of: (row) => row.required_status },
	{ key: "present", label: "State", of: (row) => presence(row)[1] },
];

const COLUMNS = [
	{ key: "path", title: "Path", of: (row) => row.relative_path, draw: drawPath },
	{ key: "state", title: "State", of: (row) => presence(row)[1], draw: (row) => presence(row)[1] },
	{ key: "class", title: "Class", of: (row) => row.artifact_class, draw: (row) => name(row.artifact_class) },
	{ key: "wp", title: "WP", of: (row) => row.wp_id ?? "", draw: (row) => row.wp_id !== null && name(row.wp_id) },
	{ key: "step", title: "Step", of: (row) => row.step_id ?? "", draw: (row) => row.step_id !== null && name(row.step_id) },
	{ key: "required", title: "Required", of: (row) => (row.required_status === "required" ? 0 : 1), draw: (row) => row.required_status },
	{ key: "size", title: "Size", of: (row) => row.size_bytes, draw: (row) => (row.is_present || row.size_bytes > 0 ? bytes(row.size_bytes) : "") },
];

let page = null;
let grid = null;
let opened;
let known = {}; // what was filtered and sorted last, and from what

export function connect(given) {
	page = given;
	detail.connect(given);
}

export function heard(event) {
	rowHeard(event, page.refresh);
}

const named = (rows, { artifact, path }) => rows.find((row) => row.artifact_key === artifact) ?? rows.find((row) => row.relative_path === path);

const keyOf = (rows, params) => named(rows, params)?.artifact_key ?? params.artifact ?? params.path;

export async function load(query, params, overview, listing) {
	const about = await overview;
	const daemon = listing.health.started_at;
	const rows = await rowsOf(query, about, daemon);
	const row = named(rows, params);
	const key = keyOf(rows, params);
	if (key === undefined) return { rows, detail: null };
	// A path without a row was one of an artifact that is gone.
	const gone = row === undefined && params.artifact === undefined;
	return { rows, detail: gone ? { artifact: null, key, row, diff: null } : await detail.load(query, key, row, about, params, daemon) };
}

// What is open is said by the address, which is ahead of what was loaded.
const openKey = (data, params) => (data.detail === null ? undefined : keyOf(data.rows, params));

function drawPath(row) {
	const [kind] = presence(row);
	return h("span.path", icon(kind), name(row.relative_path, row.relative_path));
}

// Rows that meet all filters but one, so that its choices show what each would give.
function passing(rows, params, except) {
	const tests = FILTERS.filter(({ key }) => key !== except && params[key] !== undefined);
	const meets = (value, wanted) => (wanted.startsWith("!") ? value !== wanted.slice(1) : value === wanted);
	const parts = (params.q ?? "").toLowerCase().split(/\s+/).filter((part) => part !== "");
	return rows.filter((row) => tests.every(({ key, of }) => meets(of(row), params[key])) && parts.every((part) => row.text.includes(part)));
}

function countsOf(rows, params, { key, of }) {
	const counts = new Map();
	for (const row of rows) counts.set(of(row), 0);
	for (const row of passing(rows, params, key)) counts.set(of(row), counts.get(of(row)) + 1);
	return [...counts].sort(([a], [b]) => (a === "none") - (b === "none") || (a < b ? -1 : 1));
}

function compare(of, a, b) {
	const x = of(a);
	const y = of(b);
	if (x === y) return 0;
	if (x === "") return 1;
	if (y === "") return -1;
	return x < y ? -1 : 1;
}

const byPath = (a, b) => compare((row) => row.relative_path, a, b);

// Filtered, counted and sorted once for as long as rows and filters stay the same.
function prepare(rows, params) {
	const asked = JSON.stringify([...FILTERS.map(({ key }) => params[key]), params.q, params.sort]);
	if (known.rows === rows && known.asked === asked) return known;
	const down = (params.sort ?? "").startsWith("-");
	const by = (params.sort ?? "path").replace("-", "");
	const column = COLUMNS.find(({ key }) => key === by) ?? COLUMNS[0];
	const shown = passing(rows, params, null).sort((a, b) => (down ? -1 : 1) * compare(column.of, a, b) || byPath(a, b));
	const counts = FILTERS.map((filter) => countsOf(rows, params, filter));
	known = { rows, asked, shown, counts, sort: { by: column.key, down } };
	return known;
}

function drawFilters(rows, params, { shown, counts }) {
	const selects = FILTERS.map(({ key, label }, i) => {
		const choices = counts[i];
		const listed = choices.some(([value]) => value === params[key]) || params[key] === undefined;
		const options = [
			h("option", { value: "" }, "any"),
			choices.map(([value, count]) => h("option", { value, key: value }, `${value} (${number(count)})`)),
			!listed && h("option", { value: params[key] }, params[key].startsWith("!") ? `not ${params[key].slice(1)}` : `${params[key]} (0)`),
		];
		const choose = (event) => replace({ [key]: event.currentTarget.value });
		return h("label.filter", { key }, h("span", label), h(`select${params[key] === undefined ? "" : ".set"}`, { value: params[key] ?? "", onchange: choose }, options));
	});
	const field = searchField("Filter by path or key", "Filter ( / )", params.q, (q) => replace({ q }), intoTable);
	const any = FILTERS.some(({ key }) => params[key] !== undefined) || params.q !== undefined;
	const said = shown.length === rows.length ? `${number(rows.length)} artifacts` : `${number(shown.length)} of ${number(rows.length)} artifacts`;
	return h(
		"div.filters",
		{ key: "filters", role: "search", label: "Artifacts" },
		field, selects,
		h("p.result", h("span", { role: "status" }, said), h("button.small", { onclick: clear, disabled: !any }, "Clear filters")),
	);
}

function clear() {
	replace({ q: "", ...Object.fromEntries(FILTERS.map(({ key }) => [key, ""])) });
}

function intoTable(event) {
	if (event.key !== "Enter" && event.key !== "ArrowDown") return;
	event.preventDefault();
	grid.element.focus();
	if (grid.active === -1) grid.move(1);
}

export function draw(data, params, context) {
	const prepared = prepare(data.rows, params);
	const open = openKey(data, params) !== undefined;
	const none = prepared.shown.length === 0;
	return [
		drawFilters(data.rows, params, prepared),
		h(
			`div.split${open ? ".with-detail" : ""}`,
			{ key: "split" },
			h("div.grid-place", { key: "grid" }, h("div", { own: "grid", id: "grid-place" }), none && nothing(data.rows)),
			open && h("aside.detail", { key: "detail", label: "Artifact", id: "detail" }, detail.draw(data.detail, params, { ...context, close })),
		),
	];
}

function nothing(rows) {
	if (rows.length === 0) return empty("This feature has no artifacts yet.", "They appear here as soon as a file is written.");
	return empty("No artifact meets all filters.", h("button", { onclick: clear }, "Clear filters"));
}

export function after(data, params) {
	grid ??= new Grid("Artifacts", COLUMNS, { open: openRow, sort, moved });
	const place = byId("grid-place");
	if (grid.element.parentElement !== place) place.append(grid.element);
	const { shown, sort: by } = prepare(data.rows, params);
	const open = openKey(data, params);
	grid.update(shown, by, open);
	detail.after(data.detail);
	keepFocus(open);
}

// Where the table gives way to the artifact, the focus goes with it, and back again.
function keepFocus(open) {
	const before = opened;
	opened = open;
	if (open === before || !(document.activeElement === document.body || grid.element.contains(document.activeElement))) return;
	if (open === undefined) grid.element.focus({ preventScroll: true });
	else if (grid.element.offsetParent === null) byId("detail").querySelector("h2").focus({ preventScroll: true });
}

function openRow(key) {
	const parts = { artifact: key, path: "", mode: "" };
	// From one artifact to the next is one place in the history.
	if (read().artifact === undefined && read().path === undefined) go(change(parts));
	else {
		replace(parts);
		page.refresh();
	}
}

function moved(key) {
	if (read().artifact !== undefined || read().path !== undefined) openRow(key);
}

function sort(by) {
	const now = read().sort ?? "path";
	const next = now === by ? `-${by}` : by;
	replace({ sort: next === "path" ? "" : next });
	announce(`Sorted by ${by}${next === by ? "" : ", descending"}`);
}

function sortNext() {
	const now = (read().sort ?? "path").replace("-", "");
	sort(COLUMNS[(COLUMNS.findIndex(({ key }) => key === now) + 1) % COLUMNS.length].key);
	return true;
}

function turn() {
	const now = read().sort ?? "path";
	sort(now.startsWith("-") ? now.slice(1) : now);
	return true;
}

function close() {
	replace({ artifact: "", path: "", mode: "" });
	page.refresh();
	grid.element.focus({ preventScroll: true });
}

export function keys(data, params) {
	const step = (by) => () => {
		grid.move(by);
		grid.element.focus({ preventScroll: true });
		return true;
	};
	return {
		j: step(1),
		k: step(-1),
		s: sortNext,
		S: turn,
		Escape: () => {
			if (document.activeElement?.type === "search") return false;
			if (openKey(data, params) === undefined) return false;
			close();
			return true;
		},
	};
}
