// The artifacts of the feature that is shown, all of them, and kept up to date.
//
// They are fetched whole, so that filters, counts and sorting need no request. In a large
// dossier an edit fetches only the rows that the events name; if their number does not
// agree with the daemon's then, or events may be missing, everything is fetched again.

import { getOnce } from "./api.js";

const LARGE = 2000; // rows from which single ones are fetched
const MANY = 20; // named rows from which it is better to fetch all
const ASSURE_MS = 10000;

let list = null; // { id, slug, daemon, snapshot, generation, rows, changed, removed, unsure, patched }
let running = null;
let assure = 0;

const diagnostics = (event) => event.payload?.context_diagnostics ?? {};

// Notes what an event of the stream names.
export function heard(event, refresh) {
	if (list === null || event.aggregate_id !== list.slug) return;
	const { artifact_key: key, removed_paths: removed, scan_kind: kind } = diagnostics(event);
	if (key !== undefined) list.changed.add(key);
	if (kind === "full") list.unsure = true;
	if (removed !== undefined) for (const path of JSON.parse(removed)) list.removed.push(path);
	if (list.rows.length < LARGE) return;
	clearTimeout(assure);
	assure = setTimeout(() => {
		if (list !== null && list.patched) {
			list.unsure = true;
			refresh();
		}
	}, ASSURE_MS);
}

function prepared(row) {
	row.text = `${row.relative_path}\n${row.artifact_key}`.toLowerCase();
	return row;
}

async function fetchAll(query) {
	const rows = [];
	let generation = null;
	let cursor = "";
	do {
		const page = await getOnce(`/api/dossier/artifacts?${query}${cursor}`);
		for (const row of page.artifacts) rows.push(prepared(row));
		// Of a dossier that changed meanwhile: it will be asked for again.
		generation = generation === null || generation === page.generation ? page.generation : -1;
		cursor = page.next_cursor === null ? "" : `&cursor=${encodeURIComponent(page.next_cursor)}`;
	} while (cursor !== "");
	return { rows, generation };
}

// Events name paths from the project's root on; rows name them from the feature's.
function takeAway(byPath, path) {
	const parts = path.split("/");
	for (let i = 0; i < parts.length; i += 1) {
		const tail = parts.slice(i).join("/");
		if (byPath.delete(tail)) return;
	}
}

async function fetchNamed(query, known, keys, removed) {
	const byPath = new Map(known.rows.map((row) => [row.relative_path, row]));
	for (const path of removed) takeAway(byPath, path);
	const byKey = new Map([...byPath.values()].map((row) => [row.artifact_key, row]));
	let total = null;
	let generation = known.generation;
	for (const key of keys) {
		const page = await getOnce(`/api/dossier/artifacts?${query}&q=${encodeURIComponent(key)}`);
		const row = page.artifacts.find((candidate) => candidate.artifact_key === key);
		if (row === undefined) byKey.delete(key);
		else byKey.set(key, prepared(row));
		({ total_count: total, generation } = page);
	}
	return byKey.size === total ? { rows: [...byKey.values()], generation } : null;
}

// Generations begin anew with each daemon.
async function update(query, overview, daemon) {
	const { feature_id: id, feature_slug: slug, snapshot_id: snapshot } = overview;
	const known = list?.id === id && list.daemon === daemon ? list : null;
	if (known !== null && known.generation === overview.generation && known.snapshot === snapshot && !known.unsure) return;
	const next = { id, slug, daemon, snapshot, changed: new Set(), removed: [], unsure: false, patched: false };
	let found = null;
	if (known !== null) {
		const { changed, removed } = known;
		const few = changed.size > 0 && changed.size + removed.length <= MANY;
		known.changed = next.changed;
		known.removed = next.removed;
		if (known.rows.length >= LARGE && few && !known.unsure) {
			found = await fetchNamed(query, known, changed, removed);
			next.patched = found !== null;
		}
	}
	found ??= await fetchAll(query);
	list = { ...next, ...found };
}

// The rows of the feature; the same array as long as nothing changed.
export async function rowsOf(query, overview, daemon) {
	while (running !== null) await running.catch(() => {});
	running = update(query, overview, daemon);
	try {
		await running;
	} finally {
		running = null;
	}
	return list.rows;
}
