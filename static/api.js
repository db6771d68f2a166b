// Requests to the daemon: the token, answers kept by entity tag, problems, streams.
//
// The token is kept in this tab's sessionStorage and sent as a header, so no other page
// and no other tab ever sends it.

const TOKEN = "dossierd-token";
const KEPT_ANSWERS = 80;
const READ_MS = 10000; // a daemon that takes longer hangs
const ACT_MS = 60000;

// Answers by address, the least recently used first.
const kept = new Map();
let answers = 0;

// Grows with each answer that is not the same as before.
export const news = () => answers;

export class ApiError extends Error {
	constructor(status, problem) {
		super(problem.detail);
		this.status = status;
		this.code = problem.code;
		this.problem = problem;
	}
}

export class Away extends Error {}

export function hasToken() {
	return sessionStorage.getItem(TOKEN) !== null;
}

export function forget() {
	sessionStorage.removeItem(TOKEN);
	kept.clear();
}

async function ask(path, options = {}) {
	const token = sessionStorage.getItem(TOKEN);
	const auth = token === null ? {} : { Authorization: `Bearer ${token}` };
	let response;
	try {
		response = await fetch(path, {
			cache: "no-store",
			signal: AbortSignal.timeout(READ_MS),
			...options,
			headers: { ...auth, ...options.headers },
		});
	} catch (error) {
		if (error.name === "AbortError") throw error;
		throw new Away("The daemon does not answer.");
	}
	if (response.status === 304) return response;
	answers += 1;
	if (response.ok) return response;
	let problem = { code: "", title: "", detail: `The daemon answered ${response.status}.` };
	try {
		const sent = await response.json();
		if (typeof sent.detail === "string") problem = sent;
	} catch {
		// Not a problem document: the status has to do.
	}
	throw new ApiError(response.status, problem);
}

async function body(response) {
	try {
		return await response.json();
	} catch {
		throw new Away("The daemon broke off its answer.");
	}
}

// The same answer is the same object, so a caller sees by identity that nothing changed.
export async function get(path) {
	const last = kept.get(path);
	const headers = last === undefined ? {} : { "If-None-Match": last.etag };
	const response = await ask(path, { headers });
	let value = last?.value;
	let etag = last?.etag;
	if (response.status !== 304) {
		value = await body(response);
		etag = response.headers.get("ETag");
	}
	kept.delete(path);
	if (etag) kept.set(path, { etag, value });
	if (kept.size > KEPT_ANSWERS) kept.delete(kept.keys().next().value);
	return value;
}

export async function getOnce(path) {
	return body(await ask(path));
}

export async function send(method, path, value) {
	const options = { method, signal: AbortSignal.timeout(ACT_MS) };
	if (value !== undefined) {
		options.headers = { "Content-Type": "application/json" };
		options.body = JSON.stringify(value);
	}
	return body(await ask(path, options));
}

export async function logIn(code) {
	const session = await send("POST", "/api/session", { code });
	kept.clear();
	sessionStorage.setItem(TOKEN, session.token);
}

export async function lines(path, signal, opened, line) {
	const response = await ask(path, { signal });
	opened();
	const reader = response.body.getReader();
	const decoder = new TextDecoder();
	let rest = "";
	for (;;) {
		const { done, value } = await reader.read();
		if (done) return;
		const parts = (rest + decoder.decode(value, { stream: true })).split("\n");
		rest = parts.pop();
		for (const part of parts) if (part !== "") line(JSON.parse(part));
	}
}
