// The difference between a file and the version that was committed, as one column or as
// two beside each other.

import { ApiError, get } from "./api.js";
import { chip, code, empty, h, textNode } from "./dom.js";
import { read, replace } from "./route.js";
import { mark } from "./state.js";

export async function loadDiff(query, key) {
	try {
		return await get(`/api/dossier/diff?${query}&artifact=${encodeURIComponent(key)}`);
	} catch (error) {
		if (error instanceof ApiError && error.status !== 401) return { status: "failed", reason: error.message };
		throw error;
	}
}

export function drawDiff(diff) {
	if (diff === null) return h("p.quiet", "Loading…");
	if (diff.status === "failed") return empty("The difference cannot be shown.", diff.reason);
	if (diff.status === "unavailable") return empty("There is nothing to compare with.", diff.reason ?? "The feature is in no git checkout, or the file is no text.");
	const against = diff.against !== null && h("p.quiet", "Against commit ", code(diff.against.commit.slice(0, 12)), diff.against.branch !== null && [" of ", code(diff.against.branch)], ".");
	if (diff.status === "same") return [h("p", mark("good", "The same as the committed version.")), against];
	if (diff.status === "added") return [h("p", mark("info", "New: the commit does not have this file.")), against];
	return [against, drawHunks(diff)];
}

function drawHunks(diff) {
	const beside = read().diff === "side";
	const choose = (value) => () => replace({ diff: value });
	const hunks = () => h("div", diff.hunks.map((hunk, i) =>
		h("section", { key: i }, h("p.hunk", `Lines ${span(hunk.old_start, hunk.old_lines)} → ${span(hunk.new_start, hunk.new_lines)}`), beside ? sideBySide(hunk) : unified(hunk)),
	));
	return [
		h("div.modes", { role: "group", label: "Layout" }, chip("Unified", !beside, choose("")), chip("Side by side", beside, choose("side"))),
		// It is made anew only for another answer or another layout.
		h("div.diff", { key: String(beside), own: diff, role: "region", label: "Difference", tabindex: "0" }, hunks),
		diff.truncated && h("p.notice", "The difference is longer; only its first part is shown."),
	];
}

const span = (start, count) => (count <= 1 ? String(start) : `${start}–${start + count - 1}`);

const SIGNS = { context: " ", delete: "−", insert: "+" };
const NAMES = { context: "", delete: "removed: ", insert: "added: " };

function cell(op, n, text) {
	if (text === null) return h("div.d-line.d-none", h("span.d-n"), h("span.d-sign"), h("span.d-text"));
	const said = NAMES[op] !== "" && h("span.unseen", NAMES[op]);
	return h(`div.d-line.d-${op}`, h("span.d-n", String(n)), h("span.d-sign", { "aria-hidden": "true" }, SIGNS[op]), h("span.d-text", said, said === false ? textNode(text) : withEnd(text)));
}

// Where only the end of a line differs, it is seen.
function withEnd(text) {
	const seen = text.trimEnd();
	const end = [...text.slice(seen.length)].map((c) => ({ " ": "·", "\t": "→", "\r": "␍" })[c] ?? c).join("");
	return [textNode(seen), end !== "" && h("span.quiet", { title: "blanks at the end" }, end)];
}

function unified(hunk) {
	let [old, now] = [hunk.old_start, hunk.new_start];
	return h("div.d-one", hunk.lines.map(({ op, text }) => {
		const n = op === "delete" ? old : now;
		if (op !== "insert") old += 1;
		if (op !== "delete") now += 1;
		return cell(op, n, text);
	}));
}

// Removed lines stand beside the added ones that follow them.
function sideBySide(hunk) {
	let [old, now] = [hunk.old_start, hunk.new_start];
	const rows = [];
	let removed = [];
	let added = [];
	const flush = () => {
		for (let i = 0; i < Math.max(removed.length, added.length); i += 1) {
			rows.push(removed[i] ?? cell("delete", 0, null), added[i] ?? cell("insert", 0, null));
		}
		removed = [];
		added = [];
	};
	for (const { op, text } of hunk.lines) {
		if (op === "delete") removed.push(cell(op, old++, text));
		else if (op === "insert") added.push(cell(op, now++, text));
		else {
			flush();
			rows.push(cell(op, old++, text), cell(op, now++, text));
		}
	}
	flush();
	return h("div.d-two", rows);
}
