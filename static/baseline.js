// Accepting and forgetting: by a deliberate act only, after the page has shown what it will do.

import { ApiError, get, send } from "./api.js";
import { announce, code, facts, h, name } from "./dom.js";
import { ask, tell } from "./dialog.js";
import { bytes, mark, moment, plural } from "./state.js";

const SHOWN = 200;
const MOST_BYTES = 56 * 1024; // of paths: a request may have 64 KiB, with its note

function pathList(title, kind, paths) {
	if (paths.length === 0) return null;
	const rest = paths.length - SHOWN;
	const items = paths.slice(0, SHOWN).map((path) => h("li", Array.isArray(path) ? [code(path[0]), " to ", code(path[1])] : code(path)));
	return h("section", h("h3", mark(kind, title, ` (${paths.length})`)), h("ul.paths", items), rest > 0 && h("p.quiet", `and ${rest} more`));
}

// The part of the drift that is about these paths; everything for null.
function part(drift, paths) {
	const named = new Set(paths);
	const wanted = (path) => paths === null || named.has(path);
	return {
		added: drift.added.filter(wanted),
		removed: drift.removed.filter(wanted),
		changed: drift.changed.filter(wanted),
		moved: drift.moved.filter((move) => wanted(move.from) || wanted(move.to)),
	};
}

function whatChanges(drift, paths) {
	const first = drift.parity_status === "no_baseline" || drift.parity_status === "baseline_rejected";
	if (paths === null && (first || !drift.names_known)) {
		const why = drift.parity_status === "baseline_rejected" ? "The one of the other context is kept beside it." : "";
		return [h("p", "All artifacts as they are now become the baseline. ", why), facts([["Parity hash", code(drift.actual_hash)], ["Tree hash", code(drift.actual_tree_hash)]])];
	}
	const { added, removed, changed, moved } = part(drift, paths);
	const lists = [
		pathList("Changed", "warn", changed),
		pathList("Removed", "bad", removed),
		pathList("Added", "info", added),
		pathList("Moved", "moved", moved.map((move) => [move.from, move.to])),
	];
	if (lists.every((list) => list === null)) return [h("p", "Nothing differs from the baseline. Capturing again renews its time and note.")];
	const rest = paths === null ? "" : " Everything else stays as it was accepted before.";
	return [h("p", `This will be accepted as the new baseline.${rest}`), h("div.scroll-list", { tabindex: "0", role: "region", label: "What will be accepted" }, lists)];
}

// Captures everything, or what these paths name: what was shown and nothing else. `done` is
// called after it.
export async function askToCapture(query, paths, done) {
	const size = new Blob([JSON.stringify(paths)]).size;
	if (size > MOST_BYTES) {
		await tell("Too many paths at once", [h("p", `The names of ${plural(paths.length, "path")} are ${bytes(size)}; at most ${bytes(MOST_BYTES)} can be accepted at once. Choose fewer, or all.`)]);
		return;
	}
	const title = paths === null ? "Capture baseline" : `Accept ${plural(paths.length, "path")}`;
	let text = "";
	let shown = "";
	let refusal = null;
	try {
		for (;;) {
			const drift = await get(`/api/dossier/drift?${query}`);
			if (refusal !== null && drift.actual_tree_hash === shown) throw refusal;
			const changed = refusal !== null && h("p.notice", { role: "alert" }, "The feature changed meanwhile, so nothing was accepted. This is how it is now.");
			shown = drift.actual_tree_hash;
			const note = [h("label", { for: "note" }, "Note (optional)"), h("input", { id: "note", name: "note", maxlength: "1000", autocomplete: "off", value: text })];
			const answer = await ask(title, [changed, whatChanges(drift, paths), h("div.field", note)], paths === null ? "Capture baseline" : "Accept");
			if (answer === null) return;
			text = answer.get("note").trim();
			const body = { expected_tree_hash: shown, note: text === "" ? undefined : text, paths: paths ?? undefined };
			try {
				await send("POST", `/api/dossier/baseline?${query}`, body);
				announce(paths === null ? "The baseline was captured." : "Accepted.");
				break;
			} catch (error) {
				if (error.code !== "conflict") throw error;
				refusal = error;
			}
		}
	} catch (error) {
		await failed(error);
	}
	done();
}

export async function askToClear(query, baseline, done) {
	const content = [
		h("p", "The baseline is forgotten. Nothing in the project changes, and drift is not told until another is captured."),
		facts([["Captured", moment(baseline.captured_at)], ["By", name(baseline.captured_by)], ["Note", baseline.note && name(baseline.note)], ["Parity hash", code(baseline.parity_hash_sha256)]]),
	];
	if ((await ask("Clear baseline", content, "Clear baseline", true)) === null) return;
	try {
		await send("DELETE", `/api/dossier/baseline?${query}`);
		announce("The baseline was cleared.");
	} catch (error) {
		await failed(error);
	}
	done();
}

function failed(error) {
	return tell("That did not work", [h("p", error.message), error instanceof ApiError && h("p.quiet", error.problem.title)]);
}
