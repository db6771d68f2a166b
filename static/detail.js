// One artifact: what is known of it, which rule classed it, and its text, rendered,
// highlighted, raw, or as the difference to the committed version.

import { ApiError, get } from "./api.js";
import { chip, code, copyButton, empty, facts, h, hash, name } from "./dom.js";
import { drawDiff, loadDiff } from "./diff.js";
import { drawTree } from "./document.js";
import { replace } from "./route.js";
import { bytes, mark, presence, whenExactly, words } from "./state.js";
import { drawRaw, highlight, isHighlighted } from "./syntax.js";

let page = null;
let last = { about: "" };

export function connect(given) {
	page = given;
}

// The text is read from disk by the daemon, so it is asked for only if the row or the
// dossier moved on.
export async function load(query, key, row, overview, params, daemon) {
	const about = `${query} ${key} ${daemon} ${overview.snapshot_id} ${overview.generation} ${row?.content_hash_sha256 ?? ""}`;
	if (last.about !== about || last.value.artifact?.stale === true || last.value.passing) {
		last = { about, value: await fetchText(query, key) };
	}
	const diff = params.mode === "diff" ? await loadDiff(query, key) : null;
	return { ...last.value, key, row, diff };
}

async function fetchText(query, key) {
	try {
		return { artifact: await get(`/api/dossier/artifacts/${encodeURIComponent(key)}?${query}&render=tree`) };
	} catch (error) {
		if (error instanceof ApiError && error.status !== 401) return { artifact: null, problem: error.problem, passing: error.status >= 500 };
		throw error;
	}
}

function modesOf(data) {
	const { artifact } = data;
	if (artifact === null) return [];
	const modes = [];
	if (artifact.document) modes.push(["tree", "Rendered"]);
	if (artifact.content !== null && isHighlighted(artifact.media_type_hint)) modes.push(["colour", "Highlighted"]);
	if (artifact.content !== null) modes.push(["raw", "Raw"], ["diff", "Difference"]);
	return modes;
}

function modeOf(data, params) {
	const modes = modesOf(data);
	return modes.some(([key]) => key === params.mode) ? params.mode : (modes[0]?.[0] ?? "raw");
}

export function draw(data, params, context) {
	const row = data.row ?? data.artifact;
	const shut = h("button.small", { onclick: context.close, title: "Close (Esc)" }, "Close");
	const path = row?.relative_path ?? data.key;
	const head = h("header.detail-head", { key: "head" }, h("h2", { tabindex: "-1" }, name(path)), copyButton(path, "path"), shut);
	if (row === undefined || row === null) {
		return [head, empty("There is no such artifact any more.", data.problem?.detail ?? "", " Close it to see what there is.")];
	}
	const mode = modeOf(data, params);
	return [
		head,
		drawFacts(row, data.artifact),
		drawNotices(row, data, context),
		modesOf(data).length > 0 && drawModes(data, mode),
		drawText(data, mode, context),
	];
}

function drawFacts(row, artifact) {
	const [kind, text] = presence(row);
	const from = row.provenance;
	const source = from && [words(from.source_kind), from.git_ref !== null && [", ", name(from.git_ref)], from.git_sha !== null && [" at ", code(from.git_sha.slice(0, 12))]];
	return h("div", { key: "facts" }, facts([
		["State", mark(kind, text, row.error_detail && `: ${row.error_detail}`)],
		["Class", h("span", name(row.artifact_class), h("span.quiet", " by "), code(row.classified_by))],
		["Asked for", h("span", row.required_status, row.step_id !== null && [", step ", name(row.step_id)], row.wp_id !== null && [", ", name(row.wp_id)])],
		["Size", (row.is_present || row.size_bytes > 0) && bytes(row.size_bytes)],
		["SHA-256", hash(row.content_hash_sha256, "SHA-256")],
		["Bytes' SHA-256", hash(row.raw_hash_sha256, "SHA-256 of the bytes")],
		["On disk now", artifact?.stale === true && hash(artifact.current_hash_sha256, "SHA-256 of the file as it is now")],
		["Key", hash(row.artifact_key, "key")],
		["From", source],
		["Indexed", row.indexed_at && whenExactly(row.indexed_at)],
	]));
}

function whatToDo(row, overview) {
	const asked = overview.missing.find((missing) => missing.artifact_key === row.artifact_key);
	if (asked !== undefined) return asked.remediation_hint;
	if (row.error_reason === "invalid_format") return "Save it as UTF-8; until then it is not part of the parity hash.";
	if (row.error_reason === "unreadable") return "Make it a regular file within the feature that the daemon may read.";
	return "It appears here as soon as it is written.";
}

function drawNotices(row, { artifact, problem }, { overview }) {
	const notes = [];
	if (!row.is_present) notes.push([h("strong", `There is no text: ${words(row.error_reason ?? "absent")}`), row.error_detail && ` (${row.error_detail})`, ". ", whatToDo(row, overview)]);
	else if (problem !== undefined) notes.push([h("strong", "The text cannot be shown. "), problem.detail]);
	if (artifact?.stale === true) notes.push([h("strong", "Stale. "), "The file has moved on since it was indexed; what is shown is the file as it is now."]);
	if (artifact?.content_truncated === true) notes.push([h("strong", "Too large to show. "), artifact.truncation_notice ?? ""]);
	if (artifact?.content_error) notes.push(artifact.content_error);
	if (artifact?.document?.truncated === true) notes.push("Only the first part is rendered; Raw shows all of it.");
	return h("div", { key: "notices" }, notes.map((note) => h("p.notice", note)));
}

function drawModes(data, mode) {
	const choose = (key) => () => {
		replace({ mode: key });
		page.refresh();
	};
	const buttons = modesOf(data).map(([key, text]) => chip(text, key === mode, choose(key), key));
	const text = data.artifact.content;
	return h("div.modes", { key: "modes", role: "group", label: "Show as" }, buttons, text !== null && copyButton(text, "text"));
}

function drawText(data, mode, context) {
	const { artifact } = data;
	if (mode === "diff") return h("div", { key: "diff" }, drawDiff(data.diff));
	if (artifact === null || artifact.content === null) return null;
	// It stays as it is until the text or the way to show it changes.
	const own = `${data.key} ${mode} ${artifact.current_hash_sha256 ?? artifact.content_hash_sha256}`;
	const draw = () => {
		if (mode === "tree") return drawTree(artifact.document, context.overview.feature_id);
		return mode === "colour" ? highlight(artifact.content, artifact.media_type_hint) : drawRaw(artifact.content);
	};
	return h("div.text", { key: "text", own, role: "region", label: "Text", tabindex: "0" }, draw);
}

let opened;

export function after(data) {
	const key = data?.key;
	if (key === opened) return;
	opened = key;
	const aside = document.getElementById("detail");
	if (aside !== null) aside.scrollTop = 0;
}
