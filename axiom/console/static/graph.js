// What the graph's page does on its own: the time slider, evidence beside the picture, zoom.
// Without it all of this works by links and a form.
"use strict";

(() => {
  const form = document.getElementById("choose");
  const picture = document.getElementById("picture");
  const panel = document.getElementById("evidence");
  const slider = document.getElementById("slider");
  const choice = document.getElementById("when");
  let asked = 0;

  const place = () => `?${new URLSearchParams(new FormData(form))}`;

  async function part(where, name) {
    const answer = await fetch(`/graph${where}&part=${name}`);
    if (answer.redirected || !answer.ok) return location.assign(`/graph${where}`);
    const found = new DOMParser().parseFromString(await answer.text(), "text/html");
    return [...found.body.childNodes].map((node) => document.adoptNode(node));
  }

  // --- the slider and the filters: the picture is fetched again, the rest stays
  async function show() {
    const mine = ++asked;
    const where = place();
    picture.setAttribute("aria-busy", "true");
    const fresh = await part(where, "picture");
    if (mine !== asked || !fresh) return;
    const open = picture.querySelector("details")?.open;
    picture.replaceChildren(...fresh);
    if (open) picture.querySelector("details")?.setAttribute("open", "");
    picture.removeAttribute("aria-busy");
    history.replaceState(null, "", where);
    ready();
  }

  let waits;
  function soon() {
    clearTimeout(waits);
    waits = setTimeout(show, 120);
  }

  function tell() {
    document.getElementById("told").textContent = choice.selectedOptions[0].textContent;
    slider.setAttribute("aria-valuetext", choice.selectedOptions[0].textContent);
    slider.value = choice.selectedIndex;
  }
  slider.max = choice.options.length - 1;
  slider.hidden = choice.options.length < 2;
  tell();
  slider.addEventListener("input", () => {
    choice.selectedIndex = Number(slider.value);
    tell();
    soon();
  });
  form.addEventListener("change", (event) => {
    if (event.target === slider) return;
    tell();
    soon();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    show();
    // the page's own script has it that a form is sent once
    setTimeout(() => form.querySelectorAll("button").forEach((each) => (each.disabled = false)), 50);
  });

  // --- an edge: its evidence comes beside the picture
  picture.addEventListener("click", async (event) => {
    const link = event.target.closest("a[data-edge]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const where = new URL(link.getAttribute("href"), location.href).search;
    const fresh = await part(where, "evidence");
    if (!fresh) return;
    panel.replaceChildren(...fresh);
    history.replaceState(null, "", where);
    mark(link.dataset.edge);
    if (matchMedia("(max-width: 900px)").matches) panel.scrollIntoView();
    panel.focus({ preventScroll: true });
  });

  function mark(key) {
    for (const each of picture.querySelectorAll("a[data-edge]")) {
      each.classList.toggle("chosen", each.dataset.edge === key);
    }
  }

  // --- zoom: by button, wheel with Ctrl, and drag
  const whole = () => picture.querySelector("svg.network");
  function zoom(by, at) {
    const svg = whole();
    const all = svg.dataset.all ? svg.dataset.all.split(" ").map(Number) : null;
    let [x, y, w, h] = svg.getAttribute("viewBox").split(" ").map(Number);
    if (!all) svg.dataset.all = `${x} ${y} ${w} ${h}`;
    if (!by) return svg.setAttribute("viewBox", svg.dataset.all);
    const middle = at || [x + w / 2, y + h / 2];
    [x, y] = [middle[0] - (middle[0] - x) / by, middle[1] - (middle[1] - y) / by];
    svg.setAttribute("viewBox", `${x} ${y} ${w / by} ${h / by}`);
  }
  picture.addEventListener("click", (event) => {
    const button = event.target.closest("[data-zoom]");
    if (button) zoom(Number(button.dataset.zoom));
  });
  picture.addEventListener("wheel", (event) => {
    const svg = event.target.closest("svg.network");
    if (!svg || !event.ctrlKey) return;
    event.preventDefault();
    const to = svg.getScreenCTM().inverse();
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(to);
    zoom(event.deltaY < 0 ? 1.15 : 0.87, [point.x, point.y]);
  }, { passive: false });
  let held = null;
  picture.addEventListener("pointerdown", (event) => {
    const svg = event.target.closest("svg.network");
    if (!svg || event.target.closest("a") || event.pointerType === "touch") return;
    held = { svg, x: event.clientX, y: event.clientY, box: svg.getAttribute("viewBox").split(" ").map(Number) };
  });
  addEventListener("pointermove", (event) => {
    if (!held) return;
    const scale = held.svg.getScreenCTM().a;
    const [x, y, w, h] = held.box;
    if (!held.svg.dataset.all) held.svg.dataset.all = held.box.join(" ");
    held.svg.setAttribute("viewBox", `${x - (event.clientX - held.x) / scale} ${y - (event.clientY - held.y) / scale} ${w} ${h}`);
  });
  addEventListener("pointerup", () => (held = null));

  function ready() {
    picture.querySelector(".zoom")?.removeAttribute("hidden");
    const view = picture.querySelector(".view"); // where the screen is narrow
    if (view) view.scrollLeft = (view.scrollWidth - view.clientWidth) / 2;
    mark(new URLSearchParams(location.search).get("edge"));
  }
  ready();
})();
