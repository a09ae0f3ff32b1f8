import { createElement } from "react";
import { createRoot } from "react-dom/client";
import { useIdleTimer } from "react-idle-timer";

function Watched() {
  useIdleTimer({
    timeout: 900_000,
    promptBeforeIdle: 60_000,
    onPrompt: () => window.simulation.mark("warned"),
    onIdle: () => window.simulation.mark("locked"),
  });
  return null;
}

createRoot(document.querySelector("main")).render(createElement(Watched));
