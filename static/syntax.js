// Text of files, with line numbers, and colours for JSON and YAML. Long texts are cut into
// pieces that the browser lays out when they come in sight.

import { h, visibleText } from "./dom.js";

const PARTS_A_PIECE = 100;
const LONGEST_PIECE = 16000; // characters
const LONGEST_COLOURED = 128 * 1024;
const MOST_TOKENS = 10000;
// Longer lines are broken, so that none costs a second to lay out, and have no colours.
const PART = /.{1,4000}/gsu;

// No alternative begins as another one does, and none fails after its first character: time
// grows with length, whatever is in a line.
const TOKEN = {
	json: /"(?:[^"\\]|\\.)*"?|[\w.+-]+/g,
	yaml: /"(?:[^"\\]|\\.)*"?|'[^']*'?|#.*|[^\s"'#[\]{},][^\s[\]{},]*/g,
};
const KEY = /^(\s*(?:- +)*)("[^"]*"|'[^']*'|[^\s#:"'[\]{},&*!|>%@-][^#:]*|-(?=\S)[^#:]*):(?=\s|$)/;
const COLON = /\s*:/y;
const WORD = /^(?:true|false|null|yes|no|on|off|~|[&*!][\w.!/-]+)$/i;
const NUMBER = /^[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/i;

let left = 0; // tokens that may still have a colour

export function isHighlighted(kind) {
	return kind === "json" || kind === "ndjson" || kind === "yaml";
}

const plain = (text) => document.createTextNode(visibleText(text));

function token(kind, text) {
	left -= 1;
	return left < 0 ? plain(text) : h(`span.t-${kind}`, plain(text));
}

function isKey(line, end) {
	COLON.lastIndex = end;
	return COLON.test(line);
}

function kindOf(text, line, end) {
	if (text[0] === '"' || text[0] === "'") return isKey(line, end) ? "key" : "string";
	if (text[0] === "#") return "comment";
	if (WORD.test(text)) return "word";
	return NUMBER.test(text) ? "number" : null;
}

function coloured(line, pattern) {
	const out = [];
	let at = 0;
	for (const { 0: text, index } of line.matchAll(pattern)) {
		const end = index + text.length;
		const kind = left > 0 ? kindOf(text, line, end) : null;
		if (kind === null) continue;
		if (index > at) out.push(plain(line.slice(at, index)));
		out.push(token(kind, text));
		at = end;
	}
	if (at < line.length) out.push(plain(line.slice(at)));
	return out;
}

function yamlLine(line) {
	const key = KEY.exec(line);
	if (key === null) return coloured(line, TOKEN.yaml);
	const [all, before, word] = key;
	return [plain(before), token("key", word), plain(":"), coloured(line.slice(all.length), TOKEN.yaml)];
}

// A line, or a part of one that is too long; only the first one has the number.
function drawPart(text, number, draw) {
	return h("div.line", h("span.line-number", { "aria-hidden": "true", "data-n": number }), h("span.line-text", draw(text)));
}

function lay(text, draw) {
	const lines = text.split("\n");
	if (lines.at(-1) === "") lines.pop();
	const box = h("div.lines");
	let [piece, parts, size, rows] = [null, 0, 0, 0];
	lines.forEach((whole, n) => {
		const line = whole.replace(/\r$/, "");
		const cut = line.match(PART) ?? [""];
		cut.forEach((part, i) => {
			if (piece === null || parts === PARTS_A_PIECE || size > LONGEST_PIECE) {
				piece = h("div.piece");
				box.append(piece);
				[parts, size, rows] = [0, 0, 0];
			}
			piece.append(drawPart(part, i === 0 ? String(n + 1) : "", cut.length === 1 ? draw : plain));
			parts += 1;
			size += part.length;
			rows += 1 + Math.floor(part.length / 100);
			// Until it is in sight it has about the height that it will have.
			piece.style.containIntrinsicSize = `auto ${rows * 1.5}em`;
		});
	});
	return box;
}

export const drawRaw = (text) => lay(text, plain);

export function highlight(text, kind) {
	if (text.length > LONGEST_COLOURED) return drawRaw(text);
	left = MOST_TOKENS;
	return lay(text, kind === "yaml" ? yamlLine : (line) => coloured(line, TOKEN.json));
}
