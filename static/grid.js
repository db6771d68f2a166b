// A table of any length in which only the rows in sight are elements. The focus is on the
// table; the row that is meant is named by `aria-activedescendant`.

import { h, show } from "./dom.js";

const MORE = 8; // rows above and below what is in sight

export class Grid {
	constructor(label, columns, handlers) {
		this.columns = columns;
		this.handlers = handlers;
		this.rows = [];
		this.active = -1;
		this.activeKey = null;
		this.head = h("div.grid-head", { role: "rowgroup" });
		this.body = h("div.grid-body", { role: "rowgroup" });
		this.element = h("div.grid", { role: "grid", tabindex: "0", label, "aria-colcount": String(columns.length), id: "grid" }, this.head, this.body);
		this.element.addEventListener("scroll", () => this.later(), { passive: true });
		this.element.addEventListener("keydown", (event) => this.key(event));
		new ResizeObserver(() => this.later()).observe(this.element);
	}

	update(rows, sort, open) {
		this.rows = rows;
		this.open = open;
		if (open !== undefined && open !== this.wasOpen) this.activeKey = open;
		const moved = open !== this.wasOpen;
		this.wasOpen = open;
		this.active = this.activeKey === null ? -1 : rows.findIndex((row) => row.artifact_key === this.activeKey);
		this.element.setAttribute("aria-rowcount", String(rows.length + 1));
		this.drawHead(sort);
		this.stretch();
		if (moved && this.active !== -1) this.reveal();
		this.draw();
	}

	drawHead(sort) {
		const cells = this.columns.map((column, i) => {
			const sorted = sort.by === column.key;
			const order = sorted ? (sort.down ? "descending" : "ascending") : "none";
			const arrow = sorted ? (sort.down ? " ↓" : " ↑") : "";
			const button = h("button.plain", { onclick: () => this.handlers.sort(column.key) }, column.title, h("span", { "aria-hidden": "true" }, arrow));
			return h(`div.cell.c-${column.key}`, { role: "columnheader", "aria-sort": order, "aria-colindex": String(i + 1) }, button);
		});
		show(this.head, h("div.grid-row", { role: "row", "aria-rowindex": "1" }, cells));
	}

	// The height of a row is the style sheet's; it is asked for, since text may be zoomed.
	rowHeight() {
		const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
		return (parseFloat(getComputedStyle(this.element).getPropertyValue("--row")) || 2) * rem;
	}

	stretch() {
		this.body.style.height = `${this.rows.length * this.rowHeight()}px`;
	}

	later() {
		if (this.waiting) return;
		this.waiting = true;
		requestAnimationFrame(() => {
			this.waiting = false;
			this.draw();
		});
	}

	draw() {
		const height = this.rowHeight();
		const top = this.element.scrollTop;
		const first = Math.max(0, Math.floor(top / height) - MORE);
		const last = Math.min(this.rows.length, Math.ceil((top + this.element.clientHeight) / height) + MORE);
		this.stretch();
		const shown = [];
		for (let i = first; i < last; i += 1) shown.push(this.drawRow(i, height));
		show(this.body, shown);
		// Places are set on what is in the document: a new drawing carries no styles.
		for (const row of this.body.children) row.style.transform = `translateY(${(Number(row.getAttribute("aria-rowindex")) - 2) * height}px)`;
		const inSight = this.active >= first && this.active < last;
		if (inSight) this.element.setAttribute("aria-activedescendant", `row-${this.active}`);
		else this.element.removeAttribute("aria-activedescendant");
	}

	drawRow(i) {
		const row = this.rows[i];
		const classes = `${i === this.active ? ".active" : ""}${row.artifact_key === this.open ? ".open" : ""}`;
		const cells = this.columns.map((column, at) => h(`div.cell.c-${column.key}`, { role: "gridcell", "aria-colindex": String(at + 1) }, column.draw(row)));
		const click = () => {
			if (getSelection().isCollapsed) this.choose(i, true);
		};
		const props = { key: row.artifact_key, id: `row-${i}`, role: "row", "aria-rowindex": String(i + 2), "aria-selected": String(row.artifact_key === this.open), onclick: click };
		return h(`div.grid-row${classes}`, props, cells);
	}

	choose(i, open) {
		if (this.rows.length === 0) return;
		this.active = Math.max(0, Math.min(this.rows.length - 1, i));
		this.activeKey = this.rows[this.active].artifact_key;
		this.reveal();
		this.draw();
		if (open) this.handlers.open(this.activeKey);
		else this.handlers.moved(this.activeKey);
	}

	move(by) {
		this.choose(this.active === -1 ? (by > 0 ? 0 : this.rows.length - 1) : this.active + by, false);
	}

	reveal() {
		const height = this.rowHeight();
		const at = this.active * height;
		const room = this.element.clientHeight - this.head.offsetHeight;
		if (at < this.element.scrollTop) this.element.scrollTop = at;
		else if (at + height > this.element.scrollTop + room) this.element.scrollTop = at + height - room;
	}

	key(event) {
		if (event.ctrlKey || event.metaKey || event.altKey) return;
		const page = Math.max(1, Math.floor(this.element.clientHeight / this.rowHeight()) - 2);
		const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
		if (moves[event.key] !== undefined) {
			const by = moves[event.key];
			this.element.focus({ preventScroll: true });
			if (Number.isFinite(by)) this.move(by);
			else this.choose(by < 0 ? 0 : this.rows.length - 1, false);
		} else if (event.key === "Enter" && this.active !== -1 && event.target === this.element) this.choose(this.active, true);
		else return;
		event.preventDefault();
	}
}
