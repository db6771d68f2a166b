// One stream of events for all features, kept up for as long as the page is open.
//
// Events say that something changed; what is now is always asked for. So a stream that
// breaks or lags costs one redraw, and nothing is lost: it resumes after the last event.

import { ApiError, lines } from "./api.js";

const SILENCE_MS = 45000; // three heartbeats
const LONGEST_WAIT_MS = 15000;
const KEPT_EVENTS = 2000;

// The newest events since the page was opened, oldest first.
export const recent = [];

let last = null;
let attempt = null;
let wake = () => {};
let running = false;

function item(value, onEvent) {
	if (value.lagged === true) {
		last = value.resume_after ?? null;
		return;
	}
	if (typeof value.event_id !== "string") return;
	last = value.event_id;
	recent.push(value);
	if (recent.length > KEPT_EVENTS * 2) recent.splice(0, KEPT_EVENTS);
	onEvent(value);
}

async function once(handlers) {
	attempt = new AbortController();
	const mine = attempt;
	let silence = 0;
	const heard = () => {
		clearTimeout(silence);
		silence = setTimeout(() => mine.abort(), SILENCE_MS);
	};
	heard();
	const since = last === null ? "" : `&since=${last}`;
	try {
		await lines(`/api/dossier/events?follow=true${since}`, mine.signal, () => handlers.opened(), (value) => {
			heard();
			item(value, handlers.event);
		});
	} finally {
		clearTimeout(silence);
		mine.abort();
	}
}

// Runs until the login ends. `opened` is called at each begin, `event` with each event,
// `away` when the stream broke, `refused` when the token does not count any more.
export async function follow(handlers) {
	if (running) {
		wake();
		return;
	}
	running = true;
	let failures = 0;
	for (;;) {
		try {
			await once({ ...handlers, opened: () => { failures = 0; handlers.opened(); } });
		} catch (error) {
			if (error instanceof ApiError && error.status === 401) break;
			// The log has been replaced: what is now is asked for anyway.
			if (error instanceof ApiError && error.code === "event-unknown") last = null;
			failures += 1;
		}
		handlers.away();
		const wait = Math.min(LONGEST_WAIT_MS, 250 * 2 ** Math.min(failures, 6));
		await new Promise((resolve) => {
			wake = resolve;
			setTimeout(resolve, wait);
		});
	}
	running = false;
	handlers.refused();
}

export function tryNow() {
	wake();
}
