// Keys that work everywhere on the page, and the help that lists them. Single keys can be
// switched off, since speech input and some screen readers send them by themselves.

import { byId, h } from "./dom.js";
import { isOpen, tell } from "./dialog.js";
import { go, href, read } from "./route.js";

const OFF = "dossierd-keys-off";
const HELP = [
	["/", "search or filter"],
	["j, k", "next, previous row"],
	["Enter", "open the row"],
	["s, S", "sort by the next column, turn the order"],
	["Esc", "close the artifact, or leave the search"],
	["1 … 4", "overview, artifacts, drift, history of a feature"],
	["g", "all features"],
	["h", "health"],
	["t", "switch the colours"],
	["?", "this list"],
];
const TABS = ["overview", "artifacts", "drift", "history"];

let own = {};

// What a view does itself with a key: a function that says whether it did something.
export function setKeys(keys) {
	own = keys ?? {};
}

function areOff() {
	try {
		return localStorage.getItem(OFF) === "1";
	} catch {
		return false;
	}
}

function switchKeys(off) {
	try {
		if (off) localStorage.setItem(OFF, "1");
		else localStorage.removeItem(OFF);
	} catch {
		// Storage is forbidden here: they stay on.
	}
}

export function help() {
	const rows = HELP.map(([key, text]) => h("div", h("dt", h("kbd", key)), h("dd", text)));
	const box = h("input", {
		type: "checkbox",
		id: "keys-on",
		checked: !areOff(),
		onchange: (event) => switchKeys(!event.currentTarget.checked),
	});
	return tell("Keys", [h("dl.keys", rows), h("p", h("label", { for: "keys-on" }, box, " Single keys are on"))]);
}

// Moves the focus along what a view marks as a stop.
function step(by) {
	const stops = [...byId("main").querySelectorAll("[data-stop]")];
	if (stops.length === 0) return false;
	const at = stops.indexOf(document.activeElement);
	const next = at === -1 ? (by > 0 ? 0 : stops.length - 1) : at + by;
	stops[Math.max(0, Math.min(stops.length - 1, next))].focus();
	return true;
}

const everywhere = {
	j: () => step(1),
	k: () => step(-1),
	"/": () => {
		const field = document.querySelector("main [type=search]") ?? document.querySelector("#side [type=search]");
		field?.focus();
		field?.select();
		return field !== null;
	},
	"?": () => (help(), true),
	g: () => (go(href({})), true),
	h: () => (go(href({ view: "health" })), true),
	t: () => (byId("theme").click(), true),
	Escape: () => {
		const field = document.activeElement;
		if (field?.type !== "search") return false;
		field.blur();
		byId("main").focus({ preventScroll: true });
		return true;
	},
};

function tab(key) {
	const name = TABS[Number(key) - 1];
	const { feature } = read();
	if (name === undefined || feature === undefined) return false;
	go(href({ feature, tab: name === "overview" ? "" : name }));
	return true;
}

export function listen() {
	addEventListener("keydown", (event) => {
		if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isOpen()) return;
		const typing = event.target.matches?.("input:not([type=checkbox]), textarea, select");
		if (typing && event.key !== "Escape") return;
		if (event.key.length === 1 && areOff()) return;
		const act = own[event.key] ?? everywhere[event.key] ?? (() => tab(event.key));
		if (act(event) || (own[event.key] !== undefined && everywhere[event.key]?.(event))) event.preventDefault();
	});
	byId("help").addEventListener("click", help);
}
