// Elements, and how a new drawing is laid over the one that is shown.
//
// What is shown is hostile text: it goes into text nodes and into attributes that only
// name things, never into markup. Handlers are properties of elements, not attributes.

// Characters that would act on the text around them are shown by their number.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;
// In running text, breaks and joiners have their use.
const UNSEEN_IN_TEXT = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\ufff9-\ufffb]/g;
const NAMING = new Set(["title", "label", "aria-valuetext", "aria-description", "placeholder", "alt"]);

const number = (c) => `\\u{${c.codePointAt(0).toString(16)}}`;

export function visible(text) {
	return String(text).replace(UNSEEN, number);
}

export function visibleText(text) {
	return text.replace(UNSEEN_IN_TEXT, number);
}

export function textNode(text) {
	return document.createTextNode(visibleText(text));
}

// Elements whose children are made only if they come to be shown.
let late = [];

const absent = (value) => value === null || value === undefined || value === false;

function fill(element, props, children) {
	for (const [name, value] of Object.entries(props)) {
		if (absent(value) && name !== "checked") continue;
		if (name === "key" || name === "own") element[`_${name}`] = value;
		else if (name.startsWith("on")) {
			element._on = { ...element._on, [name]: value };
			element[name] = value;
		} else if (name === "value" || name === "checked") element[`_${name}`] = value;
		else if (value === true) element.setAttribute(name, "");
		else element.setAttribute(name === "label" ? "aria-label" : name, NAMING.has(name) ? visible(value) : value);
	}
	for (const child of children.flat(Infinity)) {
		if (absent(child)) continue;
		if (typeof child === "function") late.push([element, child]);
		else element.append(child instanceof Node ? child : visible(child));
	}
	if (element._value !== undefined) element.value = element._value;
	if (element._checked !== undefined) element.checked = element._checked;
	return element;
}

function isProps(value) {
	return value !== null && typeof value === "object" && !(value instanceof Node) && !Array.isArray(value);
}

// h("td.number", { title: "…" }, child, …): classes follow the name, properties may be left out.
// `key` says which element of the last drawing it is; one whose `own` stays the same looks after
// its children. A function as a child is called only for a new element.
const builder = (create) => (name, ...rest) => {
	const [tag, ...classes] = name.split(".");
	const element = create(tag);
	if (classes.length > 0) element.setAttribute("class", classes.join(" "));
	if (tag === "button") element.type = "button";
	const props = isProps(rest[0]) ? rest.shift() : {};
	return fill(element, props, rest);
};

export const h = builder((tag) => document.createElement(tag));
export const s = builder((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));

export const name = (text, title) => h("bdi", { title }, text);
export const code = (text) => h("code", h("bdi", text));

// --- laying over

function same(a, b) {
	return a.nodeType === b.nodeType && a.nodeName === b.nodeName && a._own === b._own;
}

function layElement(old, next) {
	if (old._own !== undefined) return;
	for (const { name: attribute } of [...old.attributes]) {
		// Whether it is open is the reader's.
		if (!next.hasAttribute(attribute) && !(attribute === "open" && old.nodeName === "DETAILS")) {
			old.removeAttribute(attribute);
		}
	}
	for (const { name: attribute, value } of next.attributes) {
		if (attribute === "open" && old.nodeName === "DETAILS") continue;
		if (old.getAttribute(attribute) !== value) old.setAttribute(attribute, value);
	}
	for (const event of Object.keys({ ...old._on, ...next._on })) old[event] = next._on?.[event] ?? null;
	old._on = next._on;
	lay(old, [...next.childNodes]);
	if (next._value !== undefined && old !== document.activeElement && old.value !== next._value) {
		old.value = next._value;
	}
	if (next._checked !== undefined) old.checked = next._checked;
}

function lay(parent, fresh) {
	const keyed = new Map();
	for (const child of parent.childNodes) if (child._key !== undefined) keyed.set(child._key, child);
	let cursor = parent.firstChild;
	for (const next of fresh) {
		let old = null;
		if (next._key === undefined) {
			if (cursor !== null && cursor._key === undefined && same(cursor, next)) old = cursor;
		} else {
			const found = keyed.get(next._key);
			if (found !== undefined && same(found, next)) old = found;
			keyed.delete(next._key);
		}
		if (old === null) {
			parent.insertBefore(next, cursor);
			continue;
		}
		if (old === cursor) cursor = cursor.nextSibling;
		else parent.insertBefore(old, cursor);
		if (old.nodeType !== Node.ELEMENT_NODE) {
			if (old.data !== next.data) old.data = next.data;
		} else layElement(old, next);
	}
	while (cursor !== null) {
		const rest = cursor.nextSibling;
		cursor.remove();
		cursor = rest;
	}
}

// Changes what is shown to `fresh` with as few changes as it takes, so that focus,
// selection and places of scrolling stay.
export function show(parent, ...fresh) {
	const focused = document.activeElement;
	lay(parent, fresh.flat(Infinity).filter((node) => node instanceof Node));
	const waiting = late;
	late = [];
	for (const [element, make] of waiting) if (parent.contains(element)) element.append(make());
	if (focused !== document.activeElement && focused?.isConnected) focused.focus({ preventScroll: true });
}

export const byId = (id) => document.getElementById(id);

// --- small parts

let saying = null;

// Tells those who do not see the page. The pause makes the same words be said again.
export function announce(text) {
	clearTimeout(saying);
	byId("said").textContent = "";
	saying = setTimeout(() => {
		byId("said").textContent = visible(text);
	}, 60);
}

async function copy(text, button) {
	let result = "Copied";
	try {
		await navigator.clipboard.writeText(text);
	} catch {
		result = "Not allowed";
	}
	button.textContent = result;
	announce(result);
	setTimeout(() => {
		button.textContent = "Copy";
	}, 1500);
}

export function copyButton(text, label) {
	const click = (event) => copy(text, event.currentTarget);
	return h("button.small", { label: `Copy ${label}`, onclick: click }, "Copy");
}

export function chip(text, pressed, onclick, key) {
	return h("button.chip", { key, "aria-pressed": String(pressed), onclick }, text);
}

export function searchField(label, placeholder, value = "", entered, onkeydown) {
	const oninput = (event) => entered(event.currentTarget.value);
	return h("input.search", { key: "search", type: "search", label, placeholder, value, oninput, onkeydown });
}

// A part of a view; what follows in brackets is its count, which may change.
export function card(title, ...content) {
	return h("section.card", { key: title.split(" (")[0], label: title }, h("h2", title), content);
}

// A table whose rows become cards where there is little room; the roles keep it a table
// then, and each cell says what it is.
export function table(label, columns, rows) {
	const head = columns.map((column) => h("th", { scope: "col", role: "columnheader" }, column));
	const body = rows.map(({ key, cells, className }) =>
		h(
			`tr${className ? `.${className}` : ""}`,
			{ key, role: "row" },
			cells.map((cell, i) => {
				const props = { "data-label": columns[i], role: i === 0 ? "rowheader" : "cell" };
				return i === 0 ? h("th", { ...props, scope: "row" }, cell) : h("td", props, cell);
			}),
		),
	);
	return h(
		"table",
		{ role: "table", label },
		h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, head)),
		h("tbody", { role: "rowgroup" }, body),
	);
}

// A hash or key, which may be copied.
export function hash(text, label) {
	return text && h("span.hash", h("code", { title: text }, text), label && copyButton(text, label));
}

export function facts(pairs) {
	const parts = pairs.filter(([, value]) => !absent(value));
	return h("dl.facts", parts.map(([term, value]) => h("div", { key: term }, h("dt", term), h("dd", value))));
}

export function empty(title, ...rest) {
	return h("div.empty", h("p.empty-title", title), rest.length > 0 && h("p", rest));
}
