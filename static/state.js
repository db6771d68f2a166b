// What a state means: words, a shape and a colour for each, and what needs attention first.
//
// No state is told by colour alone: each mark is a shape, and its words are beside it.

import { h, s, visible } from "./dom.js";

const CIRCLE = "M8 1.2a6.8 6.8 0 1 0 0 13.6A6.8 6.8 0 0 0 8 1.2z";
const SHAPES = {
	good: [CIRCLE, "M4.8 8.2l2.3 2.3 4.2-4.7"],
	bad: ["M5 1.2h6L14.8 5v6L11 14.8H5L1.2 11V5z", "M5.6 5.6l4.8 4.8m0-4.8l-4.8 4.8"],
	warn: ["M8 1.4L15.2 14.4H.8z", "M8 6v4m0 2v.4"],
	info: [CIRCLE, "M8 7.2v4m0-6.6v.4"],
	unknown: ["M8 .9L15.1 8 8 15.1.9 8z", "M6.3 6.4c.3-2.3 3.6-2 3.4 0-.1 1.2-1.7 1.3-1.7 2.8m0 1.8v.4"],
	quiet: ["", "M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2z"],
	moved: ["", "M2 5.5h10m-2.6-2.6L12 5.5 9.4 8.1M14 10.8H4m2.6-2.6L4 10.8l2.6 2.6"],
};

export function icon(kind) {
	const [ground, line] = SHAPES[kind];
	return s(
		`svg.icon.${kind}`,
		{ viewBox: "0 0 16 16", "aria-hidden": "true", focusable: "false" },
		ground !== "" && s("path.ground", { d: ground }),
		s("path.line", { d: line, class: ground === "" ? "line alone" : "line" }),
	);
}

export function mark(kind, ...words) {
	return h(`span.mark.${kind}`, icon(kind), h("span", words));
}

export const words = (text) => String(text).replaceAll("_", " ");
export const plural = (n, one, many = `${one}s`) => `${number(n)} ${n === 1 ? one : many}`;
const digits = new Intl.NumberFormat("en");
export const number = (n) => digits.format(n);

export function bytes(size) {
	if (size < 1024) return `${size} B`;
	const power = Math.min(3, Math.floor(Math.log2(size) / 10));
	const value = size / 1024 ** power;
	return `${value.toFixed(value < 10 ? 1 : 0)} ${["KiB", "MiB", "GiB"][power - 1]}`;
}

// --- time

const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export function moment(text) {
	const date = new Date(text);
	return Number.isNaN(date.getTime()) ? visible(text) : full.format(date);
}

export function span(seconds) {
	if (seconds < 60) return `${Math.floor(seconds)} s`;
	if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
	if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
	return `${Math.floor(seconds / 86400)} d`;
}

function ago(text) {
	const seconds = (Date.now() - new Date(text).getTime()) / 1000;
	if (Number.isNaN(seconds)) return visible(text);
	return seconds < 10 ? "just now" : `${span(seconds)} ago`;
}

export function when(text) {
	return h("time", { datetime: text, title: moment(text) }, ago(text));
}

export function whenExactly(text) {
	return h("span", when(text), h("span.quiet", ` (${moment(text)})`));
}

export function tellAges() {
	for (const time of document.querySelectorAll("time")) time.textContent = ago(time.dateTime);
}

// --- features

const COMPLETENESS = { complete: "good", incomplete: "bad", unknown: "unknown" };
const PARITY = {
	in_sync: ["good", "in sync"],
	drifted: ["warn", "drifted"],
	moved: ["moved", "moved"],
	no_baseline: ["quiet", "no baseline"],
	baseline_rejected: ["warn", "baseline rejected"],
	error: ["bad", "cannot be told"],
};
const WATCH = {
	live: ["good", "live"],
	starting: ["quiet", "starting"],
	rescanning: ["info", "rescanning"],
	partial: ["warn", "partly watched"],
	polling: ["warn", "polling"],
	detached: ["bad", "detached"],
};
export const SEVERITY = { error: "bad", warning: "warn", info: "info" };

export function completeness(status, missing) {
	return mark(COMPLETENESS[status] ?? "unknown", status, missing > 0 && `, ${number(missing)} missing`);
}

export function parity(status, severity) {
	const [kind, text] = PARITY[status] ?? ["unknown", words(status)];
	const graded = status === "drifted" && severity !== null;
	return mark(graded ? SEVERITY[severity] : kind, text, graded && `, ${severity}`);
}

function watchWhy(state) {
	if (state.reason !== undefined) return state.reason;
	if (state.unwatched !== undefined) return `${plural(state.unwatched, "directory", "directories")} not watched`;
	return state.since === undefined ? "" : `since ${moment(state.since)}`;
}

function watchText(state) {
	const text = (WATCH[state.state] ?? [0, words(state.state)])[1];
	const why = watchWhy(state);
	return why === "" ? text : `${text}${why.startsWith("since") ? "" : ":"} ${why}`;
}

export function watch(state) {
	return mark((WATCH[state.state] ?? ["unknown"])[0], watchText(state));
}

// Lower comes first: what a person should look at.
export function rank(feature) {
	if (feature.watch.state === "detached" || feature.parity_status === "error") return 0;
	if (feature.severity === "error") return 1;
	if (feature.completeness_status === "incomplete") return 2;
	if (feature.severity === "warning") return 3;
	if (feature.watch.state === "partial" || feature.watch.state === "polling") return 4;
	if (feature.anomaly_count > 0) return 5;
	if (feature.severity === "info") return 6;
	if (feature.completeness_status === "unknown") return 7;
	return feature.watch.state === "live" ? 9 : 8;
}

export const needsAttention = (feature) => rank(feature) < 8;

export function worst(feature) {
	const at = rank(feature);
	if (at <= 2) return "bad";
	if (at <= 5) return "warn";
	if (at === 6) return "info";
	return at === 7 ? "unknown" : "good";
}

// Why a feature needs attention, in a few words each; without what stands beside it.
export function reasons(feature, all = true) {
	const out = [];
	const state = feature.watch.state;
	if (state === "detached" || state === "partial" || state === "polling") out.push(watchText(feature.watch));
	if (all) out.push(...states(feature));
	const others = feature.anomaly_count - feature.missing_required_count;
	if (others > 0) out.push(plural(others, "other anomaly", "other anomalies"));
	return out;
}

function states(feature) {
	const out = [];
	if (feature.missing_required_count > 0) out.push(`${number(feature.missing_required_count)} required missing`);
	else if (feature.completeness_status === "incomplete") out.push("incomplete");
	if (feature.completeness_status === "unknown") {
		out.push(feature.mission_type === null ? "mission unknown" : "completeness unknown");
	}
	if (feature.parity_status === "error") out.push("parity cannot be told");
	else if (feature.severity !== null) out.push(`${(PARITY[feature.parity_status] ?? [0, "drifted"])[1]} (${feature.severity})`);
	return out;
}

// --- artifacts

export function presence(artifact) {
	if (artifact.is_present) return ["good", "present"];
	const why = words(artifact.error_reason ?? "absent");
	return [artifact.required_status === "required" ? "bad" : "warn", why];
}

const called = ({ project_slug: project, branch }) => (branch === null ? project : `${project} @ ${branch}`);

// Checkouts that would be called the same are told apart by the begin of their root's id.
export function place(row, { features }) {
	const text = called(row);
	const twin = features.some((other) => other.root_id !== row.root_id && called(other) === text);
	return twin ? `${text} (${row.root_id.slice(0, 8)})` : text;
}
