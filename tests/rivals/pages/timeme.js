import TimeMe from "timeme.js";

// One minute for the durations; for idle logout as long as everybody's.
const { idle = "60" } = document.documentElement.dataset;
TimeMe.initialize({ currentPageName: "page", idleTimeoutInSeconds: Number(idle) });
TimeMe.callWhenUserLeaves(() => window.simulation.mark("locked"));
window.TimeMe = TimeMe;
