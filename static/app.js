// The page: loads what the address names, draws it, and follows the daemon live.
//
// A view says what it needs (`load`) and how it looks (`draw`); a new drawing is laid
// over the old one, so nothing that is read or typed at the moment is disturbed.

import { ApiError, Away, forget, get, hasToken, logIn, news } from "./api.js";
import { announce, byId, empty, h, show } from "./dom.js";
import * as feature from "./feature.js";
import * as features from "./features.js";
import * as health from "./health.js";
import { listen, setKeys } from "./keys.js";
import { follow, tryNow } from "./live.js";
import * as route from "./route.js";
import { icon, needsAttention, place as placeOf, tellAges, words } from "./state.js";

const SETTLE_MS = 40;
const POLL_MS = 5000; // how it is watched changes without an event

const views = { features, feature, health };

let turn = 0; // grows with each load; what an older one fetched is dropped
let drawn = null; // the view that is shown, with its data
let listing = null;
let told = 0; // how many answers were new when it was drawn
let pending = null;
let retry = 0;
let loading = false;
let again = false; // something changed while it was loading
let connection = "starting"; // or live, away, failing, refused
let fault = "";
let lastHeard = null;
let place = ""; // the view, feature and tab that the focus was brought to last

function viewOf(params) {
	if (params.feature !== undefined) return "feature";
	return params.view === "health" ? "health" : "features";
}

// --- loading and drawing

async function refresh(arrived = false) {
	turn += 1;
	const mine = turn;
	const params = route.read();
	const name = viewOf(params);
	loading = true;
	try {
		const fresh = await get("/api/features");
		if (mine !== turn) return;
		tellChanges(listing, fresh);
		listing = fresh;
		const data = await views[name].load(params, fresh);
		if (mine !== turn) return;
		lastHeard = new Date();
		if (connection !== "starting" && connection !== "live") setConnection("live");
		// Where no answer is a new one, only the ages are.
		const same = !arrived && told === news() && drawn?.name === name && drawn.params === params;
		if (same) return tellAges();
		told = news();
		drawn = { name, params, data };
		paint(arrived);
	} catch (error) {
		if (mine === turn) failed(error, name, params, arrived);
	} finally {
		if (mine === turn) {
			loading = false;
			if (again) soon();
		}
	}
}

function failed(error, name, params, arrived) {
	if (error instanceof Away) {
		setConnection("away");
		if (drawn === null) waitForDaemon();
		return;
	}
	if (!(error instanceof ApiError)) throw error;
	if (error.status === 401) {
		refused();
		return;
	}
	if (error.status >= 500 && !arrived && drawn?.name === name) {
		fault = error.message;
		setConnection("failing");
		return;
	}
	if (connection === "failing") setConnection("live");
	drawn = { name: "problem", params, data: error };
	paint(arrived);
}

function paint(arrived = false) {
	if (drawn === null) return;
	const view = views[drawn.name];
	const params = route.read();
	const main = byId("main");
	const content = view === undefined ? problem(drawn.data) : view.draw(drawn.data, params, listing);
	main.dataset.view = drawn.name;
	show(main, content);
	view?.after?.(drawn.data, params);
	setKeys(view?.keys?.(drawn.data, params));
	drawSide(params);
	drawTop();
	const title = view === undefined ? "Problem" : view.title(drawn.data, listing);
	if (document.title !== title) document.title = title;
	const here = `${drawn.name} ${params.feature} ${params.tab}`;
	const moved = here !== place;
	place = here;
	if (arrived && moved) {
		scrollTo(0, 0);
		main.scrollTop = 0;
		main.querySelector("h1")?.focus({ preventScroll: true });
		byId("side").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
	}
}

function problem(error) {
	const all = h("a", { href: route.href({}) }, "All features");
	const unknown = error.code === "feature-unknown";
	const help = unknown ? [all, " shows what is registered; ", h("code", "dossierd add PATH"), " registers more."] : [all];
	const meant = error.problem.candidates?.map(({ id }) => listing.features.find((row) => row.id === id)).filter(Boolean) ?? [];
	const choices = meant.map((row) => h("p", h("a", { href: route.change({ feature: row.id }), "data-stop": "" }, `${row.slug}, ${placeOf(row, listing)}`)));
	const what = unknown ? "It was removed, or it was never registered." : meant.length > 0 ? "Which one is meant?" : error.message;
	return [h("h1", { tabindex: "-1" }, error.problem.title || "That did not work"), empty(what, choices, help)];
}

function drawSide(params) {
	const side = byId("side");
	const wanted = drawn.name === "feature";
	side.hidden = !wanted;
	byId("frame").classList.toggle("with-side", wanted);
	show(side, wanted ? features.drawSide(listing, params) : []);
}

function drawTop() {
	const due = listing?.features.filter(needsAttention).length ?? 0;
	const unwell = listing !== null && health.unwell(listing);
	const link = (name, text, target, note) =>
		h("a", { href: target, "aria-current": drawn.name === name ? "page" : null }, text, note);
	const count = due > 0 && h("span.count", { title: `${due} need attention` }, String(due), h("span.unseen", " need attention"));
	const sick = unwell && [icon("warn"), h("span.unseen", "degraded")];
	show(byId("views"), link("features", "Features", route.href({}), count), link("health", "Health", route.href({ view: "health" }), sick));
}

function soon() {
	again = loading;
	if (loading || pending !== null) return;
	pending = setTimeout(() => {
		pending = null;
		if (loading) again = true;
		else refresh();
	}, SETTLE_MS);
}

// Says what became of a feature to those who do not see the colours.
function tellChanges(before, after) {
	if (before === null || before === after) return;
	const old = new Map(before.features.map((row) => [row.id, row]));
	const said = [];
	for (const row of after.features) {
		const was = old.get(row.id);
		if (was === undefined) said.push(`${row.slug} is new`);
		else if (was.completeness_status !== row.completeness_status) said.push(`${row.slug} is ${row.completeness_status}`);
		else if (was.parity_status !== row.parity_status) said.push(`${row.slug}: ${words(row.parity_status)}`);
	}
	if (said.length > 3) announce(`${said.length} features changed`);
	else if (said.length > 0) announce(said.join(". "));
}

// --- the connection

function setConnection(state) {
	if (state === "live" && connection === "away") announce("The daemon is back.");
	connection = state;
	const text = { starting: "", live: "Live", away: "Away", failing: "Failing", refused: "Logged out" }[state];
	const kind = { starting: "quiet", live: "good", away: "bad", failing: "bad", refused: "warn" }[state];
	show(byId("connection"), text === "" ? [] : [icon(kind), h("span", text)]);
	drawBanner();
}

function drawBanner() {
	const banner = byId("banner");
	if (drawn === null || connection === "starting" || connection === "live") {
		banner.hidden = true;
		banner.replaceChildren();
		return;
	}
	const from = lastHeard === null ? "" : ` What is shown is from ${lastHeard.toLocaleTimeString()}.`;
	const why = connection === "failing" ? [h("strong", "The daemon could not do it:"), ` ${fault}.${from} It is tried again by itself.`]
		: [h("strong", "The daemon does not answer."), `${from} It is tried again by itself; `, h("code", "dossierd run"), " starts it."];
	const away = [h("p", why), h("button", { onclick: () => { tryNow(); refresh(); } }, "Try now")];
	const ended = [h("p", h("strong", "This login has ended"), `, since it was not used for long or the daemon has lost it.${from}`), codeForm()];
	show(banner, connection === "refused" ? ended : away);
	banner.hidden = false;
}

function refused() {
	forget();
	setConnection("refused");
	if (drawn === null) drawLogin();
}

function waitForDaemon() {
	const now = h("button", { onclick: () => refresh() }, "Try now");
	show(byId("main"), h("section.login", h("h1", "The daemon does not answer"), h("p", "Start it with ", h("code", "dossierd run"), ". This page tries again by itself."), now));
	clearTimeout(retry);
	retry = setTimeout(() => drawn === null && refresh(), 2000);
}

// --- login

function codeForm() {
	const submit = async (event) => {
		event.preventDefault();
		const field = event.currentTarget.elements.code;
		const code = /(?:#code=)?([A-Za-z0-9_-]+)\s*$/.exec(field.value)?.[1];
		if (code === undefined) {
			announce("That is no code.");
			return;
		}
		const refusal = await enter(code);
		const place = byId("refusal");
		if (place !== null) place.textContent = refusal;
		field.value = "";
	};
	return h(
		"form.code",
		{ key: "code", onsubmit: submit },
		h("label", { for: "code" }, "Address or code of ", h("code", "dossierd open --print-url")),
		h("div.row", h("input", { id: "code", name: "code", autocomplete: "off", spellcheck: "false", required: true }), h("button.primary", { type: "submit" }, "Log in")),
		h("p.refusal", { id: "refusal", role: "alert" }),
	);
}

function drawLogin() {
	document.title = "Log in – dossierd";
	show(
		byId("main"),
		h("section.login", h("h1", { tabindex: "-1" }, "Not logged in"),
			h("p", "Run ", h("code", "dossierd open"), " in a terminal. It opens this page with a code that works once, for a minute. The login lasts as long as this tab."),
			codeForm()),
	);
}

async function enter(code) {
	try {
		await logIn(code);
	} catch (error) {
		return error instanceof ApiError ? error.message : "The daemon does not answer; start it and run dossierd open again.";
	}
	setConnection("starting");
	await refresh();
	stayLive();
	return "";
}

// The one-time code is taken out of the address and the history first.
function codeInAddress() {
	const match = /^#code=([A-Za-z0-9_-]+)$/.exec(location.hash);
	if (match === null) return null;
	history.replaceState(null, "", "/");
	return match[1];
}

// --- start

function stayLive() {
	follow({
		// What happened before the stream began is not in it.
		opened: () => { setConnection("live"); soon(); },
		event: (value) => { feature.heard(value); soon(); },
		away: () => soon(),
		refused,
	});
}

async function start() {
	listen();
	route.onChange((arrived) => {
		const code = codeInAddress();
		if (code !== null) enter(code);
		else if (arrived) refresh(true);
		else paint();
	});
	for (const view of Object.values(views)) view.connect?.({ paint, refresh: soon });
	byId("skip").addEventListener("click", (event) => { event.preventDefault(); byId("main").focus(); });
	const code = codeInAddress();
	if (code !== null) {
		const refusal = await enter(code);
		if (refusal !== "") {
			drawLogin();
			byId("refusal").textContent = refusal;
		}
	} else {
		await refresh();
		if (connection !== "refused") stayLive();
	}
	setInterval(() => {
		if (!document.hidden && !loading && (hasToken() || connection === "live")) refresh();
	}, POLL_MS);
	document.addEventListener("visibilitychange", () => !document.hidden && drawn !== null && soon());
}

start();
