// What the address says: view, feature, tab, filters, open artifact. A link to a view is
// the view, also in another tab and after a reload.

const ORDER = ["view", "show", "feature", "tab", "artifact", "path", "mode"];
let known = { text: null };

export function read() {
	const text = location.hash.slice(1);
	if (known.text !== text) known = { text, parts: Object.freeze(Object.fromEntries(new URLSearchParams(text))) };
	return known.parts;
}

export function href(parts) {
	const params = new URLSearchParams();
	const names = [...ORDER, ...Object.keys(parts).filter((part) => !ORDER.includes(part)).sort()];
	for (const part of names) {
		const value = parts[part];
		if (value !== undefined && value !== null && value !== "") params.set(part, value);
	}
	return `#${params}`;
}

export function change(parts) {
	return href({ ...read(), ...parts });
}

let changed = () => {};

export function onChange(callback) {
	changed = callback;
	addEventListener("hashchange", () => callback(true));
}

// Goes on without an entry in the history: for filters and what moves with each key.
export function replace(parts) {
	history.replaceState(null, "", change(parts));
	changed(false);
}

export function go(hash) {
	location.hash = hash;
}
