"use strict";
(() => {
  const MOST_ROWS = 200;
  const LONGEST = 500; // characters of a text that are shown
  const byId = (id) => document.getElementById(id);
  const list = byId("events");

  let source = null;
  let lastId = "";
  let next = 0; // the timer of the next attempt
  let delay = 1000;
  let interval = 0; // seconds, as the server has told
  let heardAt = performance.now();
  let interruptions = 0;
  let events = 0;
  let gaps = 0;

  function write(id, text) {
    const element = byId(id);
    if (element.textContent !== text) element.textContent = text;
  }

  function state(text, kind) {
    byId("connection").className = kind;
    write("connection", text);
  }

  // The stream. The browser connects again by itself and names the last id. Where it gives up (an answer that is no
  // stream), and where a connection is dead without having ended, another one is opened here.
  function connect() {
    const url = new URL("events", location.href);
    if (lastId) url.searchParams.set("last-event-id", lastId);
    heardAt = performance.now();
    source = new EventSource(url);
    source.onopen = () => {
      heard();
      state("Connected", "on");
    };
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) later("No stream at the moment");
      else lost("Connection lost, connecting again");
    };
    source.onmessage = (message) => {
      heard();
      lastId = message.lastEventId;
      events += 1;
      write("count", events.toLocaleString("en"));
      add(eventIn(message.data));
    };
    on("heartbeat", (message) => {
      interval = Number(message.data) || 0;
      write("heartbeat", interval ? "every " + interval + " s" : "not told yet");
    });
    on("paused", () => {
      state("Event streaming is switched off", "paused");
      add(notice("Event streaming has been switched off"));
    });
    on("resumed", () => {
      state("Connected", "on");
      add(notice("Event streaming is on again"));
    });
    on("gap", (message) => {
      lastId = message.lastEventId;
      gaps += 1;
      write("gaps", String(gaps));
      add(notice("Events were missed here"));
    });
  }

  function on(name, told) {
    source.addEventListener(name, (message) => {
      heard();
      told(message);
    });
  }

  function heard() {
    heardAt = performance.now();
    delay = 1000;
    write("heard", "just now");
  }

  function lost(text) {
    if (byId("connection").className !== "off") {
      interruptions += 1;
      write("interruptions", String(interruptions));
    }
    state(text, "off");
  }

  function later(text) {
    lost(text + ", trying again");
    source?.close();
    source = null;
    clearTimeout(next);
    next = setTimeout(connect, delay);
    delay = Math.min(2 * delay, 30000);
  }

  setInterval(() => {
    const silent = (performance.now() - heardAt) / 1000;
    if (silent >= 1 && byId("heard").textContent !== "none yet") write("heard", Math.floor(silent) + " s ago");
    if (source !== null && interval && silent > 2 * interval + 5) later("No sign of life");
  }, 1000);

  addEventListener("pageshow", (event) => {
    if (event.persisted) later("Back again");
  });

  // The list: newest first, bounded, and written once per frame, however many come. What a text holds is never markup.
  let pending = [];
  let drawing = false;
  let held = 0;
  const hold = byId("hold");

  function add(row) {
    pending.push(row);
    if (pending.length > MOST_ROWS) pending.shift();
    if (hold.getAttribute("aria-pressed") === "true") {
      held += 1;
      write("held", held === 1 ? "1 row waits" : held + " rows wait" + (held > MOST_ROWS ? ", the last " + MOST_ROWS + " will show" : ""));
    } else if (!drawing) {
      drawing = true;
      requestAnimationFrame(draw);
    }
  }

  function draw() {
    drawing = false;
    const rows = pending;
    pending = [];
    rows.forEach((row) => list.prepend(row));
    while (list.childElementCount > MOST_ROWS) list.lastElementChild.remove();
    byId("none").hidden = list.childElementCount > 0;
    if (rows.length) toldSoon(rows);
  }

  hold.addEventListener("click", () => {
    const on = hold.getAttribute("aria-pressed") !== "true";
    hold.setAttribute("aria-pressed", String(on));
    held = 0;
    write("held", on ? "0 rows wait" : "");
    if (!on) draw();
  });

  function eventIn(data) {
    let event = null;
    try {
      event = JSON.parse(data);
    } catch {
      // shown as it is
    }
    const row = emptyRow("event");
    if (event !== null && typeof event.kind === "string" && typeof event.execution_id === "string") {
      row.append(
        element("span", "kind", event.kind),
        element("code", "execution", event.execution_id),
        element("span", "detail", typeof event.detail === "string" ? event.detail : ""),
      );
    } else {
      row.append(element("code", "raw", data));
    }
    return row;
  }

  function notice(text) {
    const row = emptyRow("notice");
    row.append(element("span", "text", text));
    return row;
  }

  function emptyRow(kind) {
    const row = document.createElement("li");
    row.className = kind + " fresh";
    const now = new Date();
    const time = element("time", "", now.toLocaleTimeString("en-GB"));
    time.dateTime = now.toISOString();
    row.append(time);
    return row;
  }

  function element(name, kind, text) {
    const made = document.createElement(name);
    if (kind) made.className = kind;
    made.textContent = visible(text);
    return made;
  }

  // What could not be seen, or would turn the text around, is written as an escape.
  function visible(text) {
    const shown = text.length <= LONGEST ? text : text.slice(0, LONGEST) + "… (" + text.length.toLocaleString("en") + " characters)";
    return shown.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (char) => "\\u{" + char.codePointAt(0).toString(16) + "}");
  }

  // A screen reader is told of what has come in the last seconds in one sentence.
  let untold = 0;
  let newest = null;

  function toldSoon(rows) {
    if (!untold) setTimeout(tellNow, 3000);
    untold += rows.length;
    newest = rows[rows.length - 1];
  }

  function tellNow() {
    const parts = [...newest.children].slice(1, 3).map((part) => part.textContent);
    write("news", (untold === 1 ? "One new row: " : untold + " new rows, the last: ") + parts.join(" "));
    untold = 0;
  }

  connect();
})();
