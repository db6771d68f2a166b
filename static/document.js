// A Markdown document, as the tree of typed nodes that the daemon made of it. Nothing in
// it is markup for this page: each node becomes an element made here, its text a text
// node. Links lead to http, https and mail addresses or to another artifact; images are
// not loaded, and raw HTML is shown as the text it is.

import { h, textNode } from "./dom.js";
import { href } from "./route.js";
import { highlight, isHighlighted } from "./syntax.js";

const DEEPEST = 100;
const SAFE = /^(https?:\/\/|mailto:)/i;

let feature = "";

export function drawTree(tree, id) {
	feature = id;
	return h("div.document", all(tree.children, 0));
}

function all(nodes, depth) {
	if (!Array.isArray(nodes)) return [];
	if (depth > DEEPEST) return [h("span.quiet", "nested too deep")];
	return nodes.map((node) => draw(node, depth + 1));
}

const text = (node) => textNode(String(node.text ?? ""));
const within = (tag) => (node, depth) => h(tag, all(node.children, depth));

function link(node, depth) {
	const content = all(node.children, depth);
	const title = node.title || null;
	if (typeof node.artifact_key === "string") {
		return h("a", { href: href({ feature, tab: "artifacts", artifact: node.artifact_key }), title }, content);
	}
	if (typeof node.href === "string" && SAFE.test(node.href)) {
		return h("a", { href: node.href, title: title ?? node.href, target: "_blank", rel: "noopener noreferrer" }, content);
	}
	return h("span.dead-link", { title: title ?? "This link leads nowhere that the page may go" }, content);
}

function list(node, depth) {
	const items = (node.children ?? []).map((item) => {
		const checked = typeof item.checked === "boolean";
		const box = checked && h("input", { type: "checkbox", disabled: true, checked: item.checked, label: item.checked ? "done" : "to do" });
		return h(`li${checked ? ".task" : ""}`, box, all(item.children, depth));
	});
	const start = node.ordered && Number.isInteger(node.start) && node.start !== 1 ? String(node.start) : null;
	return node.ordered ? h("ol", { start }, items) : h("ul", items);
}

function table(node, depth) {
	const side = (i) => ({ left: ".left", center: ".center", right: ".right" })[node.alignments?.[i]] ?? "";
	const cells = (tag, row) => (row ?? []).map((cell, i) => h(`${tag}${side(i)}`, tag === "th" ? { scope: "col" } : {}, all(cell.children, depth)));
	const rows = (node.rows ?? []).map((row) => h("tr", cells("td", row)));
	return h("div.wide", { tabindex: "0", role: "region", label: "Table" }, h("table", h("thead", h("tr", cells("th", node.head))), h("tbody", rows)));
}

function codeBlock(node) {
	const language = { yml: "yaml", jsonl: "ndjson" }[node.language] ?? node.language;
	const content = String(node.text ?? "");
	return isHighlighted(language) ? highlight(content, language) : h("pre", { tabindex: "0" }, h("code", textNode(content)));
}

// The page has its own first and second headings.
function heading(node, depth) {
	const level = Math.max(1, Math.min(6, Number(node.level) || 6));
	return h(`h${Math.min(6, level + 2)}.h-${level}`, all(node.children, depth));
}

const DRAW = {
	heading,
	paragraph: within("p"),
	quote: within("blockquote"),
	list,
	item: within("li"),
	code_block: codeBlock,
	table,
	rule: () => h("hr"),
	html: (node) => h("pre.html", { tabindex: "0", title: "HTML, shown as text" }, h("code", text(node))),
	front_matter: (node) => h("div.front-matter", highlight(String(node.text ?? ""), "yaml")),
	footnote: (node, depth) => h("div.footnote", h("span.footnote-label", textNode(`[${node.label}] `)), h("div", all(node.children, depth))),
	text,
	emphasis: within("em"),
	strong: within("strong"),
	strikethrough: within("del"),
	code: (node) => h("code", text(node)),
	link,
	image: (node, depth) => h("span.image", { title: node.title || "It is not loaded" }, "[image: ", all(node.children, depth), "]"),
	footnote_reference: (node) => h("sup", textNode(`[${node.label}]`)),
	line_break: () => h("br"),
	html_inline: (node) => h("code.html", text(node)),
};

// A kind of node that this page does not know shows what is in it.
function draw(node, depth) {
	if (node === null || typeof node !== "object") return null;
	if (Object.hasOwn(DRAW, node.type)) return DRAW[node.type](node, depth);
	return node.children !== undefined ? h("span", all(node.children, depth)) : text(node);
}
