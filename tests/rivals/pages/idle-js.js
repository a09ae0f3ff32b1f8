import IdleJs from "idle-js";

new IdleJs({ idle: 900_000, onIdle: () => window.simulation.mark("locked") }).start();
