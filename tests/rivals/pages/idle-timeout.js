import idleTimeout from "idle-timeout";

idleTimeout(() => window.simulation.mark("locked"), { element: document, timeout: 900_000 });
