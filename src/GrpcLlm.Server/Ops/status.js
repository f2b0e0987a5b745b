// Keeps the status page fresh. No character that XML would have escaped is in here: the script stands in the page as it is.
"use strict";
(() => {
  const every = 2000, patience = 6000, longest = 5000;
  const main = document.querySelector("main");
  let last = performance.now(), busy = false, failing = false;

  // Only what differs is touched, so focus, scrolling, selection and open tables stay as they are.
  const morph = (old, fresh) => {
    for (const { name } of [...old.attributes]) {
      if (name === "open" || fresh.hasAttribute(name)) continue;
      old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    const had = [...old.childNodes], come = [...fresh.childNodes];
    come.forEach((next, i) => {
      const node = had[i];
      if (node === undefined) old.append(document.importNode(next, true));
      else if (node.nodeName !== next.nodeName || node.id !== next.id) node.replaceWith(document.importNode(next, true));
      else if (next.nodeType === Node.ELEMENT_NODE) morph(node, next);
      else if (node.data !== next.data) node.data = next.data;
    });
    had.slice(come.length).forEach(node => node.remove());
  };

  const tell = () => {
    const age = performance.now() - last;
    document.getElementById("live").textContent = failing ? "Tries again every 2 s." : "Refreshed every 2 s.";
    const old = failing ? age > patience : false;
    document.getElementById("stale").hidden = !old;
    main.classList.toggle("old", old);
    document.getElementById("age").textContent = ` for ${Math.round(age / 1000)} s`;
  };

  const refresh = async () => {
    if (busy || document.hidden) return;
    busy = true;
    try {
      const response = await fetch(location.pathname, { cache: "no-store", signal: AbortSignal.timeout(longest) });
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      if (!response.ok || page.getElementById("stale") === null) throw new Error("no status page");
      morph(main, page.querySelector("main"));
      last = performance.now();
      failing = false;
    } catch {
      failing = true;
    } finally {
      busy = false;
    }
    tell();
  };

  setInterval(refresh, every);
  setInterval(tell, 1000);
  document.addEventListener("visibilitychange", refresh);
  tell();
})();
