// What the pages do on their own: follow what changes, keep times told, ask before acting.
// Every page works without this; nothing is fetched from another address.
"use strict";

const $ = (selector, within = document) => [...within.querySelectorAll(selector)];

// --- times: "3 min ago", and what still counts on ---------------------------------------
function span(seconds) {
  const s = Math.abs(seconds);
  if (s < 60) return `${Math.floor(s)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 172800) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} days`;
}

function tell(within = document) {
  const now = Date.now();
  for (const time of $("time[data-ago]", within)) {
    const left = (Date.parse(time.dateTime) - now) / 1000;
    time.textContent = left > 0 ? `in ${span(left)}` : left > -2 ? "just now" : `${span(left)} ago`;
  }
  for (const each of $("[data-since]", within)) {
    each.textContent = span((now - Date.parse(each.dataset.since)) / 1000);
  }
}
tell();
setInterval(tell, 1000);

// --- live: regions of the page are replaced as the server sends them --------------------
const kept = {
  morphStyle: "innerHTML",
  ignoreActiveValue: true,
  callbacks: {
    // what a person opened stays open; what they look at stays where it is scrolled to
    beforeAttributeUpdated: (name, node) => !(name === "open" && node.tagName === "DETAILS"),
  },
};

function apply(regions) {
  for (const [name, html] of Object.entries(regions)) {
    const region = document.querySelector(`[data-region="${name}"]`);
    if (!region) continue;
    Idiomorph.morph(region, html, kept);
    tell(region);
    region.dataset.changed = Date.now();
  }
}

async function fetchAnew() {
  const answer = await fetch(location.href);
  if (answer.redirected) return location.assign(answer.url);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const region of $("[data-region]", page)) apply({ [region.dataset.region]: region.innerHTML });
}

function say(state, text) {
  const lamp = document.getElementById("lamp");
  if (!lamp) return;
  lamp.dataset.state = state;
  lamp.querySelector("span").textContent = text;
}

const topic = document.body.dataset.topic;
if (topic) {
  const source = new EventSource(`/stream?topic=${encodeURIComponent(topic)}`);
  source.onopen = () => say("live", "live");
  source.onerror = () => {
    say("lost", "reconnecting");
    // a stream that was refused is not tried again by the browser: the login may be over
    if (source.readyState === EventSource.CLOSED) setTimeout(fetchAnew, 2000);
  };
  source.onmessage = (event) => {
    const told = JSON.parse(event.data);
    if (told.away) return say("lost", "the database is away");
    say("live", "live");
    if (told.reload) return fetchAnew();
    apply(told.regions);
  };
  addEventListener("pagehide", () => source.close());
}

// --- actions: the page that asks for confirmation, in a dialog --------------------------
const dialog = document.getElementById("dialog");
document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-dialog]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || !dialog) return;
  event.preventDefault();
  const answer = await fetch(link.href);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const form = page.querySelector("[data-confirm]");
  if (!form || answer.redirected) return location.assign(link.href);
  dialog.replaceChildren(document.adoptNode(form));
  dialog.showModal();
});
dialog?.addEventListener("click", (event) => {
  if (event.target === dialog || event.target.closest("[data-close]")) {
    event.preventDefault();
    dialog.close();
  }
});

// the newest run is on the right, and wanted first
$(".grid").forEach((grid) => (grid.parentElement.scrollLeft = grid.scrollWidth));

// --- small things ------------------------------------------------------------------------
document.getElementById("theme")?.addEventListener("click", () => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = root.dataset.theme || (dark ? "dark" : "light");
  root.dataset.theme = now === "dark" ? "light" : "dark";
  document.cookie = `theme=${root.dataset.theme};path=/;max-age=31536000;samesite=lax`;
});
document.addEventListener("submit", (event) => {
  // once is enough: a second click must not act twice
  setTimeout(() => $("button", event.target).forEach((each) => (each.disabled = true)));
});
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  navigator.clipboard?.writeText(document.getElementById(button.dataset.copy).textContent);
  button.textContent = "copied";
});
