// The artifacts of a feature: filters with counts, the table, and one artifact beside it.

import * as detail from "./detail.js";
import { byId, empty, h, name } from "./dom.js";
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

export async function load(query, params, overview) {
	const about = await overview;
	const rows = await rowsOf(query, about);
	const { artifact, path } = params;
	const row = rows.find((candidate) => candidate.artifact_key === artifact) ?? rows.find((candidate) => candidate.relative_path === path);
	const key = row?.artifact_key ?? artifact ?? path;
	return { rows, open: key, detail: key === undefined ? null : await detail.load(query, key, row, about, params) };
}

function drawPath(row) {
	const [kind] = presence(row);
	return h("span.path", icon(kind), name(row.relative_path, row.relative_path));
}

// ---------------------------------------------------------------- filters

// Rows that meet all filters but one, so that its choices show what each would give.
function passing(rows, params, except) {
	const tests = FILTERS.filter(({ key }) => key !== except && params[key] !== undefined);
	const parts = (params.q ?? "").toLowerCase().split(/\s+/).filter((part) => part !== "");
	return rows.filter((row) => tests.every(({ key, of }) => of(row) === params[key]) && parts.every((part) => row.text.includes(part)));
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
			!listed && h("option", { value: params[key] }, `${params[key]} (0)`),
		];
		const choose = (event) => replace({ [key]: event.currentTarget.value });
		return h("label.filter", { key }, h("span", label), h(`select${params[key] === undefined ? "" : ".set"}`, { value: params[key] ?? "", onchange: choose }, options));
	});
	const field = h("input.search", { type: "search", label: "Filter by path or key", placeholder: "Filter ( / )", value: params.q ?? "", oninput: (event) => replace({ q: event.currentTarget.value }), onkeydown: intoTable });
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

// ---------------------------------------------------------------- drawing

export function draw(data, params, context) {
	const prepared = prepare(data.rows, params);
	const open = data.open !== undefined;
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

export function after(data, params, main, context) {
	if (grid === null) grid = new Grid("Artifacts", COLUMNS, { open, sort, moved });
	const place = byId("grid-place");
	if (grid.element.parentElement !== place) place.append(grid.element);
	const { shown, sort: by } = prepare(data.rows, params);
	grid.update(shown, by, data.open);
	detail.after(data.detail, params, context);
	keepFocus(data.open);
}

// Where the table gives way to the artifact, the focus goes with it, and back again.
function keepFocus(open) {
	const before = opened;
	opened = open;
	if (open === before || !(document.activeElement === document.body || grid.element.contains(document.activeElement))) return;
	if (open === undefined) grid.element.focus({ preventScroll: true });
	else if (grid.element.offsetParent === null) byId("detail").querySelector("h2").focus({ preventScroll: true });
}

function open(key) {
	const target = change({ artifact: key, path: "", mode: "" });
	// From one artifact to the next is one place in the history.
	if (read().artifact === undefined && read().path === undefined) go(target);
	else {
		replace({ artifact: key, path: "", mode: "" });
		page.refresh();
	}
}

function moved(key) {
	if (read().artifact !== undefined || read().path !== undefined) open(key);
}

function sort(by) {
	const now = read().sort ?? "path";
	replace({ sort: now === by ? `-${by}` : by === "path" ? "" : by });
}

function close() {
	replace({ artifact: "", path: "", mode: "" });
	page.refresh();
	grid.element.focus({ preventScroll: true });
}

export function keys(data) {
	const step = (by) => () => {
		grid.move(by);
		grid.element.focus({ preventScroll: true });
		return true;
	};
	return {
		j: step(1),
		k: step(-1),
		Escape: () => {
			if (document.activeElement?.type === "search") return false;
			if (data.open === undefined) return false;
			close();
			return true;
		},
	};
}
