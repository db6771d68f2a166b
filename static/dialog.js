// A question before something is done, and the list of keys.

import { byId, h, show } from "./dom.js";

let close = () => {};

function open(title, content, actions) {
	const dialog = byId("dialog");
	close(null);
	return new Promise((resolve) => {
		close = (answer) => {
			close = () => {};
			if (dialog.open) dialog.close();
			resolve(answer);
		};
		// It is told late that one was closed, maybe when the next is open.
		dialog.onclose = () => !dialog.open && close(null);
		// A click beside it, not in it.
		dialog.onclick = (event) => {
			if (event.target === dialog) close(null);
		};
		const submit = (event) => {
			event.preventDefault();
			close(new FormData(event.currentTarget));
		};
		const form = h("form", { onsubmit: submit }, h("h2", { id: "dialog-title" }, title), content, h("div.actions", actions));
		dialog.replaceChildren();
		show(dialog, form);
		dialog.showModal();
	});
}

// The form's values, or null if it was not wanted after all.
export function ask(title, content, confirm, danger = false) {
	const cancel = h("button", { onclick: () => close(null) }, "Cancel");
	const go = h(`button.${danger ? "danger" : "primary"}`, { type: "submit" }, confirm);
	return open(title, content, [cancel, go]);
}

export function tell(title, content) {
	return open(title, content, [h("button.primary", { type: "submit" }, "Close")]);
}

export function isOpen() {
	return byId("dialog").open;
}
