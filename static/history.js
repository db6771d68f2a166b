// What a feature was over time: a chart of present, missing and drift by snapshot, and
// the events of the log below it.

import { get } from "./api.js";
import { byId, card, empty, h, s } from "./dom.js";
import * as events from "./events.js";
import { SEVERITY, moment, number, words } from "./state.js";

const POINTS = 500;
const HIGH = { present: 120, missing: 44, drift: 44 };
const GAP = 22;
const LEFT = 52;
const RIGHT = 12;
const HEIGHT = HIGH.present + HIGH.missing + HIGH.drift + GAP * 3 + 8;

let page = null;
let read = {}; // the point that is read, by its feature and event
let width = 0;

export function connect(given) {
	page = given;
	events.connect(given);
	new ResizeObserver(() => {
		const place = byId("chart");
		if (place !== null && Math.abs(place.clientWidth - width) > 20) page.paint();
	}).observe(byId("main"));
}

export async function load(query, params, overview) {
	const [history, log] = await Promise.all([get(`/api/dossier/history?${query}&points=${POINTS}`), events.load(query, params, overview)]);
	return { feature: query, history, log };
}

export function draw({ feature, history, log }, params) {
	return [card("Timeline", drawTimeline(history, feature)), events.draw(log, params)];
}

export function after() {
	// The first drawing did not know how wide it would be. A scroll bar is no reason.
	if (byId("chart") !== null && Math.abs(byId("chart").clientWidth - width) > 20) page.paint();
}

const driftOf = (point) => (point.drift === null ? 0 : point.drift.added + point.drift.removed + point.drift.changed + point.drift.moved);

function tell(point) {
	const parts = [moment(point.at), `${number(point.present)} present`, point.missing === 0 ? "none missing" : `${number(point.missing)} missing`, words(point.completeness_status)];
	if (point.anomalies > 0) parts.push(`${number(point.anomalies)} anomalies`);
	if (point.current_step !== null) parts.push(`step ${point.current_step}`);
	if (point.drift !== null) parts.push(`drift: ${point.drift.severity ?? "none"}, ${["added", "removed", "changed", "moved"].filter((kind) => point.drift[kind] > 0).map((kind) => `${point.drift[kind]} ${kind}`).join(", ") || "no names"}`);
	else parts.push(words(point.parity_status));
	return parts.join(" · ");
}

function drawTimeline(history, feature) {
	const points = history.points;
	if (points.length === 0) return empty("Nothing is in the log yet.", "The first scan writes the first point.");
	width = byId("chart")?.clientWidth ?? Math.max(280, byId("main").clientWidth - 60);
	const scale = scales(points);
	const found = read.feature === feature ? points.findIndex((point) => point.event_id === read.at) : -1;
	// The newest one stays the newest when another follows.
	const index = found === -1 ? points.length - 1 : found;
	const choose = (wanted) => {
		const chosen = Math.max(0, Math.min(points.length - 1, wanted));
		read = { feature, at: chosen === points.length - 1 ? null : points[chosen].event_id };
		page.paint();
	};
	return [
		legend(),
		h("div.chart", { id: "chart" }, chart(points, scale, index, choose)),
		h("p.readout", { id: "readout" }, tell(points[index])),
		history.total > points.length && h("p.quiet", `${number(points.length)} of ${number(history.total)} snapshots are drawn.`),
	];
}

function legend() {
	const item = (kind, text) => h("span", s(`svg.key.${kind}`, { viewBox: "0 0 14 10", "aria-hidden": "true" }, kind === "present" ? s("path", { d: "M0 8h5V3h9" }) : s("rect", { x: "4", y: "1", width: "6", height: "9" })), text);
	return h("p.legend", item("present", "present"), item("missing", "missing"), item("drift", "differences to the baseline"), h("span.quiet", "one step a snapshot"));
}

function scales(points) {
	const last = points.length - 1;
	const room = width - LEFT - RIGHT;
	// By change and not by time: what happens comes in bursts.
	const part = (i) => (last === 0 ? 0.5 : i / last);
	const most = Math.max(1, ...points.map((point) => point.present));
	const least = Math.min(...points.map((point) => point.present));
	return {
		x: (i) => LEFT + part(i) * room,
		bar: Math.max(2, Math.min(14, room / points.length - 1)),
		low: least > most * 0.6 ? Math.max(0, least - Math.max(1, Math.ceil((most - least) * 0.2))) : 0,
		most,
		missing: Math.max(1, ...points.map((point) => point.missing)),
		drift: Math.max(1, ...points.map(driftOf)),
	};
}

function chart(points, scale, index, choose) {
	const label = `Snapshots of the feature, from ${moment(points[0].at)} to ${moment(points.at(-1).at)}`;
	const props = {
		viewBox: `0 0 ${width} ${HEIGHT}`,
		width: String(width),
		height: String(HEIGHT),
		role: "slider",
		tabindex: "0",
		label,
		"aria-valuemin": "1",
		"aria-valuemax": String(points.length),
		"aria-valuenow": String(index + 1),
		"aria-valuetext": tell(points[index]),
		onpointermove: (event) => point(points, event, choose),
		onpointerdown: (event) => point(points, event, choose),
		onkeydown: (event) => key(points, index, event, choose),
	};
	const tops = { present: 8, missing: 8 + HIGH.present + GAP, drift: 8 + HIGH.present + HIGH.missing + GAP * 2 };
	const x = scale.x(index);
	return s(
		"svg", props,
		drawPresent(points, scale, tops.present),
		drawBars(points, scale, tops.missing, HIGH.missing, scale.missing, "missing", (row) => row.missing, () => "missing"),
		drawBars(points, scale, tops.drift, HIGH.drift, scale.drift, "drift", driftOf, (row) => `drift ${SEVERITY[row.drift?.severity] ?? "info"}`),
		s("line.cursor", { x1: x, x2: x, y1: 2, y2: HEIGHT - GAP }),
		s("circle.cursor-dot", { cx: x, cy: presentY(points[index], scale, tops.present), r: 4 }),
		drawAxis(points, scale),
	);
}

function presentY(row, { low, most }, top) {
	return top + HIGH.present * (1 - (row.present - low) / Math.max(1, most - low));
}

function scaleText(x, y, text, anchor = "end") {
	return s("text", { x, y, "text-anchor": anchor }, text);
}

function drawPresent(points, scale, top) {
	const path = points.map((row, i) => (i === 0 ? `M${scale.x(0)} ${presentY(row, scale, top)}` : `H${scale.x(i)}V${presentY(row, scale, top)}`)).join("");
	const bottom = top + HIGH.present;
	return s(
		"g.present",
		s("line.base", { x1: LEFT, x2: width - RIGHT, y1: bottom, y2: bottom }),
		s("path.area", { d: `${path}V${bottom}H${scale.x(0)}Z` }),
		s("path.stroke", { d: path }),
		points.length === 1 && s("circle.single", { cx: scale.x(0), cy: presentY(points[0], scale, top), r: 3 }),
		scaleText(LEFT - 6, top + 8, number(scale.most)),
		scaleText(LEFT - 6, bottom, number(scale.low)),
	);
}

function drawBars(points, scale, top, high, most, title, of, className) {
	const bottom = top + high;
	const inside = (x) => Math.max(LEFT, Math.min(width - RIGHT - scale.bar, x - scale.bar / 2));
	const bars = points.map((row, i) => {
		const size = of(row) === 0 ? 0 : Math.max(2, (of(row) / most) * high);
		return size > 0 && s("rect", { x: inside(scale.x(i)), y: bottom - size, width: scale.bar, height: size, class: className(row) });
	});
	return s(
		`g.${title}-bars`,
		s("line.base", { x1: LEFT, x2: width - RIGHT, y1: bottom, y2: bottom }),
		bars,
		scaleText(LEFT - 6, top + 8, number(most)),
		scaleText(LEFT - 6, bottom, title),
	);
}

function drawAxis(points, scale) {
	const y = HEIGHT - 6;
	const short = (text) => new Date(text).toLocaleString(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
	if (points.length === 1) return scaleText(scale.x(0), y, short(points[0].at), "middle");
	return s("g", scaleText(LEFT, y, short(points[0].at), "start"), scaleText(width - RIGHT, y, short(points.at(-1).at), "end"));
}

function point(points, event, choose) {
	const box = event.currentTarget.getBoundingClientRect();
	const x = ((event.clientX - box.left) / box.width) * width;
	choose(Math.round(((x - LEFT) / (width - LEFT - RIGHT)) * (points.length - 1)));
}

function key(points, index, event, choose) {
	const last = points.length - 1;
	const moves = { ArrowLeft: index - 1, ArrowDown: index - 1, ArrowRight: index + 1, ArrowUp: index + 1, PageUp: index + 10, PageDown: index - 10, Home: 0, End: last };
	if (moves[event.key] === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
	event.preventDefault();
	choose(moves[event.key]);
}
