// Text of files, with line numbers, and colours for JSON and YAML. Long texts are cut into
// pieces that the browser lays out when they come in sight.

import { h, visibleText } from "./dom.js";

const LINES_A_PIECE = 100;
const LONGEST_LINE = 4000; // longer ones are broken, so that none costs a second to lay out
const LONGEST_COLOURED = 512 * 1024;

const JSON_TOKEN = /("(?:[^"\\\n]|\\.)*")(\s*:)?|\b(true|false|null)\b|(-?\b\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\b)/g;
const YAML_KEY = /^(\s*(?:- +)*)("[^"]*"|'[^']*'|[^\s#:"'[\]{},&*!|>%@-][^#:]*?|-(?=\S)[^#:]*?)(\s*:)(?=\s|$)/;
const YAML_TOKEN = /("(?:[^"\\]|\\.)*"|'(?:[^']|'')*')|(?:(^|\s)(#.*)$)|(?<![\w.-])(true|false|null|yes|no|on|off|~)(?![\w.-])|(?<![\w.:-])(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?![\w.:-])|(?<=^|[\s[,{:-])([&*!][\w.!/-]+)/gi;

export function isHighlighted(kind) {
	return kind === "json" || kind === "ndjson" || kind === "yaml";
}

const token = (kind, text) => h(`span.t-${kind}`, document.createTextNode(visibleText(text)));

function cut(line, pattern, tokens) {
	const out = [];
	let at = 0;
	for (const match of line.matchAll(pattern)) {
		if (match.index > at) out.push(document.createTextNode(visibleText(line.slice(at, match.index))));
		out.push(...tokens(match));
		at = match.index + match[0].length;
	}
	if (at < line.length) out.push(document.createTextNode(visibleText(line.slice(at))));
	return out;
}

function jsonLine(line) {
	return cut(line, JSON_TOKEN, ([, string, colon, word, digits]) => {
		if (string !== undefined) return colon === undefined ? [token("string", string)] : [token("key", string), document.createTextNode(colon)];
		return [word !== undefined ? token("word", word) : token("number", digits)];
	});
}

function yamlRest(line) {
	return cut(line, YAML_TOKEN, ([all, string, before, comment, word, digits, anchor]) => {
		if (string !== undefined) return [token("string", string)];
		if (comment !== undefined) return [document.createTextNode(before), token("comment", comment)];
		if (word !== undefined) return [token("word", word)];
		return digits !== undefined ? [token("number", digits)] : [token("word", anchor ?? all)];
	});
}

function yamlLine(line) {
	const key = YAML_KEY.exec(line);
	if (key === null) return yamlRest(line);
	const [all, before, word, colon] = key;
	return [document.createTextNode(before), token("key", word), document.createTextNode(colon), ...yamlRest(line.slice(all.length))];
}

function split(line) {
	if (line.length <= LONGEST_LINE) return [line];
	const parts = [];
	for (let i = 0; i < line.length; i += LONGEST_LINE) parts.push(line.slice(i, i + LONGEST_LINE));
	return parts;
}

function lay(text, draw) {
	const lines = text.split("\n");
	if (lines.at(-1) === "") lines.pop();
	const box = h("div.lines");
	for (let first = 0; first < lines.length; first += LINES_A_PIECE) {
		const piece = h("div.piece");
		lines.slice(first, first + LINES_A_PIECE).forEach((line, i) => {
			const content = split(line.replace(/\r$/, "")).map((part) => h("span.part", draw(part)));
			piece.append(h("div.line", h("span.line-number", { "aria-hidden": "true", "data-n": String(first + i + 1) }), h("span.line-text", content)));
		});
		// Until it is in sight it has the height that it will have at least.
		piece.style.containIntrinsicSize = `auto ${piece.childElementCount * 1.5}em`;
		box.append(piece);
	}
	return box;
}

export function drawRaw(text) {
	return lay(text, (part) => [document.createTextNode(visibleText(part))]);
}

export function highlight(text, kind) {
	if (text.length > LONGEST_COLOURED) return drawRaw(text);
	return lay(text, kind === "yaml" ? yamlLine : jsonLine);
}
