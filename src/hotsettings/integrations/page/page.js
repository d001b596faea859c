"use strict";
(() => {
  const connection = document.getElementById("connection");
  const filter = document.getElementById("filter");
  const shown = document.getElementById("shown");
  const none = document.getElementById("none");
  let total = shown.textContent;

  // Filtering: every word has to stand somewhere in the row or in the heading above it.
  function applyFilter() {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of document.querySelectorAll(".group tbody tr")) {
      const section = row.closest("section").querySelector("h3").textContent;
      const text = (section + " " + row.textContent).toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      count += row.hidden ? 0 : 1;
    }
    for (const group of document.querySelectorAll(".group")) {
      group.hidden = !group.querySelector("tbody tr:not([hidden])");
    }
    none.hidden = count > 0;
    const text = words.length ? count + " of " + total : total;
    if (shown.textContent !== text) shown.textContent = text;
  }

  filter.addEventListener("input", applyFilter);
  filter.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      filter.value = "";
      applyFilter();
    }
  });
  document.addEventListener("keydown", (event) => {
    const writing = event.target.closest("input, textarea, select");
    if (event.key === "/" && !writing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      filter.focus();
    }
  });

  // Updating: the stream tells that there is another version, and the parts that differ are taken from it.
  let source = null;
  let delay = 1000;
  let lost = 0;
  let asking = false;
  let outdated = false;

  function say(text, kind) {
    connection.className = kind;
    if (connection.textContent !== text) connection.textContent = text;
  }

  function connected() {
    clearTimeout(lost);
    lost = 0;
    delay = 1000;
    say("Updates by itself", "on");
  }

  function disconnected(text) {
    lost ||= setTimeout(() => say(text, "off"), 3000);
  }

  function connect() {
    const url = new URL("events", location.href);
    url.search = location.search;
    url.searchParams.set("since", document.body.dataset.version);
    source = new EventSource(url);
    source.onopen = connected;
    source.onmessage = ask;
    source.onerror = () => {
      disconnected("Connection lost");
      if (source.readyState === EventSource.CLOSED) again();
    };
  }

  function again() {
    source.close();
    setTimeout(() => document.hidden || connect(), delay);
    delay = Math.min(2 * delay, 60000);
  }

  function ask() {
    if (asking) {
      outdated = true;
      return;
    }
    asking = true;
    outdated = false;
    // Unlike fetch and a parser, this never makes markup of a string.
    const request = new XMLHttpRequest();
    request.open("GET", location.href);
    request.responseType = "document";
    request.onloadend = () => {
      asking = false;
      if (request.status === 200 && request.response) take(request.response);
      else if (request.status === 403) return stop();
      else return again();
      if (outdated) ask();
    };
    request.send();
  }

  function stop() {
    source.close();
    clearTimeout(lost);
    say("You may not see the settings any more: reload the page", "off");
  }

  function keys(root) {
    return [...root.querySelectorAll(".group tbody th code")].map((code) => code.textContent).join("\n");
  }

  function take(fresh) {
    if (keys(document) !== keys(fresh)) {
      // An entry of a mapping or an array has come or gone, so there are other rows.
      document.getElementById("rows").replaceWith(document.importNode(fresh.getElementById("rows"), true));
      total = fresh.getElementById("shown").textContent;
    }
    const parts = [...document.querySelectorAll("[data-part]")];
    const others = [...fresh.querySelectorAll("[data-part]")];
    if (parts.length !== others.length || document.title !== fresh.title) {
      location.reload(); // another program answers
      return;
    }
    parts.forEach((part, index) => {
      const other = others[index];
      if (part.isEqualNode(other)) return;
      part.replaceWith(other);
      const row = other.closest("tr");
      if (row) flash(row);
    });
    document.body.dataset.version = fresh.body.dataset.version;
    applyFilter();
  }

  function flash(row) {
    row.classList.add("changed");
    setTimeout(() => row.classList.remove("changed"), 4000);
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) source.close();
    else connect();
  });

  document.getElementById("filter-label").hidden = false;
  applyFilter();
  connect();
})();
