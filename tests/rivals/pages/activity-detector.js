import createActivityDetector from "activity-detector";

const detector = createActivityDetector({ timeToIdle: 900_000 });
detector.on("idle", () => window.simulation.mark("locked"));
