// The colours: those of the system, unless a person chose. Loaded before anything is
// painted, so that the page never flashes in the other ones.
"use strict";

(() => {
	const KEY = "dossierd-theme";
	const CHOICES = ["system", "light", "dark"];

	function chosen() {
		try {
			const value = localStorage.getItem(KEY);
			return CHOICES.includes(value) ? value : "system";
		} catch {
			return "system"; // Storage is forbidden here.
		}
	}

	function apply() {
		const value = chosen();
		if (value === "system") document.documentElement.removeAttribute("data-theme");
		else document.documentElement.setAttribute("data-theme", value);
		const button = document.getElementById("theme");
		if (button === null) return;
		button.textContent = { system: "◐ System", light: "○ Light", dark: "● Dark" }[value];
		button.setAttribute("aria-label", `${value[0].toUpperCase()}${value.slice(1)} colours, switch`);
	}

	apply();
	addEventListener("DOMContentLoaded", () => {
		apply();
		document.getElementById("theme").addEventListener("click", () => {
			const next = CHOICES[(CHOICES.indexOf(chosen()) + 1) % CHOICES.length];
			try {
				localStorage.setItem(KEY, next);
			} catch {
				return;
			}
			apply();
		});
	});
	// Another tab of the page chose.
	addEventListener("storage", apply);
})();
