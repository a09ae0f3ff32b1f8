/**
 * Shows what lastseen.js knows, once a second: a demonstration, and nothing that a site needs. A
 * button with the id `clock` opens and closes it; `#clock` in the address opens it too.
 */
(() => {
  /** @typedef {{ session: string | null, tracking: boolean, activeSeconds: number, inactiveSeconds: number, seenSecondsAgo: number, idleInSeconds: number | null, nextHeartbeatInSeconds: number | null }} Status */

  const button = document.getElementById("clock");
  const lastseen = /** @type {{ lastseen?: { status: () => Status } }} */ (window).lastseen;
  if (!button || !lastseen) return;
  button.hidden = false;

  /** The newest five. @type {string[]} */
  const events = [];
  const panel = document.createElement("section");
  panel.className = "clock";
  panel.id = "clock-panel";
  panel.tabIndex = 0;
  panel.setAttribute("aria-labelledby", "clock-title");
  const title = document.createElement("h2");
  title.id = "clock-title";
  title.textContent = "The clock";
  const figures = document.createElement("dl");
  const list = document.createElement("ol");
  panel.append(title, figures, list);
  button.setAttribute("aria-controls", panel.id);

  /** @param {number | null} count */
  function span(count) {
    if (count === null) return "–";
    const parts = [Math.floor(count / 3600), Math.floor(count / 60) % 60, count % 60];
    const [hours = 0, ...rest] = parts.map((part) => `${part}`);
    const text = rest.map((part) => part.padStart(2, "0")).join(":");
    return hours === "0" ? text : `${hours}:${text}`;
  }

  function draw() {
    const status = lastseen?.status();
    if (!status) return;
    const rows = [
      ["Looked at, in this session", span(status.activeSeconds)],
      ["Last sign of life, ago", span(status.inactiveSeconds)],
      ["Last seen, ago", span(status.seenSecondsAgo)],
      ["Locks in", span(status.idleInSeconds)],
      ["Next heartbeat in", span(status.nextHeartbeatInSeconds)],
      ["Session", status.tracking ? (status.session ?? "–") : "none"],
    ];
    figures.replaceChildren(
      ...rows.flatMap((row) =>
        row.map((text, index) => {
          const cell = document.createElement(index ? "dd" : "dt");
          cell.textContent = text;
          return cell;
        }),
      ),
    );
    list.replaceChildren(
      ...events.map((text) => {
        const item = document.createElement("li");
        item.textContent = text;
        return item;
      }),
    );
  }

  for (const name of ["active", "warn", "idle", "logout", "heartbeat"]) {
    window.addEventListener(`lastseen:${name}`, () => {
      events.unshift(`${new Date().toLocaleTimeString()} ${name}`);
      events.splice(5);
      if (panel.isConnected) draw();
    });
  }

  let timer = 0;
  function toggle() {
    clearInterval(timer);
    if (panel.isConnected) panel.remove();
    else {
      document.body.append(panel);
      draw();
      timer = setInterval(draw, 1000);
    }
    button?.setAttribute("aria-expanded", `${panel.isConnected}`);
  }
  button.addEventListener("click", toggle);
  if (location.hash === "#clock") toggle();
})();
